package process_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/steadfast-shop/steadfast/shared-kit/process"
	"github.com/steadfast-shop/steadfast/shared-kit/settings"
)

func start(t *testing.T, s settings.Process) *process.Process {
	t.Helper()
	p, err := process.Start(t.Context(), "test", s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestStopsInReverseOrder(t *testing.T) {
	p := start(t, settings.Process{})
	var order []string
	note := func(name string) func(context.Context) error {
		return func(context.Context) error { order = append(order, name); return nil }
	}
	p.OnStop("database", note("database"))
	p.Go("relay", func(ctx context.Context) error {
		<-ctx.Done()
		order = append(order, "relay")
		return ctx.Err()
	})
	p.OnStop("server", func(context.Context) error {
		if p.Health.Failing(context.Background()) == nil {
			t.Error("still ready while stopping")
		}
		return note("server")(nil)
	})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Wait(ctx); err != nil {
		t.Errorf("Wait: %v", err)
	}
	if want := []string{"server", "relay", "database"}; !slices.Equal(order, want) {
		t.Errorf("stopped %v; want %v", order, want)
	}
	p.Stop()
	if len(order) != 3 {
		t.Errorf("a second Stop stopped again: %v", order)
	}
}

func TestFailingPartStopsTheService(t *testing.T) {
	p := start(t, settings.Process{})
	broken := errors.New("broken")
	p.Go("part", func(context.Context) error { return broken })
	if err := p.Wait(t.Context()); !errors.Is(err, broken) {
		t.Errorf("Wait: %v; want the part's error", err)
	}
}

func TestStopIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := start(t, settings.Process{ShutdownDelay: 5 * time.Second})
		stuck := make(chan struct{})
		p.Go("stuck", func(context.Context) error { <-stuck; return nil })
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		began := time.Now()
		if err := p.Wait(ctx); err != nil {
			t.Errorf("Wait: %v", err)
		}
		if took := time.Since(began); took != 13*time.Second {
			t.Errorf("stopping took %s; want the delay of 5 s and the bound of 8 s", took)
		}
		close(stuck)
	})
}

func TestPortTaken(t *testing.T) {
	p := start(t, settings.Process{ListenHost: "127.0.0.1"})
	defer p.Stop()
	listener, err := p.Listen(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close() //nolint:errcheck // the end of the test
	_, text, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.ServeHTTP(t.Context(), "server", port, &http.Server{ReadHeaderTimeout: time.Second}); err == nil {
		t.Error("ServeHTTP on a taken port: no error")
	}
}

func TestProfilesAreServedOnlyIfAsked(t *testing.T) {
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	taken := settings.Process{PprofAddress: address}
	if _, err := process.Start(t.Context(), "test", taken); err == nil {
		t.Error("Start with a taken address: no error")
	}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	p := start(t, taken)
	for path, want := range map[string]int{
		"/debug/pprof/mutex?debug=1": http.StatusOK, "/debug/pprof/block?debug=1": http.StatusOK,
		"/debug/pprof/allocs?debug=1": http.StatusOK, "/debug/pprof/profile?seconds=1": http.StatusOK,
		"/metrics": http.StatusNotFound,
	} {
		response, err := http.Get("http://" + address + path)
		if err != nil {
			t.Fatal(err)
		}
		if err := response.Body.Close(); err != nil || response.StatusCode != want {
			t.Errorf("GET %s: %s, %v; want %d", path, response.Status, err, want)
		}
	}
	p.Stop()
	if response, err := http.Get("http://" + address + "/debug/pprof/"); err == nil {
		t.Error("profiles are served after the stop: ", response.Status, response.Body.Close())
	}
}
