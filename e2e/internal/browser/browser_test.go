package browser

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"
)

// open starts a browser with a page at url, and ends both with the test.
func open(t *testing.T, screen Screen, html string) *Page {
	t.Helper()
	path, err := Find()
	if err != nil {
		t.Skip(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, `<!doctype html><meta name="viewport" content="width=device-width"><link rel="icon" href="data:,"><body style="background: white">`+html)
	}))
	t.Cleanup(server.Close)
	dir := t.TempDir()
	b, err := Open(path, dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("%v are left, %v", left, err)
		}
	})
	page, err := b.NewPage(screen, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(page.Close)
	if err := page.Open(server.URL); err != nil {
		t.Fatal(err)
	}
	return page
}

func TestFaultsAreFound(t *testing.T) {
	page := open(t, Desktop, `<p>text<script>
		console.error('first', 7); fetch('/missing'); setTimeout(() => { throw new Error('second'); });
		fetch('http://elsewhere.example/').catch(() => { document.title = 'done'; });
	</script>`)
	if err := page.Until(`document.title === 'done'`); err != nil {
		t.Fatal(err)
	}
	found := strings.Join(page.Faults(), "\n")
	for _, want := range []string{`console: "first" 7`, "exception: Uncaught Error: second", "answer 404", "request to elsewhere: http://elsewhere.example/", "request failed: http://elsewhere.example/"} {
		if !strings.Contains(found, want) {
			t.Errorf("%q is not among the faults:\n%s", want, found)
		}
	}
}

func TestLayoutFaultsAreFound(t *testing.T) {
	page := open(t, Phone, `<p id=wide style="width: 400px">wide<p id=small style="font-size: 11px">small<button id=tiny style="width: 20px; padding: 0">x</button><pre style="overflow: auto"><b>`+
		strings.Repeat("x", 200)+`</b></pre>`)
	wrong, err := page.Layout()
	if err != nil {
		t.Fatal(err)
	}
	found := strings.Join(wrong, "\n")
	for _, want := range []string{"the page is ", "p#wide reaches to", "p#small has letters of 11 px", "button#tiny is 20 by"} {
		if !strings.Contains(found, want) {
			t.Errorf("%q is not among the faults:\n%s", want, found)
		}
	}
	if len(wrong) != 4 {
		t.Errorf("got %d faults, want 4:\n%s", len(wrong), found)
	}
	if contrast, dark, err := page.Contrast(); contrast < 20 || dark || err != nil {
		t.Errorf("Contrast() = %.1f, %t, %v; want 21 on a light ground", contrast, dark, err)
	}
}
