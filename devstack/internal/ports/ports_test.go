package ports_test

import (
	"net"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/steadfast-shop/steadfast/devstack/internal/ports"
)

func TestCheckNamesEveryTakenPortAndItsHolder(t *testing.T) {
	var needs []ports.Need
	for _, part := range []string{"kafka", "inbox"} {
		var config net.ListenConfig
		listener, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close() //nolint:errcheck // the test is about something else
		port := listener.Addr().(*net.TCPAddr).Port
		needs = append(needs, ports.Need{Part: part, Port: port, Setting: "DEVSTACK_" + strings.ToUpper(part) + "_PORT"})
	}
	free, err := ports.Free(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	needs = append(needs, ports.Need{Part: "gateway", Port: free[0], Setting: "GATEWAY_PORT"})

	err = ports.Check(t.Context(), needs)
	if err == nil {
		t.Fatal("got no error")
	}
	for _, want := range []string{
		"port " + strconv.Itoa(needs[0].Port), "kafka", "DEVSTACK_KAFKA_PORT",
		"port " + strconv.Itoa(needs[1].Port), "inbox", "DEVSTACK_INBOX_PORT",
		"process " + strconv.Itoa(os.Getpid()),
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not name %q", err, want)
		}
	}
	if strings.Contains(err.Error(), "gateway") {
		t.Errorf("%q names a port that is free", err)
	}
}

func TestCheckFindsPortAskedForTwice(t *testing.T) {
	free, err := ports.Free(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	err = ports.Check(t.Context(), []ports.Need{{"order-service", free[0], "ORDER_PORT"}, {"inbox", free[0], "DEVSTACK_INBOX_PORT"}})
	if err == nil || !strings.Contains(err.Error(), "ORDER_PORT") || !strings.Contains(err.Error(), "DEVSTACK_INBOX_PORT") {
		t.Errorf("got %v, want both settings named", err)
	}
}

// A port whose last connection was closed by the server is in TIME_WAIT.
func TestCheckTakesLingeringPortAsFree(t *testing.T) {
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	client, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	server.Close() //nolint:errcheck // the test is about something else
	if _, err := client.Read(make([]byte, 1)); err == nil {
		t.Fatal("the connection is still open")
	}
	client.Close()   //nolint:errcheck // the test is about something else
	listener.Close() //nolint:errcheck // the test is about something else
	port := listener.Addr().(*net.TCPAddr).Port
	if err := ports.Check(t.Context(), []ports.Need{{"gateway", port, "GATEWAY_PORT"}}); err != nil {
		t.Error(err)
	}
}

func TestFreePortsDiffer(t *testing.T) {
	free, err := ports.Free(t.Context(), 20)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[int]bool{}
	for _, port := range free {
		if seen[port] {
			t.Errorf("port %d twice", port)
		}
		seen[port] = true
	}
}
