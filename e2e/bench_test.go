package e2e_test

import (
	"context"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/steadfast-shop/steadfast/e2e/internal/bench"
	"github.com/steadfast-shop/steadfast/e2e/internal/system"
)

// TestBenchmark runs the benchmark on a stack of its own, for a moment: every kind of load, and all that is measured beside it. How fast the system is, it does not judge.
func TestBenchmark(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts a stack of its own")
	}
	t.Parallel()
	scenarios, err := bench.Choose("orders-32,hot-1,stock-32,status-32,list-32")
	if err != nil {
		t.Fatal(err)
	}
	profiles := t.TempDir()
	options := bench.Options{
		Dir: filepath.Join(theSuite.dir, t.Name()), Ports: theSuite.ports, Progress: t.Output(),
		Measure: 2 * time.Second, WarmUp: 200 * time.Millisecond, Starts: 1, Profiles: profiles,
	}
	ctx, cancel := context.WithTimeout(t.Context(), testWithin)
	defer cancel()
	systems, err := bench.Stacks(ctx, options, bench.Embedded, []bench.Build{{Name: "smoke", Programs: theSuite.programs}}, scenarios)
	if err != nil {
		t.Fatal(err)
	}
	measured := systems[0]
	if len(measured.Scenarios) != len(scenarios) {
		t.Fatalf("got %d scenarios; want %d", len(measured.Scenarios), len(scenarios))
	}
	for i, s := range measured.Scenarios {
		if s.Broken != "" || s.Errors > 0 {
			t.Errorf("%s: %d of %d requests failed: %v; broken: %q", s.Name, s.Errors, s.Requests, s.Faults, s.Broken)
		}
		if s.Rate <= 0 || s.Samples == 0 || s.P50 <= 0 || s.P95 < s.P50 || s.P99 < s.P95 || s.Most < s.P99 {
			t.Errorf("%s: got %+v", s.Name, s)
		}
		if isOrders := i < 2; isOrders != (s.LastMail != nil) {
			t.Errorf("%s: the last mail is %v", s.Name, s.LastMail)
		}
		if runtime.GOOS == "linux" && (s.CPU[system.Gateway] <= 0 || s.Memory[system.Order].Resident == 0) {
			t.Errorf("%s: CPU %v, memory %v", s.Name, s.CPU, s.Memory)
		}
		for _, service := range system.Services() {
			found, err := filepath.Glob(filepath.Join(profiles, measured.Name+"-"+s.Name, service+"-*.pprof"))
			if err != nil || len(found) != 4 {
				t.Errorf("%s: the profiles of %s are %v, %v; want four", s.Name, service, found, err)
			}
		}
	}
	for _, service := range system.Services() {
		if times := measured.Starts[service]; len(times) != 1 || times[0] <= 0 {
			t.Errorf("the starts of %s took %v", service, times)
		}
	}
}
