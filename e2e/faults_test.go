package e2e_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/steadfast-shop/steadfast/e2e/internal/browser"
	"github.com/steadfast-shop/steadfast/e2e/internal/faultreport"
	"github.com/steadfast-shop/steadfast/e2e/internal/faults"
	"github.com/steadfast-shop/steadfast/e2e/internal/fleet"
)

// faultsSeed is the seed of the run in the tests: always the same, so that it does not fail now and then. Other seeds are for the runner itself.
const faultsSeed = 11

// TestFaultRun runs the fault runner for a minute, and looks at its report.
func TestFaultRun(t *testing.T) {
	if testing.Short() {
		t.Skip("short: shoots at a stack of its own for a minute")
	}
	t.Parallel()
	dir, out := filepath.Join(theSuite.dir, t.Name()), t.TempDir()
	if err := os.Mkdir(dir, 0o711); err != nil { // PostgreSQL's user must enter it
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	result, err := faults.Run(ctx, faults.Options{
		Fleet: fleet.Options{Programs: theSuite.programs, Dir: dir, Ports: theSuite.ports, Kafka: theSuite.broker, SmallDisk: true},
		Seed:  faultsSeed, Duration: time.Minute, Settle: 4 * time.Minute, Patience: time.Minute, Clients: 8, Pause: 150 * time.Millisecond,
		Out: out, Progress: t.Output(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Log(faultreport.Tables(result))
	if names := result.Verdict.Names(); len(names) > 0 {
		t.Errorf("broken with seed %d: %v", result.Seed, names)
	}
	if result.Verdict.Placed < 100 || len(result.Faults) < 5 || result.Normal <= 0 {
		t.Errorf("%d orders were placed and %d faults planned: that says little", result.Verdict.Placed, len(result.Faults))
	}
	t.Run("report", func(t *testing.T) { lookAtReport(t, result) })
}

// lookAtReport opens the report on each screen.
func lookAtReport(t *testing.T, result *faults.Result) {
	path, err := browser.Find()
	if err != nil {
		t.Skipf("the page is not opened: %v", err)
	}
	dir := filepath.Join(theSuite.dir, "fault-report") // where the pictures stay after a failure
	ok(t, os.Mkdir(dir, 0o700))
	if err := faultreport.WritePage(filepath.Join(dir, "report.html"), result); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.FileServer(http.Dir(dir)))
	defer server.Close()
	chromium, err := browser.Open(path, dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { ok(t, chromium.Close()) }()
	for name, screen := range screens {
		t.Run(name, func(t *testing.T) {
			page, err := chromium.NewPage(screen, pageWithin)
			ok(t, err)
			defer page.Close()
			ok(t, page.Open(server.URL+"/report.html"))
			wantLayout(t, page)
			contrast, dark, err := page.Contrast()
			if err != nil || contrast < 4.5 || dark != screen.Dark {
				t.Errorf("contrast %.1f, dark %t, %v; want at least 4.5, dark %t", contrast, dark, err, screen.Dark)
			}
			for _, fault := range page.Faults() {
				t.Error(fault)
			}
			if t.Failed() || os.Getenv(settingKeep) != "" {
				if picture, err := page.Picture("report-" + name); err == nil {
					t.Logf("a picture is in %s", picture)
				}
			}
			if page.Requests() > 2 { // itself, and its icon, which it brings along
				t.Errorf("%d requests were seen: it is not self-contained", page.Requests())
			}
		})
	}
}
