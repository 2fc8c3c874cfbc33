package kafka_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/steadfast-shop/steadfast/shared-kit/kafka"
)

// TestConnectEndsWithItsContext stops a Connect that waits for a broker which takes connections and never answers.
func TestConnectEndsWithItsContext(t *testing.T) {
	broker, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close() //nolint:errcheck // the test is about something else
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := kafka.Connect(ctx, []string{broker.Addr().String()}, kafka.NewConfig("test"), nil, slog.New(slog.DiscardHandler))
		done <- err
	}()
	if _, err := broker.Accept(); err != nil { // it has connected, and waits
		t.Fatal(err)
	}
	cancel()
	select {
	case err := <-done:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v; want %v", err, context.Canceled)
		}
	case <-time.After(5 * time.Second):
		t.Error("a silent broker holds Connect up")
	}
}
