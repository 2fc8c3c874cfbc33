package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/steadfast-shop/steadfast/e2e/internal/promises"
	"github.com/steadfast-shop/steadfast/e2e/internal/shop"
	"github.com/steadfast-shop/steadfast/e2e/internal/system"
	"github.com/steadfast-shop/steadfast/e2e/internal/traces"
)

// tracedWithin is by when all spans of a settled order have come; a busy machine is late.
const tracedWithin = 30 * time.Second

// The way of an order from order-service on: what each of its traces has below the gateway's try that arrived.
const wayOfOrder = `order-service server POST /api/order
  order-service internal batched insert inflight
    order-service client insert inflight
  order-service client inventory.v1.InventoryService/Reserve
    inventory-service server inventory.v1.InventoryService/Reserve
      inventory-service internal batched reserve stock
        inventory-service client reserve stock
  order-service internal batched insert orders
    order-service client insert orders
  order-service producer publish order-placed
    notification-service consumer process order-placed
      notification-service client send mail
      notification-service producer publish notification-ledger
`

// TestTraces follows orders through all services, by what these send to a collector of ours.
func TestTraces(t *testing.T) {
	t.Parallel()
	collector, err := traces.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := collector.Stop(); err != nil {
			t.Error(err)
		}
	})
	w := ownWorld(t, "OTEL_EXPORTER_OTLP_ENDPOINT="+collector.Endpoint(), "OTEL_BSP_SCHEDULE_DELAY=100")
	t.Run("from the request to the mail", func(t *testing.T) { oneTrace(t, w, collector) })
	t.Run("a try that failed", func(t *testing.T) { triesAreSpans(t, w, collector) })
	t.Run("an order that the sweeper ends", func(t *testing.T) { sweeperContinues(t, w, collector) })
}

func oneTrace(t *testing.T, w *world, collector *traces.Collector) {
	order := newOrder(newStock(t, w, promises.NewRecord(), 10), 2)
	wantText(t, must(t)(w.shop.Place(t.Context(), order)), http.StatusCreated, shop.TextPlaced)
	trace := wantTree(t, collector, order.Number, "gateway server POST /api/order\n  gateway client POST\n"+indented(wayOfOrder, "    "))
	wantAttributes(t, trace, "gateway", "POST", map[string]string{
		"http.request.method": "POST", "http.response.status_code": "201",
		"steadfast.gateway.upstream": system.Order, "steadfast.gateway.try": "1", "steadfast.gateway.outcome": "2xx",
	})
	wantAttributes(t, trace, system.Order, "POST /api/order", map[string]string{"steadfast.order.status": "PLACED", "http.route": "/api/order"})
	wantAttributes(t, trace, system.Order, "insert orders", map[string]string{"db.system.name": "mongodb", "db.collection.name": "orders", "db.operation.batch.size": "1"})
	wantAttributes(t, trace, system.Inventory, "reserve stock", map[string]string{"db.system.name": "postgresql"})
	wantAttributes(t, trace, system.Order, "publish order-placed", map[string]string{
		"messaging.system": "kafka", "messaging.operation.type": "send", "messaging.destination.name": "order-placed",
	})
	wantAttributes(t, trace, system.Notification, "process order-placed", map[string]string{
		"messaging.operation.type": "process", "messaging.consumer.group.name": "notification-service", "messaging.kafka.message.key": order.Number,
	})
	wantAttributes(t, trace, system.Notification, "send mail", map[string]string{"network.protocol.name": "smtp"})
	for _, span := range trace {
		if span.Failed() {
			t.Errorf("%s of %s failed: %s", span.GetName(), span.Service, span.GetStatus().GetMessage())
		}
	}
	wantNothingPersonal(t, trace, order)
}

// triesAreSpans sends an order through a gateway of its own, whose first connection to order-service is cut.
func triesAreSpans(t *testing.T, w *world, collector *traces.Collector) {
	target, err := url.Parse(w.URLs.Order)
	if err != nil {
		t.Fatal(err)
	}
	var cut atomic.Bool
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}
	upstream := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if cut.CompareAndSwap(false, true) {
			panic(http.ErrAbortHandler)
		}
		proxy.ServeHTTP(rw, r)
	}))
	t.Cleanup(upstream.Close)
	gateway := startService(t, system.Gateway, "ORDER_SERVICE_URI="+upstream.URL, "INVENTORY_SERVICE_URI="+w.URLs.Inventory,
		"OTEL_EXPORTER_OTLP_ENDPOINT="+collector.Endpoint(), "OTEL_BSP_SCHEDULE_DELAY=100")
	if err := gateway.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	order := newOrder(newStock(t, w, promises.NewRecord(), 10), 1)
	wantText(t, must(t)(shop.New(gateway.API).Place(t.Context(), order)), http.StatusCreated, shop.TextPlaced)
	trace := wantTree(t, collector, order.Number, "gateway server POST /api/order\n  gateway client POST\n  gateway client POST\n"+indented(wayOfOrder, "    "))
	var tries []string
	for _, span := range trace {
		if span.Service == system.Gateway && span.GetName() == "POST" {
			tries = append(tries, fmt.Sprintf("try %s: %s, error type %q, failed %v",
				span.Attribute("steadfast.gateway.try"), span.Attribute("steadfast.gateway.outcome"), span.Attribute("error.type"), span.Failed()))
		}
	}
	slices.Sort(tries)
	if want := []string{`try 1: connection, error type "connection", failed true`, `try 2: 2xx, error type "", failed false`}; !slices.Equal(tries, want) {
		t.Errorf("the tries are %q; want %q", tries, want)
	}
	wantAttributes(t, trace, system.Gateway, "POST /api/order", map[string]string{"steadfast.gateway.tries": "2"})
}

// sweeperContinues leaves an order open, for the sweeper to end in its request's trace.
func sweeperContinues(t *testing.T, w *world, collector *traces.Collector) {
	order := newOrder(newStock(t, w, promises.NewRecord(), 10), 1)
	stopPart(t, w, system.Inventory)
	wantUnavailable(t, must(t)(w.shop.Place(t.Context(), order)))
	startPart(t, w, system.Inventory)
	const ended = "end abandoned order"
	eventually(t, sweepWithin+tracedWithin, func(context.Context) error {
		trace, err := collector.OfOrder(order.Number)
		if err != nil {
			return err
		}
		for _, line := range []string{ended, "order-service client insert orders", "inventory-service server inventory.v1.InventoryService/Release", "inventory-service client release stock"} {
			if !strings.Contains(trace.String(), line+"\n") {
				return fmt.Errorf("%s is not in\n%s", line, trace)
			}
		}
		if len(trace.Orphans()) > 0 {
			return fmt.Errorf("parents are missing in\n%s", trace)
		}
		return nil
	})
	trace, err := collector.OfOrder(order.Number)
	if err != nil {
		t.Fatal(err)
	}
	wantAttributes(t, trace, system.Order, ended, map[string]string{"steadfast.order.status": "CANCELLED"})
}

// wantTree waits until the order's trace is the wanted tree, and returns it.
func wantTree(t *testing.T, collector *traces.Collector, number, want string) traces.Trace {
	t.Helper()
	var trace traces.Trace
	eventually(t, tracedWithin, func(context.Context) (err error) {
		if trace, err = collector.OfOrder(number); err != nil {
			return err
		}
		if got := trace.String(); got != want {
			return errors.New("the trace is\n" + got + "want\n" + want)
		}
		return nil
	})
	return trace
}

func indented(text, indent string) string {
	var all strings.Builder
	for line := range strings.Lines(text) {
		all.WriteString(indent + line)
	}
	return all.String()
}

// wantAttributes fails the test unless the first span of the name has the attributes.
func wantAttributes(t *testing.T, trace traces.Trace, service, name string, want map[string]string) {
	t.Helper()
	at := slices.IndexFunc(trace, func(s traces.Span) bool { return s.Service == service && s.GetName() == name })
	if at < 0 {
		t.Errorf("%s has no span %s", service, name)
		return
	}
	for key, value := range want {
		if got := trace[at].Attribute(key); got != value {
			t.Errorf("%s of %s has %s %q; want %q", name, service, key, got, value)
		}
	}
}

// wantNothingPersonal looks for the customer in every text of every span.
func wantNothingPersonal(t *testing.T, trace traces.Trace, order shop.Order) {
	t.Helper()
	for _, span := range trace {
		said := fmt.Sprint(span.GetName(), span.GetAttributes(), span.GetEvents(), span.GetStatus())
		for _, word := range []string{order.User.Email, order.User.ID, `"` + order.User.FirstName, `"` + order.User.LastName, "@", "29.99"} {
			if strings.Contains(said, word) {
				t.Errorf("%s of %s says %q: %s", span.GetName(), span.Service, word, said)
			}
		}
	}
}
