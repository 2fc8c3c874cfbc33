package fleet

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"

	"github.com/steadfast-shop/steadfast/e2e/internal/system"
)

// mostFrame is more than any answer of a broker here.
const mostFrame = 256 << 20

// toBroker opens a link to each node of the broker, which stay on them when a node tells where all are, and returns where these links begin.
func (f *Fleet) toBroker(ctx context.Context, from string) (string, error) {
	nodes := strings.Split(f.Stack.URLs.Kafka, ",")
	free, err := f.options.Ports.Take(ctx, 2*len(nodes))
	if err != nil {
		return "", err
	}
	var begins, middles []string
	for i := range nodes {
		begins, middles = append(begins, "127.0.0.1:"+free[2*i]), append(middles, "127.0.0.1:"+free[2*i+1])
	}
	back, err := readdress(nodes, begins)
	if err != nil {
		return "", err
	}
	for i, name := range system.BrokerNodes(f.options.Kafka) {
		relay, err := openRelay(ctx, middles[i], back, nodes[i])
		if err != nil {
			return "", err
		}
		f.relays = append(f.relays, relay)
		if _, err := f.wiring.openAt(from, name, begins[i], middles[i]); err != nil {
			return "", err
		}
	}
	return strings.Join(begins, ","), nil
}

// readdress returns a copier of a broker's answers that names the port of a node's link wherever the broker names the node's own, so that a client which asks where the nodes are goes on by its links.
// Kafka writes an address as the host and then the port, as a 32-bit number, in all versions of its answers; nothing else in them can be the two together. Only whole answers are
// looked at, and none changes its length.
func readdress(nodes, links []string) (func(io.Writer, io.Reader) error, error) {
	before, after := make([][]byte, len(nodes)), make([][]byte, len(nodes))
	for i := range nodes {
		var err error
		if before[i], err = encoded(nodes[i]); err != nil {
			return nil, err
		}
		if after[i], err = encoded(links[i]); err != nil {
			return nil, err
		}
		if len(before[i]) != len(after[i]) {
			return nil, errors.New("the broker and its link have different hosts")
		}
	}
	return func(to io.Writer, from io.Reader) error {
		for {
			var length [4]byte
			if _, err := io.ReadFull(from, length[:]); err != nil {
				return err
			}
			size := binary.BigEndian.Uint32(length[:])
			if size > mostFrame {
				return fmt.Errorf("an answer of %d bytes", size)
			}
			frame := make([]byte, len(length)+int(size))
			copy(frame, length[:])
			if _, err := io.ReadFull(from, frame[len(length):]); err != nil {
				return err
			}
			for i := range before {
				frame = bytes.ReplaceAll(frame, before[i], after[i])
			}
			if _, err := to.Write(frame); err != nil {
				return err
			}
		}
	}, nil
}

// encoded is an address as a broker writes it.
func encoded(address string) ([]byte, error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("read an address: %w", err)
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("read the port of %s: %w", address, err)
	}
	return binary.BigEndian.AppendUint32([]byte(host), uint32(port)), nil
}
