package system

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
)

// Link is a TCP connection's way through this process, which can lose what comes back.
type Link struct {
	listener  net.Listener
	target    string
	loses     atomic.Bool
	mu        sync.Mutex
	conns     []net.Conn
	transfers sync.WaitGroup
}

// OpenLink opens a link to target on a free port.
func OpenLink(ctx context.Context, ports *Ports, target string) (*Link, error) {
	free, err := ports.Take(ctx, 1)
	if err != nil {
		return nil, err
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", free[0]))
	if err != nil {
		return nil, fmt.Errorf("open a link: %w", err)
	}
	l := &Link{listener: listener, target: target}
	l.transfers.Go(l.accept)
	return l, nil
}

// Address is where the link begins, host:port.
func (l *Link) Address() string { return l.listener.Addr().String() }

// LoseReplies says whether requests still arrive while their replies vanish. Once they no longer do, connections are cut, for parts of their streams are missing.
func (l *Link) LoseReplies(lose bool) {
	l.loses.Store(lose)
	if !lose {
		l.cut()
	}
}

// Close ends the link and its connections.
func (l *Link) Close() error {
	err := l.listener.Close()
	l.cut()
	l.transfers.Wait()
	return err
}

func (l *Link) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, conn := range l.conns {
		_ = conn.Close() // it may be closed already
	}
	l.conns = nil
}

func (l *Link) accept() {
	for {
		caller, err := l.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		callee, err := net.Dial("tcp", l.target) //nolint:noctx // on this machine
		if err != nil {
			_ = caller.Close()
			continue
		}
		l.mu.Lock()
		l.conns = append(l.conns, caller, callee)
		l.mu.Unlock()
		l.transfers.Go(func() { l.carry(callee, caller, nil) })
		l.transfers.Go(func() { l.carry(caller, callee, &l.loses) })
	}
}

// carry copies until either end closes, and then closes both. While loses is true, what is read goes nowhere.
func (l *Link) carry(to, from net.Conn, loses *atomic.Bool) {
	defer to.Close()   //nolint:errcheck // the transfer is over
	defer from.Close() //nolint:errcheck // the transfer is over
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 && (loses == nil || !loses.Load()) {
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
