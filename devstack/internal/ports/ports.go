// Package ports finds free TCP ports, and tells who has those that are taken.
package ports

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"syscall"
)

const host = "127.0.0.1"

// Need is a port that a part is going to listen on.
type Need struct {
	Part    string
	Port    int
	Setting string // the setting that changes the port
}

// Check tries every port and returns one error that names all that are taken.
// It listens for real, so that a port whose old connections linger (TIME_WAIT)
// counts as free, as it does for the part itself.
func Check(ctx context.Context, needs []Need) error {
	var faults []error
	wanted := map[int]Need{}
	for _, need := range needs {
		if other, double := wanted[need.Port]; double {
			faults = append(faults, fmt.Errorf("port %d is asked for by both %s (%s) and %s (%s)",
				need.Port, other.Part, other.Setting, need.Part, need.Setting))
			continue
		}
		wanted[need.Port] = need
		if err := tryListen(ctx, need.Port); err != nil {
			faults = append(faults, describe(ctx, need, err))
		}
	}
	return errors.Join(faults...)
}

func tryListen(ctx context.Context, port int) error {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", Address(port))
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	if err := listener.Close(); err != nil {
		return fmt.Errorf("close listener: %w", err)
	}
	return nil
}

func describe(ctx context.Context, need Need, err error) error {
	if !errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("port %d, needed by %s, cannot be used (%w); set %s to another one", need.Port, need.Part, err, need.Setting)
	}
	by := ""
	if owner := ownerOf(ctx, need.Port); owner != "" {
		by = " by " + owner
	}
	return fmt.Errorf("port %d, needed by %s, is taken%s; stop that, or set %s to another port",
		need.Port, need.Part, by, need.Setting)
}

// Free ports are looked for below those that systems give to outgoing connections, one of which could take the port of a part that is down for a moment.
const (
	lowestFree  = 10_000
	highestFree = 32_000
)

// Free returns n different ports that are free now. It begins anywhere, so that stacks which start together hardly find the same.
func Free(ctx context.Context, n int) ([]int, error) {
	var config net.ListenConfig
	found := make([]int, 0, n)
	start := rand.IntN(highestFree - lowestFree) //nolint:gosec // no secret
	for i := range highestFree - lowestFree {
		if len(found) == n {
			return found, nil
		}
		port := lowestFree + (start+i)%(highestFree-lowestFree)
		listener, err := config.Listen(ctx, "tcp", Address(port))
		if err != nil {
			continue // somebody has it
		}
		defer listener.Close() //nolint:errcheck // held until the last is found, against others who look; nobody used it, so closing it cannot fail
		found = append(found, port)
	}
	return nil, fmt.Errorf("there are no %d free ports from %d to %d", n, lowestFree, highestFree)
}

// Address is the address of a part of the local stack: loopback only.
func Address(port int) string {
	return net.JoinHostPort(host, strconv.Itoa(port))
}

// shorten keeps an owner's command line readable in a message.
func shorten(command string) string {
	const most = 60
	command = strings.TrimSpace(command)
	if len(command) > most {
		return command[:most] + "…"
	}
	return command
}
