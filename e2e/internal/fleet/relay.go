package fleet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/steadfast-shop/steadfast/e2e/internal/system"
)

const dialWithin = 2 * time.Second

// relay accepts connections and passes each on to one of its targets: the next in turn that takes it.
type relay struct {
	listener net.Listener
	targets  []string
	// back copies what the target sends.
	back func(to io.Writer, from io.Reader) error
	next atomic.Uint64

	mu        sync.Mutex
	closed    bool
	conns     map[net.Conn]bool
	transfers sync.WaitGroup
}

// balance opens a relay in front of replicas. Like a cluster's service address it shares connections out, not requests, and a replica that takes no connections gets none.
func balance(ctx context.Context, ports *system.Ports, targets ...string) (*relay, error) {
	free, err := ports.Take(ctx, 1)
	if err != nil {
		return nil, err
	}
	return openRelay(ctx, net.JoinHostPort("127.0.0.1", free[0]), copyAll, targets...)
}

func openRelay(ctx context.Context, address string, back func(io.Writer, io.Reader) error, targets ...string) (*relay, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("open a relay: %w", err)
	}
	r := &relay{listener: listener, targets: targets, back: back, conns: make(map[net.Conn]bool)}
	r.transfers.Go(r.accept)
	return r, nil
}

func (r *relay) address() string { return r.listener.Addr().String() }

// close ends the relay and its connections.
func (r *relay) close() error {
	err := r.listener.Close()
	r.mu.Lock()
	r.closed = true
	for conn := range r.conns {
		_ = conn.Close() // it may be closed already
	}
	r.mu.Unlock()
	r.transfers.Wait()
	return err
}

func (r *relay) accept() {
	for {
		caller, err := r.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		r.transfers.Go(func() { r.serve(caller) })
	}
}

func (r *relay) serve(caller net.Conn) {
	callee := r.dial()
	if callee == nil {
		_ = caller.Close() // nobody is there
		return
	}
	if !r.keep(caller, callee) {
		return
	}
	defer r.drop(caller, callee)
	var ways sync.WaitGroup
	ways.Go(func() {
		_ = copyAll(callee, caller) // either end may break off
		_ = callee.Close()
	})
	_ = r.back(caller, callee)
	_ = caller.Close()
	ways.Wait()
}

// dial returns a connection to the next target that takes one.
func (r *relay) dial() net.Conn {
	first := r.next.Add(1)
	for i := range uint64(len(r.targets)) {
		conn, err := net.DialTimeout("tcp", r.targets[(first+i)%uint64(len(r.targets))], dialWithin) //nolint:noctx // bounded, on this machine
		if err == nil {
			return conn
		}
	}
	return nil
}

// keep notes the connections, so that close finds them; it closes them where the relay has ended.
func (r *relay) keep(conns ...net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, conn := range conns {
		if r.closed {
			_ = conn.Close()
		}
		r.conns[conn] = true
	}
	return !r.closed
}

func (r *relay) drop(conns ...net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, conn := range conns {
		_ = conn.Close() // it may be closed already
		delete(r.conns, conn)
	}
}

func copyAll(to io.Writer, from io.Reader) error {
	_, err := io.Copy(to, from)
	return err
}
