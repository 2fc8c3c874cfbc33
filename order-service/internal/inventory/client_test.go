package inventory_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/steadfast-shop/steadfast/shared-kit/telemetry"
	inventoryv1 "github.com/steadfast-shop/steadfast/shared-proto/inventory/v1"

	"github.com/steadfast-shop/steadfast/order-service/internal/inventory"
	"github.com/steadfast-shop/steadfast/order-service/internal/order"
	"github.com/steadfast-shop/steadfast/order-service/internal/ordertest"
)

// fakeInventory is a server that answers as it is told.
type fakeInventory struct {
	inventoryv1.UnimplementedInventoryServiceServer
	calls   atomic.Int32
	reserve func(context.Context, *inventoryv1.ReserveRequest) (*inventoryv1.ReserveResponse, error)
	release func(context.Context, *inventoryv1.ReleaseRequest) (*inventoryv1.ReleaseResponse, error)
}

func (f *fakeInventory) Reserve(ctx context.Context, r *inventoryv1.ReserveRequest) (*inventoryv1.ReserveResponse, error) {
	f.calls.Add(1)
	return f.reserve(ctx, r)
}

func (f *fakeInventory) Release(ctx context.Context, r *inventoryv1.ReleaseRequest) (*inventoryv1.ReleaseResponse, error) {
	f.calls.Add(1)
	return f.release(ctx, r)
}

// dial starts the server on a real listener and returns a client of it.
func dial(t *testing.T, f *fakeInventory) *inventory.Client {
	t.Helper()
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	inventoryv1.RegisterInventoryServiceServer(server, f)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	client, err := inventory.Dial("dns:///" + listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := client.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		server.Stop()
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return client
}

var lines = []order.Line{ordertest.Units("A", 2), ordertest.Units("B", 1)}

func TestReserveStates(t *testing.T) {
	for state, want := range map[inventoryv1.ReservationState]bool{
		inventoryv1.ReservationState_RESERVATION_STATE_RESERVED: true,
		inventoryv1.ReservationState_RESERVATION_STATE_REFUSED:  false,
		inventoryv1.ReservationState_RESERVATION_STATE_RELEASED: false,
	} {
		client := dial(t, &fakeInventory{reserve: func(_ context.Context, r *inventoryv1.ReserveRequest) (*inventoryv1.ReserveResponse, error) {
			if r.GetReservationId() != "N" || len(r.GetLines()) != 2 || r.GetLines()[0].GetSkuCode() != "A" || r.GetLines()[0].GetQuantity() != 2 {
				t.Errorf("asked for %v", r)
			}
			return &inventoryv1.ReserveResponse{State: state}, nil
		}})
		if held, err := client.Reserve(t.Context(), "N", lines); held != want || err != nil {
			t.Errorf("%v: Reserve = %v, %v; want %v", state, held, err, want)
		}
	}
	client := dial(t, &fakeInventory{reserve: func(context.Context, *inventoryv1.ReserveRequest) (*inventoryv1.ReserveResponse, error) {
		return &inventoryv1.ReserveResponse{}, nil
	}})
	if _, err := client.Reserve(t.Context(), "N", lines); !errors.Is(err, order.ErrUnavailable) {
		t.Errorf("a state that nobody knows: %v; want ErrUnavailable", err)
	}
}

// TestErrors proves what each status means to the rules after its trip over the wire, and how often it is tried: only what may pass is repeated.
func TestErrors(t *testing.T) {
	for _, c := range []struct {
		code  codes.Code
		want  error // nil: none of the rules' errors
		calls int32
	}{
		{codes.AlreadyExists, order.ErrHeldOtherwise, 1},
		{codes.InvalidArgument, nil, 1},
		{codes.Unavailable, order.ErrUnavailable, 3},
		{codes.DeadlineExceeded, order.ErrUnavailable, 1},
		{codes.Internal, order.ErrUnavailable, 1},
		{codes.ResourceExhausted, order.ErrUnavailable, 1},
		{codes.Unimplemented, order.ErrUnavailable, 1},
		{codes.Unknown, order.ErrUnavailable, 1},
	} {
		fail := status.Error(c.code, "told by the test")
		server := &fakeInventory{
			reserve: func(context.Context, *inventoryv1.ReserveRequest) (*inventoryv1.ReserveResponse, error) {
				return nil, fail
			},
			release: func(context.Context, *inventoryv1.ReleaseRequest) (*inventoryv1.ReleaseResponse, error) {
				return nil, fail
			},
		}
		client := dial(t, server)
		_, reserveErr := client.Reserve(t.Context(), "N", lines)
		if got := server.calls.Load(); got != c.calls {
			t.Errorf("%s: %d tries; want %d", c.code, got, c.calls)
		}
		for call, err := range map[string]error{"Reserve": reserveErr, "Release": client.Release(t.Context(), "N")} {
			isOurs := errors.Is(err, order.ErrUnavailable) || errors.Is(err, order.ErrHeldOtherwise)
			if err == nil || c.want != nil && !errors.Is(err, c.want) || c.want == nil && isOurs {
				t.Errorf("%s: %s = %v; want %v", c.code, call, err, c.want)
			}
		}
	}
}

func TestFrozenServer(t *testing.T) {
	client := dial(t, &fakeInventory{reserve: func(ctx context.Context, _ *inventoryv1.ReserveRequest) (*inventoryv1.ReserveResponse, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := client.Reserve(ctx, "N", lines); !errors.Is(err, order.ErrUnavailable) {
		t.Errorf("Reserve: %v; want ErrUnavailable", err)
	}
}

func TestNobodyThere(t *testing.T) {
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	client, err := inventory.Dial("dns:///" + address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := client.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}()
	if err := client.Release(t.Context(), "N"); !errors.Is(err, order.ErrUnavailable) {
		t.Errorf("Release: %v; want ErrUnavailable", err)
	}
}

// TestIDsPassWithoutCollector looks at what the server hears of a trace where nothing is recorded.
func TestIDsPassWithoutCollector(t *testing.T) {
	provider, propagator := otel.GetTracerProvider(), otel.GetTextMapPropagator()
	t.Cleanup(func() {
		otel.SetTracerProvider(provider)
		otel.SetTextMapPropagator(propagator)
	})
	if _, err := telemetry.Start(t.Context(), "test", telemetry.Settings{}, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	var got []string
	client := dial(t, &fakeInventory{release: func(ctx context.Context, _ *inventoryv1.ReleaseRequest) (*inventoryv1.ReleaseResponse, error) {
		got = metadata.ValueFromIncomingContext(ctx, "traceparent")
		return &inventoryv1.ReleaseResponse{}, nil
	}})
	ctx := telemetry.Continue(t.Context(), "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	if err := client.Release(ctx, "R1"); err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 || !strings.HasPrefix(got[0], "00-0af7651916cd43dd8448eb211c80319c-") || strings.Contains(got[0], "b7ad6b7169203331") {
		t.Errorf("the server hears of %q; want a span of the same trace", got)
	}
}
