package e2e_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/steadfast-shop/steadfast/e2e/internal/metrics"
	"github.com/steadfast-shop/steadfast/e2e/internal/promises"
	"github.com/steadfast-shop/steadfast/e2e/internal/shop"
	"github.com/steadfast-shop/steadfast/e2e/internal/system"
)

const (
	// labels of the gateway's metrics
	ofOrders, ofInventory, writes, reads = `upstream="order-service"`, `upstream="inventory-service"`, `calls="writes"`, `calls="reads"`
	// states of a breaker
	breakerClosed, breakerOpen = 0.0, 2.0
)

// patientBreaker keeps a gateway's breakers from opening, so that tries can be counted.
func patientBreaker() []string {
	return []string{"GATEWAY_POLICIES_BREAKER_WINDOW=10000", "GATEWAY_POLICIES_BREAKER_FAILURES=10000"}
}

// startGateway starts a gateway in front of the upstreams.
func startGateway(t *testing.T, order, inventory string, settings ...string) (*system.Service, *shop.Client) {
	t.Helper()
	gateway := startService(t, system.Gateway, append(settings, "ORDER_SERVICE_URI="+order, "INVENTORY_SERVICE_URI="+inventory)...)
	if err := gateway.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	return gateway, shop.NewChecked(gateway.API, theSuite.described.check)
}

// breakerSeesPosts sends nothing but POSTs while inventory is away: the breakers of writes open, which spares the services, and those of reads do not.
func breakerSeesPosts(t *testing.T, w *world) {
	t.Parallel()
	b := startBranch(t, w, newDatabase(t, w))
	record := promises.NewRecord()
	sku := b.newStock(t, record, 100)
	before := b.warmUp(t, record, sku)
	b.inventory.Kill()
	for range 10 { // until they are open, and beyond
		wantUnavailable(t, must(t)(record.Place(t.Context(), b.shop, newOrder(sku, 1))))
		wantUnavailable(t, must(t)(b.shop.Stock(t.Context(), newID("SKU"), 1)))
	}
	breaker := func(want float64, labels ...string) {
		t.Helper()
		wantMetric(t, 2*time.Second, b.gateway.URL, "gateway_breaker_state", func(v float64) bool { return v == want }, labels...)
	}
	breaker(breakerOpen, ofOrders, writes)
	breaker(breakerClosed, ofOrders, reads)
	breaker(breakerOpen, ofInventory, writes)
	order := newOrder(sku, 1)
	open := must(t)(record.Place(t.Context(), b.shop, order))
	wantUnavailable(t, open)
	if got := open.Header.Get("Gateway-Attempts"); got != "0" {
		t.Errorf("Gateway-Attempts %q while the breaker is open; want 0", got)
	}
	if fate, known, err := b.shop.Fate(t.Context(), order.User.ID, order.Number); err != nil || known {
		t.Errorf("the order that an open breaker has refused is %q, %v; want it unknown", fate.Status, err)
	}
	if list := must(t)(b.shop.Orders(t.Context(), before.User.ID, "")); list.Status != http.StatusOK {
		t.Errorf("list: got %s; want 200", list)
	}

	restart(t, &b.inventory)
	eventually(t, giveUpAfter, func(ctx context.Context) error { // a half-open breaker needs calls to close
		if answer, err := record.Place(ctx, b.shop, newOrder(sku, 1)); err != nil || answer.Status != http.StatusCreated {
			return fmt.Errorf("got %s, %w; want 201", answer, err)
		}
		state, err := metrics.Sum(ctx, b.gateway.URL, "gateway_breaker_state", ofOrders, writes)
		if err == nil && state != breakerClosed {
			err = fmt.Errorf("the breaker is in state %g", state)
		}
		return err
	})
}

// fallbackForAllMethods asks in every way for services that are away: while the breakers are closed, and once they are open.
func fallbackForAllMethods(t *testing.T, _ *world) {
	t.Parallel()
	nobody := "http://" + closedPort(t)
	gateway, client := startGateway(t, nobody, nobody)
	requests := []struct{ method, path, body string }{
		{get, "/api/order/u", ""},
		{get, "/api/order/u/o", ""},
		{post, "/api/order", `{"orderNumber":"o","skuCode":"S","price":1,"quantity":1,"userDetails":{"userId":"u","email":"a@customers.example","firstName":"J","lastName":"D"}}`},
		{get, "/api/inventory", `["S"]`},
		{get, "/api/inventory?skuCode=S", ""},
		{post, "/api/inventory", `{"skuCode":"S","quantity":1}`},
		{post, "/api/inventory/S/adjustments", `{"adjustmentId":"a","delta":1}`},
	}
	attempts := make([]string, len(requests))
	for range 5 {
		for i, r := range requests {
			answer := must(t)(client.Send(t.Context(), r.method, r.path, r.body))
			wantUnavailable(t, answer)
			attempts[i] = answer.Header.Get("Gateway-Attempts")
		}
	}
	for i, r := range requests {
		if attempts[i] != "0" {
			t.Errorf("%s %s: the last answer took %s tries; want 0, for the breaker is open", r.method, r.path, attempts[i])
		}
	}
	wantMetric(t, 2*time.Second, gateway.URL, "gateway_breaker_state", func(v float64) bool { return v == 4*breakerOpen })
}

// watchedUpstream answers 503 to everything, and notes when each try came, and how long after the one before it had been answered.
type watchedUpstream struct {
	mu       sync.Mutex
	answered time.Time
	pauses   []time.Duration // the first is that before the first try
}

func (u *watchedUpstream) ServeHTTP(rw http.ResponseWriter, _ *http.Request) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.pauses = append(u.pauses, time.Since(u.answered))
	rw.WriteHeader(http.StatusServiceUnavailable)
	u.answered = time.Now()
}

func (u *watchedUpstream) reset() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.pauses = nil
}

// retriesPause measures the pauses at the upstream: 50, 100 and 200 ms, each a quarter shorter at most. What must not be tried again is not.
func retriesPause(t *testing.T, _ *world) {
	t.Parallel()
	var seen watchedUpstream
	upstream := httptest.NewServer(&seen)
	t.Cleanup(upstream.Close)
	_, client := startGateway(t, upstream.URL, upstream.URL, patientBreaker()...)
	const order = `{"orderNumber":"o","skuCode":"S","price":1,"quantity":1,"userDetails":{"userId":"u","email":"a@customers.example","firstName":"J","lastName":"D"}}`
	atLeast := []time.Duration{0, 37 * time.Millisecond, 75 * time.Millisecond, 150 * time.Millisecond}
	for _, r := range []struct {
		method, path, body string
		tries              int
	}{
		{get, "/api/order/u", "", 4},
		{post, "/api/order", order, 4},
		{get, "/api/inventory", `["S"]`, 4},
		{post, "/api/inventory", `{"skuCode":"S","quantity":1}`, 1},
		{post, "/api/inventory/S/adjustments", `{"adjustmentId":"a","delta":1}`, 1},
	} {
		for range 3 {
			seen.reset()
			answer := must(t)(client.Send(t.Context(), r.method, r.path, r.body))
			wantUnavailable(t, answer)
			if got := answer.Header.Get("Gateway-Attempts"); got != strconv.Itoa(r.tries) || len(seen.pauses) != r.tries {
				t.Errorf("%s %s: the gateway tells of %s tries, the upstream saw %d; want %d", r.method, r.path, got, len(seen.pauses), r.tries)
				continue
			}
			for i, pause := range seen.pauses[1:] {
				if pause < atLeast[i+1] {
					t.Errorf("%s %s: retry %d came after %v; want at least %v", r.method, r.path, i+1, pause, atLeast[i+1])
				}
			}
		}
	}
}

// retriedGetKeepsItsBody asks for 1,000 SKUs in a GET's body. Two tries of each request fail on the way to inventory, in each way that they can; the third must ask for all of them.
func retriedGetKeepsItsBody(t *testing.T, w *world) {
	t.Parallel()
	sku := newStock(t, w, promises.NewRecord(), 7)
	target, err := url.Parse(w.URLs.Inventory)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}
	readAll := func(r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) } // what is lost here is missed below
	ways := []struct {
		name string
		fail http.HandlerFunc
	}{
		{"cut before the body is read", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }},
		{"cut after the body is read", func(_ http.ResponseWriter, r *http.Request) { readAll(r); panic(http.ErrAbortHandler) }},
		{"503 before the body is read", func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusServiceUnavailable) }},
		{"503 after the body is read", func(rw http.ResponseWriter, r *http.Request) {
			readAll(r)
			rw.WriteHeader(http.StatusServiceUnavailable)
		}},
	}
	var failures, way atomic.Int32
	upstream := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if failures.Add(-1) >= 0 {
			ways[way.Load()].fail(rw, r)
			return
		}
		proxy.ServeHTTP(rw, r)
	}))
	t.Cleanup(upstream.Close)
	_, client := startGateway(t, w.URLs.Order, upstream.URL, patientBreaker()...)
	const most = 1000
	codes := make([]string, most)
	for i := range codes {
		codes[i] = []string{sku, "unknown"}[i%2]
	}
	want := "[" + strings.TrimSuffix(strings.Repeat("7,null,", most/2), ",") + "]"
	for i, f := range ways {
		way.Store(int32(i))
		failures.Store(2)
		answer := must(t)(client.SendJSON(t.Context(), get, "/api/inventory", codes))
		if got := answer.Header.Get("Gateway-Attempts"); answer.Status != http.StatusOK || answer.Body != want || got != "3" {
			t.Errorf("%s: got %.80s after %s tries; want the quantities after 3", f.name, answer, got)
		}
	}
}
