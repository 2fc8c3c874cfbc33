package main

import (
	"context"
	"io"
	"net"
	"sync/atomic"
	"testing"
)

// proxy stands between a client and a broker's first address, and can refuse every connection.
type proxy struct {
	address string
	isCut   atomic.Bool
	refused atomic.Int32
}

func newProxy(t *testing.T, target string) *proxy {
	t.Helper()
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	p := &proxy{address: listener.Addr().String()}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			if p.isCut.Load() {
				p.refused.Add(1)
				_ = conn.Close()
				continue
			}
			go p.pass(conn, target)
		}
	}()
	return p
}

func (p *proxy) pass(client net.Conn, target string) {
	defer func() { _ = client.Close() }()
	var dialer net.Dialer
	broker, err := dialer.DialContext(context.Background(), "tcp", target)
	if err != nil {
		return
	}
	defer func() { _ = broker.Close() }()
	go func() {
		_, _ = io.Copy(broker, client)
		_ = broker.Close()
	}()
	_, _ = io.Copy(client, broker)
}

func (p *proxy) cut()  { p.isCut.Store(true) }
func (p *proxy) mend() { p.isCut.Store(false) }
