package httpserver_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/steadfast-shop/steadfast/shared-kit/httpserver"
)

// TestShutdownDoesNotWaitForUnusedConnections opens a connection in advance, as http.Transport does, and stops the server.
func TestShutdownDoesNotWaitForUnusedConnections(t *testing.T) {
	server := httpserver.New(http.NotFoundHandler(), time.Second, slog.New(slog.DiscardHandler))
	accepted := make(chan struct{})
	watch := server.ConnState
	server.ConnState = func(connection net.Conn, state http.ConnState) {
		watch(connection, state)
		if state == http.StateNew {
			close(accepted)
		}
	}
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	var dialer net.Dialer
	connection, err := dialer.DialContext(t.Context(), "tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close() //nolint:errcheck // the end of the test
	<-accepted
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		t.Errorf("Shutdown waited for a connection without a request: %v", err)
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		t.Errorf("Serve: %v", err)
	}
}
