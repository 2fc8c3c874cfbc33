package e2e_test

import (
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/steadfast-shop/steadfast/e2e/internal/promises"
	"github.com/steadfast-shop/steadfast/e2e/internal/shop"
	"github.com/steadfast-shop/steadfast/e2e/internal/system"
)

// terminate ends a service in order and wants exit status 0, in time.
func terminate(t *testing.T, service *system.Service) {
	t.Helper()
	status, took, err := service.Terminate()
	if err != nil || status != 0 || took > system.StopWithin {
		t.Errorf("exit status %d after %v, %v; want 0 within %v; the log ends with\n%s", status, took, err, system.StopWithin, lastLines(service.Output(), 20))
	}
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

func TestTerminateWhileAllIsWell(t *testing.T) {
	w := sharedWorld(t)
	for _, name := range system.Services() {
		t.Run(name, func(t *testing.T) {
			service := startService(t, name, w.Settings()...)
			if err := service.WaitReady(t.Context()); err != nil {
				t.Fatal(err)
			}
			terminate(t, service)
		})
	}
}

// TestTerminateLosesNoOrder stops an order-service in the midst of requests: whoever was answered 201 has an order.
func TestTerminateLosesNoOrder(t *testing.T) {
	w := sharedWorld(t)
	service := startService(t, system.Order, w.Settings()...)
	if err := service.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	direct, record := shop.New(service.API), promises.NewRecord()
	orders := newOrders(newStock(t, w, record, 1000), 200)
	answered := make(chan struct{}, len(orders))
	for _, order := range orders {
		go func() {
			_, _ = record.Place(t.Context(), direct, order) // refused connections are to be expected
			answered <- struct{}{}
		}()
	}
	for range 20 {
		<-answered
	}
	terminate(t, service)
	for range len(orders) - 20 {
		<-answered
	}
	s := w.system()
	s.Quiet = sweepWithin
	checkPromises(t, s, record, 0)
}

// allAway are settings under which nothing that a service needs can be reached.
func allAway(address string) []string {
	host, port, _ := net.SplitHostPort(address)
	return []string{
		"ORDER_SERVICE_URI=http://" + address, "INVENTORY_SERVICE_URI=http://" + address, "INVENTORY_GRPC_URI=" + address,
		"ORDER_MONGODB_URI=mongodb://" + address + "/order", "INVENTORY_POSTGRES_URL=postgres://u:p@" + address + "/inventory?sslmode=disable",
		"KAFKA_BOOTSTRAP_SERVERS=" + address, "SMTP_HOST=" + host, "SMTP_PORT=" + port,
	}
}

// closedPort is an address that refuses connections.
func closedPort(t *testing.T) string {
	t.Helper()
	ports, err := theSuite.ports.Take(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	return net.JoinHostPort("127.0.0.1", ports[0])
}

// silentPort is an address that takes connections and never says anything.
func silentPort(t *testing.T) string {
	t.Helper()
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() }) // the kernel takes connections, and nobody accepts them
	return listener.Addr().String()
}

// TestTerminateWhileAllIsAway starts each service without anything that it needs: it lives, and ends in order.
func TestTerminateWhileAllIsAway(t *testing.T) {
	t.Parallel()
	for way, address := range map[string]string{"refused": closedPort(t), "silent": silentPort(t)} {
		for _, name := range system.Services() {
			t.Run(name+" "+way, func(t *testing.T) {
				t.Parallel()
				service := startService(t, name, allAway(address)...)
				if err := service.WaitAnswer(t.Context(), "/livez", http.StatusOK); err != nil {
					t.Fatal(err)
				}
				ready := http.StatusOK
				if name == system.Order || name == system.Inventory { // without their databases
					ready = http.StatusServiceUnavailable
				}
				if err := service.WaitAnswer(t.Context(), "/readyz", ready); err != nil {
					t.Error(err)
				}
				terminate(t, service)
			})
		}
	}
}

// TestReadyWithoutKafkaAndSMTP starts each service while Kafka and the mail server are away.
func TestReadyWithoutKafkaAndSMTP(t *testing.T) {
	w := sharedWorld(t)
	host, port, _ := net.SplitHostPort(closedPort(t))
	for _, name := range system.Services() {
		t.Run(name, func(t *testing.T) {
			service := startService(t, name, append(w.Settings(), "KAFKA_BOOTSTRAP_SERVERS="+net.JoinHostPort(host, port), "SMTP_HOST="+host, "SMTP_PORT="+port)...)
			if err := service.WaitReady(t.Context()); err != nil {
				t.Fatal(err)
			}
			terminate(t, service)
		})
	}
}

// TestBadSettings starts each service with several settings that cannot be: it names all of them and ends with exit status 1.
func TestBadSettings(t *testing.T) {
	t.Parallel()
	for name, bad := range map[string][]string{
		system.Gateway:      {"GATEWAY_PORT=0", "GATEWAY_ADMIN_PORT=x", "ORDER_SERVICE_URI=order", "INVENTORY_SERVICE_URI=ftp://x", "GATEWAY_RATE_LIMIT=-1", "LOG_LEVEL=loud"},
		system.Order:        {"ORDER_PORT=70000", "ORDER_MONGODB_URI=postgres://x", "INVENTORY_GRPC_URI=inventory", "KAFKA_BOOTSTRAP_SERVERS=kafka", "ORDER_ABANDON_AFTER=30", "OTEL_EXPORTER_OTLP_ENDPOINT=x"},
		system.Inventory:    {"INVENTORY_PORT=-1", "INVENTORY_GRPC_PORT=grpc", "INVENTORY_POSTGRES_URL=", "LOG_LEVEL=loud"},
		system.Notification: {"NOTIFICATION_PORT=1e3", "KAFKA_BOOTSTRAP_SERVERS=:9092", "SMTP_PORT=mail", "SMTP_FROM=nobody", "SMTP_USERNAME=u", "KAFKA_REPLICATION_FACTOR=0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			service := startService(t, name, bad...)
			status, err := service.WaitEnd(system.StopWithin)
			if err != nil || status != 1 {
				t.Errorf("exit status %d, %v; want 1", status, err)
			}
			for _, setting := range bad {
				setting, _, _ = strings.Cut(setting, "=")
				if setting == "SMTP_USERNAME" {
					setting = "SMTP_PASSWORD" // which is missing then
				}
				if !strings.Contains(service.Output(), setting) {
					t.Errorf("%s is not named in\n%s", setting, service.Output())
				}
			}
		})
	}
}

// TestLogsAreDiscreet looks for what no log may hold.
func TestLogsAreDiscreet(t *testing.T) {
	w := sharedWorld(t)
	record := promises.NewRecord()
	order := newOrder(newStock(t, w, record, 10), 1)
	order.Price, order.User.FirstName, order.User.LastName = "9876543.21", newID("first"), newID("last")
	placeAll(t, w.shop, record, []shop.Order{order})
	checkPromises(t, w.system(), record, 0)
	for _, name := range system.Services() {
		log, err := w.Log(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range []string{order.User.Email, order.User.FirstName, order.User.LastName, order.Price.String()} {
			if strings.Contains(log, secret) {
				t.Errorf("the log of %s holds %q", name, secret)
			}
		}
	}
}
