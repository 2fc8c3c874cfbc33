package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"github.com/steadfast-shop/steadfast/devstack/internal/stack"
)

// TestMain lets the test program play every process of the stack: called by a
// service's name it is that service, and with a command of devstack it is devstack.
func TestMain(m *testing.M) {
	name := filepath.Base(os.Args[0])
	switch {
	case slices.Contains(services(), name):
		if err := fakeService(name); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	case len(os.Args) > 1 && slices.Contains([]string{"run", "part", "start", "stop", "kill", "status"}, os.Args[1]):
		main()
	default:
		os.Exit(m.Run())
	}
}

func services() []string {
	return []string{stack.Gateway, stack.Order, stack.Inventory, stack.Notification}
}

// fakeService serves what devstack looks at: /readyz on the service's port.
func fakeService(name string) error {
	port := map[string]string{
		stack.Gateway: "GATEWAY_ADMIN_PORT", stack.Order: "ORDER_PORT",
		stack.Inventory: "INVENTORY_PORT", stack.Notification: "NOTIFICATION_PORT",
	}[name]
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	server := http.Server{
		Addr: net.JoinHostPort(os.Getenv("LISTEN_HOST"), os.Getenv(port)),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/environment" {
				for _, line := range os.Environ() {
					fmt.Fprintln(w, line)
				}
			}
		}),
	}
	go func() {
		<-ctx.Done()
		server.Close() //nolint:errcheck // the test is about something else
	}()
	fmt.Printf(`{"time":"2026-01-02T03:04:05Z","level":"INFO","msg":"serving","port":%q}`+"\n", os.Getenv(port))
	if err := server.ListenAndServe(); ctx.Err() == nil {
		return err
	}
	return nil
}
