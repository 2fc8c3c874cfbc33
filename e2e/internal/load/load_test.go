package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// echo asks for /n and wants n back.
type echo struct{ host string }

func (e echo) Request(buffer []byte, n int64) []byte {
	return fmt.Appendf(buffer, "GET /%d HTTP/1.1\r\nHost: %s\r\n\r\n", n, e.host)
}

func (e echo) Check(n int64, status int, body []byte) error {
	if status != http.StatusOK || string(body) != strconv.FormatInt(n, 10) {
		return fmt.Errorf("%d %q", status, body)
	}
	return nil
}

func serve(t *testing.T, handler http.HandlerFunc) (echo, string) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return echo{strings.TrimPrefix(server.URL, "http://")}, server.URL
}

// TestEveryAnswerIsJudged serves right and wrong answers, and breaks connections in between.
func TestEveryAnswerIsJudged(t *testing.T) {
	var mu sync.Mutex
	seen := make(map[string]int)
	task, target := serve(t, func(w http.ResponseWriter, r *http.Request) {
		number := strings.TrimPrefix(r.URL.Path, "/")
		mu.Lock()
		seen[number]++
		mu.Unlock()
		n, err := strconv.Atoi(number)
		switch {
		case err != nil:
			t.Errorf("got %s", r.URL)
		case n%10 == 1:
			w.WriteHeader(http.StatusServiceUnavailable)
		case n%10 == 2:
			panic(http.ErrAbortHandler) // closes the connection
		case n%10 == 3:
			w.Header().Set("Connection", "close")
			_, _ = io.WriteString(w, number)
		case n%10 == 4: // in chunks
			w.(http.Flusher).Flush()
			_, _ = io.WriteString(w, number)
		default:
			_, _ = io.WriteString(w, number)
		}
	})
	result, err := Run(t.Context(), task, Options{Target: target, Clients: 4, Most: 100})
	if err != nil {
		t.Fatal(err)
	}
	if result.Requests != 100 || result.Errors != 20 || len(result.Right) != 80 || result.Faults[`503 ""`] != 10 {
		t.Errorf("got %d requests, %d errors, %d right, faults %v; want 100, 20, 80, ten of them 503", result.Requests, result.Errors, len(result.Right), result.Faults)
	}
	for _, n := range result.Right {
		if n%10 == 1 || n%10 == 2 {
			t.Errorf("request %d counts as right", n)
		}
	}
	for number, times := range seen {
		if times != 1 {
			t.Errorf("request %s was sent %d times", number, times)
		}
	}
	if len(seen) != 100 {
		t.Errorf("the server saw %d requests; want 100", len(seen))
	}
}

// TestMeasuredTime: what began before it is not in the latencies, and what ended after it is not in the rate.
func TestMeasuredTime(t *testing.T) {
	const clients, warmUp, measure = 8, 100 * time.Millisecond, 300 * time.Millisecond
	var before, within atomic.Int64 // requests that began then, as the server sees it
	var started, ended atomic.Bool
	task, target := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if started.Load() {
			within.Add(1)
		} else {
			before.Add(1)
		}
		<-time.After(2 * time.Millisecond)
		_, _ = io.WriteString(w, r.URL.Path[1:])
	})
	result, err := Run(t.Context(), task, Options{
		Target: target, Clients: clients, WarmUp: warmUp, Measure: measure,
		OnStart: func() { started.Store(true) },
		OnEnd: func() {
			if !started.Load() {
				t.Error("the end was told before the start")
			}
			ended.Store(true)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if !ended.Load() {
		t.Error("the end was not told")
	}
	if result.Errors != 0 || before.Load() == 0 || within.Load() == 0 {
		t.Fatalf("%d errors, %d requests before and %d within the measured time", result.Errors, before.Load(), within.Load())
	}
	samples := int64(len(result.Latencies))
	if samples == 0 || samples >= result.Requests {
		t.Errorf("got %d samples of %d requests", samples, result.Requests)
	}
	// A client has a request under way at the start, whose answer counts, and another at the end, which is a sample; now and then it is between two requests.
	if inTime := result.Rate * measure.Seconds(); inTime < float64(samples-clients)+0.5 || inTime > float64(samples+clients)-0.5 {
		t.Errorf("the rate stands for %.1f answers; want %d, give or take less than one for each client", inTime, samples)
	}
	for _, latency := range result.Latencies {
		if latency < 2*time.Millisecond {
			t.Errorf("a latency is %v; the server takes 2 ms", latency)
		}
	}
}

func TestEndsWithItsContext(t *testing.T) {
	release := make(chan struct{})
	task, target := serve(t, func(http.ResponseWriter, *http.Request) { <-release })
	defer close(release)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err := Run(ctx, task, Options{Target: target, Clients: 2, Measure: time.Hour})
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > patience/2 {
		t.Errorf("got %v after %v; want the context's end at once", err, time.Since(began))
	}
}

func TestRefusesTargets(t *testing.T) {
	for _, target := range []string{"", "127.0.0.1:80", "https://127.0.0.1:80", "http://127.0.0.1"} {
		if _, err := Run(t.Context(), echo{}, Options{Target: target, Clients: 1, Most: 1}); err == nil || !strings.Contains(err.Error(), "http://host:port") {
			t.Errorf("%q: got %v", target, err)
		}
	}
}

func TestQuantiles(t *testing.T) {
	hundred := make([]time.Duration, 100)
	for i := range hundred {
		hundred[i] = time.Duration(100 - i) // 100 down to 1
	}
	for _, c := range []struct {
		name    string
		samples []time.Duration
		parts   []float64
		want    []time.Duration
	}{
		{"none", nil, []float64{0.5, 1}, []time.Duration{0, 0}},
		{"one", []time.Duration{7}, []float64{0, 0.5, 0.99, 1}, []time.Duration{7, 7, 7, 7}},
		{"two", []time.Duration{2, 1}, []float64{0.5, 0.51, 1}, []time.Duration{1, 2, 2}},
		{"hundred", hundred, []float64{0.01, 0.5, 0.95, 0.99, 0.991, 1}, []time.Duration{1, 50, 95, 99, 100, 100}},
	} {
		if got := Quantiles(slices.Clone(c.samples), c.parts...); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v; want %v", c.name, got, c.want)
		}
	}
}
