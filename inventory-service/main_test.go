package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/steadfast-shop/steadfast/inventory-service/internal/postgrestest"
	inventoryv1 "github.com/steadfast-shop/steadfast/shared-proto/inventory/v1"
)

// patience bounds what takes a moment, also on a busy machine.
const patience = 10 * time.Second

// service is a running inventory-service.
type service struct {
	url     string
	calls   inventoryv1.InventoryServiceClient
	stop    context.CancelFunc
	stopped chan error
}

func TestServiceWithItsDatabase(t *testing.T) {
	database := postgrestest.NewForTest(t)
	s := startService(t, database.URL("postgres"))
	const reserve, unavailable = "SKU001", "503 Service Unavailable, please try again later"

	// The database is away: alive, not ready, and every request is told so.
	s.want(t, "GET", "/livez", "", `200 {"status":"alive"}`)
	s.want(t, "GET", "/readyz", "", `503 {"failing":["database"],"status":"not ready"}`)
	s.want(t, "POST", "/api/inventory", `{"skuCode":"SKU001","quantity":100}`, unavailable)
	s.want(t, "GET", "/api/inventory?skuCode=SKU001", "", unavailable)
	if _, err := s.reserve(t, "R", reserve); status.Code(err) != codes.Unavailable {
		t.Errorf("Reserve: got %v, want %v", err, codes.Unavailable)
	}

	if err := database.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.waitReady(t)
	s.want(t, "POST", "/api/inventory", `{"skuCode":"SKU001","quantity":100}`, "201 Inventory created successfully")
	if state, err := s.reserve(t, "R", reserve); err != nil || state != inventoryv1.ReservationState_RESERVATION_STATE_RESERVED {
		t.Errorf("Reserve: got %v, %v", state, err)
	}
	s.want(t, "GET", "/api/inventory", `["SKU001","SKU002"]`, "200 [99,null]")

	// It crashes and comes back: what was stored is there.
	database.Stop()
	s.want(t, "GET", "/api/inventory?skuCode=SKU001", "", unavailable)
	if err := database.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.waitReady(t)
	s.want(t, "GET", "/api/inventory?skuCode=SKU001", "", "200 [99]")
	if body := s.get(t, "/metrics"); !strings.Contains(body, "grpc_server_call_duration_seconds_count") {
		t.Error("the metrics lack those of the gRPC server")
	}
	s.stop()
	if err := <-s.stopped; err != nil {
		t.Errorf("stop: %v", err)
	}
}

func TestReplicasWorkAtOnce(t *testing.T) {
	database := postgrestest.NewForTest(t)
	if err := database.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	replicas := []*service{startService(t, database.URL("postgres")), startService(t, database.URL("postgres"))}
	for _, replica := range replicas {
		replica.waitReady(t)
	}
	replicas[0].want(t, "POST", "/api/inventory", `{"skuCode":"A","quantity":20}`, "201 Inventory created successfully")

	// Each of 32 ids goes to both replicas at once: one fate for each, and 20 units for all.
	const ids = 32
	states := make([][2]inventoryv1.ReservationState, ids)
	var finished sync.WaitGroup
	for i := range ids {
		for r, replica := range replicas {
			finished.Go(func() {
				state, err := replica.reserve(t, "R"+strconv.Itoa(i), "A")
				if err != nil {
					t.Errorf("R%d: %v", i, err)
				}
				states[i][r] = state
			})
		}
	}
	finished.Wait()
	reserved := 0
	for i, state := range states {
		if state[0] != state[1] {
			t.Errorf("R%d has two fates: %v", i, state)
		}
		if state[0] == inventoryv1.ReservationState_RESERVATION_STATE_RESERVED {
			reserved++
		}
	}
	if reserved != 20 {
		t.Errorf("got %d reservations of 20 units", reserved)
	}
	replicas[1].want(t, "GET", "/api/inventory?skuCode=A", "", "200 [0]")
}

func TestStartFailsOnBadSettings(t *testing.T) {
	t.Setenv("INVENTORY_PORT", "none")
	err := run(t.Context())
	for _, want := range []string{"INVENTORY_PORT", "INVENTORY_POSTGRES_URL"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want it to name %s", err, want)
		}
	}
}

func TestStartFailsOnATakenPort(t *testing.T) {
	var config net.ListenConfig
	taken, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	_, port, err := net.SplitHostPort(taken.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	setEnvironment(t, "postgres://127.0.0.1:1/none")
	t.Setenv("INVENTORY_PORT", port)
	if err := run(t.Context()); err == nil || !strings.Contains(err.Error(), port) {
		t.Errorf("got %v, want it to name port %s", err, port)
	}
}

// startService runs the service on free ports and returns when its HTTP port answers. It stops with the test.
func startService(t *testing.T, databaseURL string) *service {
	t.Helper()
	httpPort, grpcPort := setEnvironment(t, databaseURL)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	s := &service{url: "http://127.0.0.1:" + httpPort, stop: cancel, stopped: make(chan error, 1)}
	go func() { defer close(s.stopped); s.stopped <- run(ctx) }()
	t.Cleanup(func() {
		cancel()
		for err := range s.stopped {
			if err != nil {
				t.Errorf("stop: %v", err)
			}
		}
	})
	conn, err := grpc.NewClient("passthrough:///127.0.0.1:"+grpcPort, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	s.calls = inventoryv1.NewInventoryServiceClient(conn)
	s.poll(t, "/livez")
	return s
}

// setEnvironment sets the service's settings, with ports that were free a moment ago.
func setEnvironment(t *testing.T, databaseURL string) (httpPort, grpcPort string) {
	t.Helper()
	httpPort, grpcPort = freePort(t), freePort(t)
	for name, value := range map[string]string{
		"LISTEN_HOST": "127.0.0.1", "INVENTORY_PORT": httpPort, "INVENTORY_GRPC_PORT": grpcPort, "INVENTORY_POSTGRES_URL": databaseURL, "LOG_LEVEL": "error",
	} {
		t.Setenv(name, value)
	}
	return httpPort, grpcPort
}

func freePort(t *testing.T) string {
	t.Helper()
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func (s *service) waitReady(t *testing.T) {
	t.Helper()
	s.poll(t, "/readyz")
}

// poll asks until the path answers 200.
func (s *service) poll(t *testing.T, path string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for {
		if status, _, err := s.send(ctx, "GET", path, ""); err == nil && status == http.StatusOK {
			return
		}
		select {
		case <-again.C:
		case err := <-s.stopped:
			t.Fatalf("the service has stopped: %v", err)
		case <-ctx.Done():
			t.Fatalf("%s is not 200 after %s", path, patience)
		}
	}
}

// want sends a request and compares status and body.
func (s *service) want(t *testing.T, method, path, body, want string) {
	t.Helper()
	status, answer, err := s.send(t.Context(), method, path, body)
	if got := strconv.Itoa(status) + " " + answer; err != nil || got != want {
		t.Errorf("%s %s: got %s, %v, want %s", method, path, got, err, want)
	}
}

func (s *service) get(t *testing.T, path string) string {
	t.Helper()
	_, body, err := s.send(t.Context(), "GET", path, "")
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func (s *service) send(ctx context.Context, method, path, body string) (status int, answer string, err error) {
	request, err := http.NewRequestWithContext(ctx, method, s.url+path, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = response.Body.Close() }()
	data, err := io.ReadAll(response.Body)
	return response.StatusCode, string(data), err
}

func (s *service) reserve(t *testing.T, id, skuCode string) (inventoryv1.ReservationState, error) {
	t.Helper()
	request := &inventoryv1.ReserveRequest{ReservationId: id, Lines: []*inventoryv1.Line{{SkuCode: skuCode, Quantity: 1}}}
	response, err := s.calls.Reserve(t.Context(), request, grpc.WaitForReady(true))
	return response.GetState(), err
}
