package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/steadfast-shop/steadfast/shared-kit/problem"
)

// traceID is the trace that the client's requests belong to.
const traceID = "4bf92f3577b34da6a3ce929d0e0e4736"

// The whole service, on TCP: what is public and what is not, upstreams that refuse and reset, and a stop that waits for a request under way.
func TestRun(t *testing.T) {
	entered, finish := make(chan struct{}), make(chan struct{})
	var resets atomic.Int32
	order := serveTCP(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/api/order/reset":
			resets.Add(1)
			resetConnection(t, w)
			return
		case "/api/order/traced":
			_, _ = io.WriteString(w, r.Header.Get("Traceparent"))
			return
		case "/api/order/slow":
			close(entered)
			<-finish
		}
		_, _ = io.WriteString(w, "done")
	})
	public, admin, nobody := freePort(t), freePort(t), freePort(t)
	t.Setenv("LISTEN_HOST", "127.0.0.1")
	t.Setenv("LOG_LEVEL", "error")
	t.Setenv("GATEWAY_PORT", fmt.Sprint(public))
	t.Setenv("GATEWAY_ADMIN_PORT", fmt.Sprint(admin))
	t.Setenv("ORDER_SERVICE_URI", "http://"+order)
	t.Setenv("INVENTORY_SERVICE_URI", fmt.Sprintf("http://127.0.0.1:%d", nobody))
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()
	waitUntilReady(t, admin)

	for _, tt := range []struct {
		port           int
		path           string
		status         int
		body, attempts string
	}{
		{public, "/livez", 200, "alive", ""},
		{public, "/readyz", 200, "ready", ""},
		{public, "/metrics", 404, "not_found", ""},
		{admin, "/livez", 200, "alive", ""},
		{admin, "/metrics", 200, "gateway_breaker_state", ""},
		{admin, "/api/order/user1", 404, "", ""},
		{public, "/api/order/user1", 200, "done", "1"},
		{public, "/api/order/traced", 200, "-" + traceID + "-", "1"},
		{public, "/api/inventory", 503, problem.Unavailable, "4"},
		{public, "/api/order/reset", 503, problem.Unavailable, "4"},
	} {
		response, body := get(t, tt.port, tt.path)
		equal(t, tt.path+": status", response.StatusCode, tt.status)
		equal(t, tt.path+": tries", response.Header.Get(headerAttempts), tt.attempts)
		if !strings.Contains(body, tt.body) {
			t.Errorf("%s: got the body %s, want %s", tt.path, body, tt.body)
		}
	}
	equal(t, "requests that were reset", resets.Load(), 4)

	answered := make(chan string)
	go func() {
		_, body := get(t, public, "/api/order/slow")
		answered <- body
	}()
	<-entered
	stop()
	close(finish)
	equal(t, "the answer under way at the stop", <-answered, "done")
	equal(t, "error of the stop", <-ended, nil)
}

func TestRunRefusesBadSettings(t *testing.T) {
	t.Setenv("GATEWAY_PORT", "0")
	if err := run(t.Context()); err == nil || !strings.Contains(err.Error(), "GATEWAY_PORT") {
		t.Errorf("got the error %v, want one that names GATEWAY_PORT", err)
	}
}

func serveTCP(t *testing.T, handler http.HandlerFunc) (address string) {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return listener.Addr().String()
}

// resetConnection ends the connection with a reset in place of an orderly end.
func resetConnection(t *testing.T, w http.ResponseWriter) {
	connection, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		t.Error(err)
		return
	}
	if tcp, ok := connection.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = connection.Close()
}

// freePort returns a port on which nobody listens.
func freePort(t *testing.T) int {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	address, _ := listener.Addr().(*net.TCPAddr)
	return address.Port
}

func waitUntilReady(t *testing.T, port int) {
	t.Helper()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); <-ticker.C {
		response, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/readyz", port))
		if err != nil {
			continue
		}
		_ = response.Body.Close()
		if response.StatusCode == http.StatusOK {
			return
		}
	}
	t.Fatal("the gateway did not get ready")
}

func get(t *testing.T, port int, path string) (*http.Response, string) {
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d%s", port, path), http.NoBody)
	if err != nil {
		t.Error(err)
		return &http.Response{}, ""
	}
	request.Header.Set("Traceparent", "00-"+traceID+"-00f067aa0ba902b7-01")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Error(err)
		return &http.Response{}, ""
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Error(err)
	}
	return response, string(body)
}
