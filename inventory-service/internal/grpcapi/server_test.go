package grpcapi_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/steadfast-shop/steadfast/inventory-service/internal/grpcapi"
	"github.com/steadfast-shop/steadfast/inventory-service/internal/stock"
	"github.com/steadfast-shop/steadfast/inventory-service/internal/stocktest"
	inventoryv1 "github.com/steadfast-shop/steadfast/shared-proto/inventory/v1"
)

const (
	reserved = inventoryv1.ReservationState_RESERVATION_STATE_RESERVED
	refused  = inventoryv1.ReservationState_RESERVATION_STATE_REFUSED
	released = inventoryv1.ReservationState_RESERVATION_STATE_RELEASED
)

func TestReserveAndRelease(t *testing.T) {
	client := inventoryv1.NewInventoryServiceClient(dial(t, serve(t, stock.NewService(stocktest.NewMemory(stock.Item{SKUCode: "A", Quantity: 3})))))
	steps := []struct {
		name string
		call func(context.Context) (stater, error)
		want inventoryv1.ReservationState
		code codes.Code
	}{
		{"reserve", reserve(client, "R1", line("A", 1), line("A", 1)), reserved, codes.OK},
		{"reserve again, added up", reserve(client, "R1", line("A", 2)), reserved, codes.OK},
		{"reserve with other lines", reserve(client, "R1", line("A", 1)), 0, codes.AlreadyExists},
		{"reserve too much", reserve(client, "R2", line("A", 2)), refused, codes.OK},
		{"reserve an unknown SKU", reserve(client, "R3", line("X", 1)), refused, codes.OK},
		{"release", release(client, "R1"), released, codes.OK},
		{"reserve what is released", reserve(client, "R1", line("A", 2)), released, codes.OK},
		{"release what was refused", release(client, "R2"), refused, codes.OK},
		{"release the unknown", release(client, "R4"), released, codes.OK},
		{"reserve late", reserve(client, "R4", line("A", 1)), released, codes.OK},
	}
	for _, step := range steps {
		response, err := step.call(t.Context())
		if got := response.GetState(); status.Code(err) != step.code || got != step.want {
			t.Errorf("%s: got %v, %v, want %v, %v", step.name, got, err, step.want, step.code)
		}
	}
}

// failing is an inventory whose every call ends in err.
type failing struct{ err error }

func (f failing) Reserve(context.Context, string, stock.Lines) (stock.State, error) {
	return "", f.err
}

func (f failing) Release(context.Context, string) (stock.State, error) {
	if f.err == nil {
		panic("nothing prepared")
	}
	return "", f.err
}

func TestErrorsSurviveTheWire(t *testing.T) {
	secret := errors.New("password=hunter2")
	tests := []struct {
		name string
		err  error
		want codes.Code
	}{
		{"other lines", stock.ErrOtherLines, codes.AlreadyExists},
		{"database away", fmt.Errorf("reserve: %w: %w", stock.ErrUnavailable, secret), codes.Unavailable},
		{"time is up", fmt.Errorf("reserve: %w: %w", context.DeadlineExceeded, secret), codes.DeadlineExceeded},
		{"cancelled", context.Canceled, codes.Canceled},
		{"unknown", secret, codes.Internal},
		{"panic", nil, codes.Internal},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			client := inventoryv1.NewInventoryServiceClient(dial(t, serve(t, failing{test.err})))
			_, err := client.Release(t.Context(), &inventoryv1.ReleaseRequest{ReservationId: "R"})
			if got := status.Code(err); got != test.want || strings.Contains(err.Error(), secret.Error()) {
				t.Errorf("got %v, want %v without the cause", err, test.want)
			}
		})
	}
}

func TestInvalidRequestsNameEveryFault(t *testing.T) {
	client := inventoryv1.NewInventoryServiceClient(dial(t, serve(t, failing{errors.New("must not be called")})))
	tests := []struct {
		name    string
		request *inventoryv1.ReserveRequest
		want    []string
	}{
		{"nothing", &inventoryv1.ReserveRequest{}, []string{"reservation_id", "lines"}},
		{"blank id", &inventoryv1.ReserveRequest{ReservationId: " ", Lines: []*inventoryv1.Line{line("A", 1)}}, []string{"reservation_id"}},
		{"control character", &inventoryv1.ReserveRequest{ReservationId: "a\x00", Lines: []*inventoryv1.Line{line("A", 1)}}, []string{"reservation_id"}},
		{"long id", &inventoryv1.ReserveRequest{ReservationId: strings.Repeat("ä", 129), Lines: []*inventoryv1.Line{line("A", 1)}}, []string{"reservation_id"}},
		{
			"bad lines",
			&inventoryv1.ReserveRequest{ReservationId: "R", Lines: []*inventoryv1.Line{line("", 0), line("A", -1), line("B", stock.MaxUnits+1), line("C", 1)}},
			[]string{"lines[0].sku_code", "lines[0].quantity", "lines[1].quantity", "lines[2].quantity"},
		},
		{"too many lines", &inventoryv1.ReserveRequest{ReservationId: "R", Lines: make([]*inventoryv1.Line, stock.MaxLines+1)}, []string{"lines"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := client.Reserve(t.Context(), test.request)
			if got := violated(err); status.Code(err) != codes.InvalidArgument || !slices.Equal(got, test.want) {
				t.Errorf("got %v naming %v, want %v", err, got, test.want)
			}
		})
	}
	_, err := client.Release(t.Context(), &inventoryv1.ReleaseRequest{})
	if got, want := violated(err), []string{"reservation_id"}; !slices.Equal(got, want) {
		t.Errorf("Release: got %v, want %v", got, want)
	}
}

// waiting is an inventory that answers when the call's time is up.
type waiting struct{ failing }

func (waiting) Release(ctx context.Context, _ string) (stock.State, error) {
	<-ctx.Done()
	return "", ctx.Err()
}

func TestCallsAreBounded(t *testing.T) {
	client := inventoryv1.NewInventoryServiceClient(dial(t, serve(t, waiting{})))
	if _, err := client.Release(t.Context(), &inventoryv1.ReleaseRequest{ReservationId: "R"}); status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("got %v, want %v", err, codes.DeadlineExceeded)
	}
}

func TestHealthFollowsTheCheck(t *testing.T) {
	server := grpcapi.NewServer(failing{}, time.Second, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	watch, err := healthv1.NewHealthClient(dial(t, start(t, server))).Watch(t.Context(), &healthv1.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	answers := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	followed := make(chan error, 1)
	go func() {
		followed <- server.FollowHealth(ctx, func(context.Context) error { return <-answers })
	}()
	want := func(want healthv1.HealthCheckResponse_ServingStatus) {
		t.Helper()
		got, err := watch.Recv()
		if err != nil || got.GetStatus() != want {
			t.Fatalf("got %v, %v, want %v", got, err, want)
		}
	}
	want(healthv1.HealthCheckResponse_NOT_SERVING)
	answers <- nil
	want(healthv1.HealthCheckResponse_SERVING)
	answers <- errors.New("away")
	want(healthv1.HealthCheckResponse_NOT_SERVING)
	cancel()
	close(answers)
	if err := <-followed; !errors.Is(err, context.Canceled) {
		t.Errorf("FollowHealth: got %v, want %v", err, context.Canceled)
	}
}

func TestStopDoesNotWaitForWatchers(t *testing.T) {
	server := grpcapi.NewServer(failing{}, time.Second, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	watch, err := healthv1.NewHealthClient(dial(t, start(t, server))).Watch(t.Context(), &healthv1.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := watch.Recv(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := server.Stop(ctx); err != nil {
		t.Errorf("Stop: %v", err)
	}
	for err == nil {
		_, err = watch.Recv()
	}
	if errors.Is(err, io.EOF) {
		t.Errorf("the watcher was told %v, want to be cut off", err)
	}
}

// stater is the answer of either call.
type stater interface {
	GetState() inventoryv1.ReservationState
}

func reserve(client inventoryv1.InventoryServiceClient, id string, lines ...*inventoryv1.Line) func(context.Context) (stater, error) {
	return func(ctx context.Context) (stater, error) {
		return client.Reserve(ctx, &inventoryv1.ReserveRequest{ReservationId: id, Lines: lines})
	}
}

func release(client inventoryv1.InventoryServiceClient, id string) func(context.Context) (stater, error) {
	return func(ctx context.Context) (stater, error) {
		return client.Release(ctx, &inventoryv1.ReleaseRequest{ReservationId: id})
	}
}

func line(skuCode string, quantity int64) *inventoryv1.Line {
	return &inventoryv1.Line{SkuCode: skuCode, Quantity: quantity}
}

// violated returns the fields that the error's details name.
func violated(err error) []string {
	var fields []string
	for _, detail := range status.Convert(err).Details() {
		if invalid, ok := detail.(*errdetails.BadRequest); ok {
			for _, violation := range invalid.GetFieldViolations() {
				fields = append(fields, violation.GetField())
			}
		}
	}
	return fields
}

// inventory is what a server serves.
type inventory interface {
	Reserve(ctx context.Context, id string, lines stock.Lines) (stock.State, error)
	Release(ctx context.Context, id string) (stock.State, error)
}

func serve(t *testing.T, inventory inventory) string {
	t.Helper()
	return start(t, grpcapi.NewServer(inventory, 100*time.Millisecond, slog.New(slog.DiscardHandler), prometheus.NewRegistry()))
}

// start serves on a free port until the test ends, and returns the address.
func start(t *testing.T, server *grpcapi.Server) string {
	t.Helper()
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		if err := errors.Join(server.Stop(context.WithoutCancel(t.Context())), <-served); err != nil {
			t.Error(err)
		}
	})
	return listener.Addr().String()
}

func dial(t *testing.T, address string) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}
