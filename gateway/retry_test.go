package main

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/steadfast-shop/steadfast/shared-kit/httpserver"
	"github.com/steadfast-shop/steadfast/shared-kit/problem"
)

// patient opens no breaker, so that tries can be counted.
func patient(c *config) {
	for i := range c.Upstreams {
		c.Upstreams[i].Policies.Breaker.Window, c.Upstreams[i].Policies.Breaker.Failures = 1000, 1000
	}
}

func TestTriesByMisbehaviour(t *testing.T) {
	const waits, tries = 350 * time.Millisecond, 3 * time.Second
	for _, tt := range []struct {
		name     string
		does     http.HandlerFunc
		status   int
		attempts int
		took     time.Duration // without jitter, which is a quarter
	}{
		{"answers", status(200), 200, 1, 0},
		{"not found", status(404), 404, 1, 0},
		{"conflict", status(409), 409, 1, 0},
		{"internal error", status(500), 500, 1, 0},
		{"not implemented", status(501), 501, 1, 0},
		{"bad gateway", status(502), 503, 4, waits},
		{"unavailable", status(503), 503, 4, waits},
		{"gateway time-out", status(504), 503, 4, waits},
		{"connection breaks", breakOff, 503, 4, waits},
		{"truncated body", truncate, 503, 4, waits},
		{"slow headers", hang, 503, 4, 10 * time.Second},
		{"slow body", dribble, 503, 4, 10 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, request := range []struct {
				method, path string
				repeated     bool
			}{
				{"GET", "/api/order/user1", true},
				{"HEAD", "/api/order/user1", true},
				{"PUT", "/api/order/user1", true},
				{"DELETE", "/api/order/user1", true},
				{"POST", "/api/order", true},
				{"POST", "/api/order/user1", false},
				{"PATCH", "/api/order/user1", false},
			} {
				if request.method == "HEAD" && strings.Contains(tt.name, "body") {
					continue // has none
				}
				inWorld(t, patient, func(w *world) {
					w.order.does(tt.does)
					got := w.ask(request.method, request.path, "")
					attempts, took := tt.attempts, tt.took
					if !request.repeated {
						attempts, took = 1, min(took, tries)
						if took == waits {
							took = 0
						}
					}
					what := request.method + " " + request.path
					equal(t, what+": error", got.err, nil)
					equal(t, what+": status", got.status, tt.status)
					equal(t, what+": "+headerAttempts, got.attempts, strconv.Itoa(attempts))
					equal(t, what+": requests that the upstream saw", int(w.order.hits.Load()), attempts)
					equal(t, what+": retries", w.metric("gateway_retries_total"), float64(attempts-1))
					if got.took < took*3/4 || got.took > took*5/4 {
						t.Errorf("%s: took %s, want about %s", what, got.took, took)
					}
					if tt.status != 503 {
						return
					}
					equal(t, what+": Retry-After", got.header.Get("Retry-After"), "1")
					if request.method != "HEAD" {
						equal(t, what+": body", got.body, problem.Unavailable)
						equal(t, what+": type", got.header.Get("Content-Type"), "text/plain; charset=utf-8")
					}
				})
			}
		})
	}
}

func TestRefusedConnection(t *testing.T) {
	inWorld(t, patient, func(w *world) {
		w.order.stop()
		got := w.ask("POST", "/api/order", `{}`)
		equal(t, "order: status", got.status, 503)
		equal(t, "order: body", got.body, problem.Unavailable)
		equal(t, "order: tries", got.attempts, "4")
		w.inventory.stop()
		equal(t, "stock: tries", w.ask("POST", "/api/inventory", `{}`).attempts, "1")
		w.order.start()
		equal(t, "status after the start", w.ask("POST", "/api/order", `{}`).status, 200)
	})
}

// A kept-alive connection that breaks makes net/http replay some requests by itself, unseen.
func TestBrokenKeptConnectionIsOneTry(t *testing.T) {
	for _, request := range []struct{ method, path, body, key, attempts string }{
		{"GET", "/api/inventory", "", "", "4"},
		{"GET", "/api/inventory", `["SKU001"]`, "", "4"},
		{"HEAD", "/api/inventory", "", "", "4"},
		{"DELETE", "/api/inventory", "", "key", "4"},
		{"POST", "/api/inventory", `{}`, "key", "1"},
		{"POST", "/api/inventory/SKU001/adjustments", `{}`, "", "1"},
	} {
		inWorld(t, patient, func(w *world) {
			equal(t, "first status", w.ask("GET", "/api/inventory", "").status, 200)
			w.inventory.hits.Store(0)
			w.inventory.does(breakOff)
			headers := []string{headerIdempotencyKey, request.key}
			if request.key == "" {
				headers = nil
			}
			got := w.ask(request.method, request.path, request.body, headers...)
			equal(t, request.method+" "+request.path+": tries", got.attempts, request.attempts)
			equal(t, request.method+" "+request.path+": requests that the upstream saw", strconv.Itoa(int(w.inventory.hits.Load())), request.attempts)
		})
	}
}

func TestEachTryHasTheWholeRequest(t *testing.T) {
	for _, request := range []struct{ method, path, body string }{
		{"GET", "/api/inventory?a=1", `["SKU001","SKU002"]`},
		{"GET", "/api/inventory?a=1", ""},
		{"DELETE", "/api/inventory?a=1", `{"x":1}`},
		{"PUT", "/api/inventory?a=1", strings.Repeat("x", 1<<20)},
		{"PUT", "/api/inventory?a=1", ""},
	} {
		inWorld(t, patient, func(w *world) {
			w.inventory.does(func(rw http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				equal(t, "reading", err, nil)
				equal(t, "body", string(body), request.body)
				equal(t, "Content-Length", r.ContentLength, int64(len(request.body)))
				equal(t, "Transfer-Encoding", len(r.TransferEncoding), 0)
				equal(t, "path", r.RequestURI, request.path)
				if w.inventory.hits.Load() < 4 {
					rw.WriteHeader(http.StatusServiceUnavailable)
				}
			})
			got := w.ask(request.method, request.path, request.body)
			equal(t, "status", got.status, 200)
			equal(t, "tries", got.attempts, "4")
		})
	}
}

func TestIdempotencyKey(t *testing.T) {
	for _, tt := range []struct{ path, sent, want string }{
		{"/api/order", "", "a UUID"},
		{"/api/order", "mine", "mine"},
		{"/api/order/user1", "", ""},
		{"/api/inventory", "", ""},
		{"/api/inventory", "mine", "mine"},
	} {
		inWorld(t, patient, func(w *world) {
			var mu sync.Mutex
			seen := make(map[string]int)
			note := func(rw http.ResponseWriter, r *http.Request) {
				mu.Lock()
				defer mu.Unlock()
				key := r.Header.Get(headerIdempotencyKey)
				if len(key) == 36 {
					key = "a UUID"
				}
				seen[key]++
				rw.WriteHeader(http.StatusServiceUnavailable)
			}
			w.order.does(note)
			w.inventory.does(note)
			var headers []string
			if tt.sent != "" {
				headers = []string{headerIdempotencyKey, tt.sent}
			}
			w.ask("POST", tt.path, "{}", headers...)
			want := 1
			if tt.path == "/api/order" {
				want = 4
			}
			mu.Lock()
			defer mu.Unlock()
			equal(t, tt.path+": tries with the key "+tt.want, seen[tt.want], want)
			equal(t, tt.path+": kinds of keys", len(seen), 1)
		})
	}
}

func TestRequestTimeoutTellsWhatIsLeft(t *testing.T) {
	inWorld(t, patient, func(w *world) {
		var mu sync.Mutex
		var left []int
		w.order.does(func(rw http.ResponseWriter, r *http.Request) {
			ms, err := strconv.Atoi(r.Header.Get(httpserver.HeaderRequestTimeout))
			equal(t, "header", err, nil)
			mu.Lock()
			left = append(left, ms)
			mu.Unlock()
			hang(rw, r)
		})
		w.ask("GET", "/api/order/user1", "", httpserver.HeaderRequestTimeout, "5") // the client's own word does not count
		mu.Lock()
		defer mu.Unlock()
		if len(left) != 4 || left[0] != 3000 || left[1] != 3000 || left[2] != 3000 || left[3] >= 1000 || left[3] < 300 {
			t.Errorf("got %v, want three times 3000 and then what is left of 10 s", left)
		}
	})
}

func TestRetryBudget(t *testing.T) {
	const calls = 100
	for _, tt := range []struct {
		budget  float64
		always  int
		retries int
	}{
		{0.2, 10, 20},
		{0.05, 10, 10},
		{0, 0, 0},
		{1, 0, calls},
	} {
		inWorld(t, func(c *config) {
			patient(c)
			c.Upstreams[0].Policies.Retry.Budget, c.Upstreams[0].Policies.Retry.Always = tt.budget, tt.always
			c.Upstreams[0].Policies.Retry.Jitter = 0
			c.Upstreams[0].Policies.Retry.Max = 1
		}, func(w *world) {
			fail := make(chan struct{})
			w.order.does(func(rw http.ResponseWriter, r *http.Request) {
				if w.order.hits.Load() <= calls {
					<-fail // all first tries fail together, so that all retries want to begin together
					rw.WriteHeader(http.StatusServiceUnavailable)
					return
				}
				hang(rw, r)
			})
			var clients sync.WaitGroup
			for range calls {
				clients.Go(func() { equal(t, "status", w.ask("GET", "/api/order/user1", "").status, 503) })
			}
			synctest.Wait()
			equal(t, "first tries", w.order.hits.Load(), calls)
			close(fail)
			clients.Wait()
			equal(t, "retries", int(w.order.hits.Load())-calls, tt.retries)
			equal(t, "retries counted", int(w.metric("gateway_retries_total")), tt.retries)
			equal(t, "retries refused", int(w.metric("gateway_retry_budget_exhausted_total")), calls-tt.retries)
			equal(t, "calls left in the budget", w.gateway.upstreams["order-service"].budget.calls, 0)
			equal(t, "retries left in the budget", w.gateway.upstreams["order-service"].budget.retries, 0)
		})
	}
}

func TestClientThatLeavesEndsTheTries(t *testing.T) {
	inWorld(t, patient, func(w *world) {
		gone := make(chan struct{}, 1)
		w.order.does(func(rw http.ResponseWriter, r *http.Request) {
			hang(rw, r)
			gone <- struct{}{}
		})
		w.leave("GET", "/api/order/user1")
		<-gone
		synctest.Wait()
		equal(t, "requests that the upstream saw", w.order.hits.Load(), 1)
		equal(t, "clients gone", w.metric("gateway_clients_gone_total"), 1)
		equal(t, "fallbacks", w.metric("gateway_fallbacks_total"), 0)
		if log := w.log.String(); !strings.Contains(log, `"status":499`) || !strings.Contains(log, `"failure":"client_gone"`) {
			t.Errorf("the access log does not tell that the client left: %s", log)
		}
	})
}
