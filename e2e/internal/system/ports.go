package system

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
)

// Ports hands out ports that nobody listens on, each once, so that stacks which start at the same time do not get the same. They lie below those that systems give to outgoing
// connections, one of which could otherwise take the port of a part that is down for a moment. It is safe for concurrent use.
type Ports struct {
	mu   sync.Mutex
	next int
}

const (
	lowestPort  = 10_000
	highestPort = 32_000
)

// NewPorts begins anywhere, for other tests may run on this machine.
func NewPorts() *Ports {
	return &Ports{next: lowestPort + rand.IntN(highestPort-lowestPort)}
}

// Take returns n ports.
func (p *Ports) Take(ctx context.Context, n int) ([]string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var ports []string
	for range highestPort - lowestPort {
		if len(ports) == n {
			return ports, nil
		}
		port := fmt.Sprint(p.next)
		if p.next++; p.next > highestPort {
			p.next = lowestPort
		}
		var config net.ListenConfig
		listener, err := config.Listen(ctx, "tcp", net.JoinHostPort("", port))
		if err != nil {
			continue // somebody has it
		}
		if err := listener.Close(); err != nil {
			return nil, fmt.Errorf("close the port %s: %w", port, err)
		}
		ports = append(ports, port)
	}
	return nil, fmt.Errorf("there are no %d free ports", n)
}
