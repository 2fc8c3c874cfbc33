package e2e_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/steadfast-shop/steadfast/e2e/internal/promises"
	"github.com/steadfast-shop/steadfast/e2e/internal/shop"
	"github.com/steadfast-shop/steadfast/e2e/internal/system"
)

const (
	// settingSMTPOutage is how long TestSMTPIsAway keeps the mail server down.
	settingSMTPOutage = "STEADFAST_E2E_SMTP_OUTAGE"
	// answerWithin is the gateway's deadline of a request, and what a busy machine adds.
	answerWithin = 10*time.Second + 2*time.Second
	// labels of order-service's breakers
	ofOrders, writes, reads = `upstream="order-service"`, `calls="writes"`, `calls="reads"`
)

// wantUnavailable fails the test unless the answer is the fallback.
func wantUnavailable(t *testing.T, answer shop.Answer) {
	t.Helper()
	wantText(t, answer, http.StatusServiceUnavailable, shop.TextUnavailable)
	if seconds, err := strconv.Atoi(answer.Header.Get("Retry-After")); err != nil || seconds < 1 || seconds > 60 {
		t.Errorf("Retry-After %q; want a few seconds", answer.Header.Get("Retry-After"))
	}
}

// TestOutages stops parts of one stack, one after the other.
func TestOutages(t *testing.T) {
	if testing.Short() {
		t.Skip("short: stops parts and waits for them, which takes a minute")
	}
	t.Parallel()
	w := ownWorld(t)
	t.Run("consumer that starts after the orders", func(t *testing.T) { consumerStartsAfterTheOrders(t, w) })
	t.Run("inventory", func(t *testing.T) { inventoryIsAway(t, w) })
	t.Run("Kafka", func(t *testing.T) { kafkaIsAway(t, w) })
	t.Run("SMTP", func(t *testing.T) { smtpIsAway(t, w) })
}

// consumerStartsAfterTheOrders runs first: the consumer group has read nothing yet, and so must begin at the oldest record.
func consumerStartsAfterTheOrders(t *testing.T, w *world) {
	stopPart(t, w, system.Notification)
	record := promises.NewRecord()
	placeAll(t, w.shop, record, newOrders(newStock(t, w, record, 100), 20))
	wantAnswers(t, record, map[int]int{http.StatusCreated: 20})
	startPart(t, w, system.Notification)
	checkPromises(t, w.system(), record, 0)
}

func inventoryIsAway(t *testing.T, w *world) {
	record := promises.NewRecord()
	sku := newStock(t, w, record, 100)
	before := newOrder(sku, 1)
	placeAll(t, w.shop, record, []shop.Order{before})
	stopPart(t, w, system.Inventory)

	abandoned, resumed := newOrder(sku, 1), newOrder(sku, 1)
	for _, order := range []shop.Order{abandoned, resumed} {
		answer, err := record.Place(t.Context(), w.shop, order)
		wantUnavailable(t, must(t)(answer, err))
	}
	if fate, known, err := w.shop.Fate(t.Context(), resumed.User.ID, resumed.Number); err != nil || !known || fate.Status != "PENDING" {
		t.Errorf("the order that was answered 503 is %q, %v, %v; want PENDING", fate.Status, known, err)
	}
	for range 10 { // until the breaker is open, and beyond
		wantUnavailable(t, must(t)(record.Place(t.Context(), w.shop, newOrder(sku, 1))))
	}
	wantMetric(t, 2*time.Second, w.URLs.GatewayAdmin, "gateway_breaker_state", func(v float64) bool { return v == 2 }, ofOrders, writes)
	wantMetric(t, 2*time.Second, w.URLs.GatewayAdmin, "gateway_breaker_state", func(v float64) bool { return v == 0 }, ofOrders, reads)
	open := must(t)(record.Place(t.Context(), w.shop, newOrder(sku, 1)))
	wantUnavailable(t, open)
	if got := open.Header.Get("Gateway-Attempts"); got != "0" {
		t.Errorf("Gateway-Attempts %q while the breaker is open; want 0", got)
	}
	for _, request := range []struct{ method, path, body string }{
		{get, "/api/inventory", `["` + sku + `"]`},
		{post, "/api/inventory", `{"skuCode":"` + newID("SKU") + `","quantity":1}`},
		{post, "/api/inventory/" + sku + "/adjustments", `{"adjustmentId":"` + newID("A") + `","delta":1}`},
	} {
		wantUnavailable(t, must(t)(w.shop.Send(t.Context(), request.method, request.path, request.body)))
	}
	if list := must(t)(w.shop.Orders(t.Context(), before.User.ID, "")); list.Status != 200 { // order reads go on
		t.Errorf("list: %s", list)
	}

	startPart(t, w, system.Inventory)
	if answer, err := placeStubbornly(t.Context(), w.shop, record, resumed, 20*time.Second); err != nil || answer.Status == http.StatusServiceUnavailable {
		t.Errorf("after the outage: %s, %v", answer, err)
	}
	eventually(t, 20*time.Second, func(ctx context.Context) error { // a half-open breaker needs calls to close
		if answer, err := record.Place(ctx, w.shop, newOrder(sku, 1)); err != nil || answer.Status != http.StatusCreated {
			return fmt.Errorf("%s, %w", answer, err)
		}
		return nil
	})
	wantMetric(t, 2*time.Second, w.URLs.GatewayAdmin, "gateway_breaker_state", func(v float64) bool { return v == 0 }, ofOrders, writes)
	if conflicts := record.Answers(http.StatusConflict); conflicts > 1 { // only the resumed one may have been given up meanwhile
		t.Errorf("%d orders were answered 409: an outage is no conflict", conflicts)
	}
	s := w.system()
	s.Quiet = sweepWithin
	checkPromises(t, s, record, 0)
	if fate, _, err := w.shop.Fate(t.Context(), abandoned.User.ID, abandoned.Number); err != nil || fate.Status != "CANCELLED" {
		t.Errorf("the order that nobody asked for again is %q, %v; want CANCELLED", fate.Status, err)
	}
}

func kafkaIsAway(t *testing.T, w *world) {
	record := promises.NewRecord()
	sku := newStock(t, w, record, 100)
	replica := startReplicas(t, w, []string{system.Order})[0]
	stopPart(t, w, system.Kafka)
	placeAll(t, w.shop, record, newOrders(sku, 20))
	placeAll(t, shop.New(replica.API), record, newOrders(sku, 20))
	terminate(t, replica) // it takes with it that it owes events
	startPart(t, w, system.Kafka)
	placeAll(t, w.shop, record, newOrders(sku, 5))
	wantAnswers(t, record, map[int]int{http.StatusCreated: 45})
	s := w.system()
	s.Quiet = sweepWithin
	checkPromises(t, s, record, 0)
}

func smtpIsAway(t *testing.T, w *world) {
	outage := 30 * time.Second
	if text := os.Getenv(settingSMTPOutage); text != "" {
		var err error
		if outage, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	record := promises.NewRecord()
	sku := newStock(t, w, record, 1000)
	replica := startReplicas(t, w, []string{system.Notification})[0]
	stopPart(t, w, system.Inbox)
	placeAll(t, w.shop, record, newOrders(sku, 20))
	wantMetric(t, 10*time.Second, w.URLs.Notification, "notification_waiting", func(v float64) bool { return v > 0 })
	wantMetric(t, 10*time.Second, replica.URL, "notification_waiting", func(v float64) bool { return v > 0 })
	terminate(t, replica) // in the midst of waiting
	keepOrdering(t, w, record, sku, outage)
	startPart(t, w, system.Inbox)
	if refused := record.Answers(http.StatusConflict) + record.Answers(http.StatusServiceUnavailable); refused > 0 {
		t.Errorf("%d orders were not placed", refused)
	}
	checkPromises(t, w.system(), record, 0)
}

// frozenPart is a part that is frozen, and what clients hear meanwhile.
type frozenPart struct {
	name         string
	order        int // the status of an order,
	list         int // of a list of orders,
	stock        int // and of a look at the stock
	hold         time.Duration
	mostRepeated int
	stopped      []string // services that need the part, of which another replica is stopped meanwhile
}

// TestFrozenParts stops the processes of a part by SIGSTOP, so that they neither answer nor refuse, and lets them go on.
func TestFrozenParts(t *testing.T) {
	if testing.Short() {
		t.Skip("short: freezes parts, which takes a minute and a half")
	}
	t.Parallel()
	w := ownWorld(t)
	parts := []frozenPart{
		{name: system.Inventory, order: 503, list: 200, stock: 503},
		{name: system.FerretDB, order: 503, list: 503, stock: 200, stopped: []string{system.Order}},
		{name: system.Postgres, order: 503, list: 503, stock: 503, stopped: []string{system.Order, system.Inventory}},
		{name: system.Order, order: 503, list: 503, stock: 200},
		// longer than a client waits for a broker's answer
		{name: system.Kafka, order: 201, list: 200, stock: 200, hold: 12 * time.Second, stopped: []string{system.Order, system.Notification}},
		{name: system.Notification, order: 201, list: 200, stock: 200, hold: 3 * time.Second},
		{name: system.Inbox, order: 201, list: 200, stock: 200, hold: 3 * time.Second, mostRepeated: perPartition, stopped: []string{system.Notification}},
	}
	records := make([]*promises.Record, len(parts))
	for i, part := range parts {
		t.Run("frozen "+part.name, func(t *testing.T) {
			records[i] = promises.NewRecord()
			freezePart(t, w, records[i], part)
		})
	}
	s := w.system()
	s.Quiet = sweepWithin
	for i, part := range parts {
		t.Run("after "+part.name, func(t *testing.T) { checkPromises(t, s, records[i], part.mostRepeated) })
	}
}

// freezePart asks while the part is frozen, and asks again for what was not answered once it is not.
func freezePart(t *testing.T, w *world, record *promises.Record, part frozenPart) {
	sku := newStock(t, w, record, 1000)
	before := newOrder(sku, 1)
	placeAll(t, w.shop, record, []shop.Order{before})
	replicas := startReplicas(t, w, part.stopped)
	thaw, err := w.FreezePart(part.name)
	if err != nil {
		t.Fatal(err)
	}
	defer thaw()
	var all sync.WaitGroup
	ask := func(what string, want int, request func() (shop.Answer, error)) {
		all.Go(func() {
			asked := time.Now()
			answer, err := request()
			if took := time.Since(asked); err != nil || answer.Status != want || took > answerWithin {
				t.Errorf("%s: got %s, %v after %v; want %d within %v", what, answer, err, took, want, answerWithin)
			}
		})
	}
	orders := newOrders(sku, 3)
	for _, order := range orders {
		ask("order", part.order, func() (shop.Answer, error) { return record.Place(t.Context(), w.shop, order) })
	}
	ask("list", part.list, func() (shop.Answer, error) { return w.shop.Orders(t.Context(), before.User.ID, "") })
	ask("stock", part.stock, func() (shop.Answer, error) {
		return w.shop.SendJSON(t.Context(), get, "/api/inventory", []string{sku})
	})
	all.Wait()
	keepOrdering(t, w, record, sku, part.hold)
	for _, replica := range replicas {
		all.Go(func() { terminate(t, replica) })
	}
	all.Wait()
	thaw()
	for _, order := range append(orders, newOrders(sku, 3)...) {
		if _, err := placeStubbornly(t.Context(), w.shop, record, order, 30*time.Second); err != nil {
			t.Error(err)
		}
	}
}

// keepOrdering places an order each second, for as long as it is told.
func keepOrdering(t *testing.T, w *world, record *promises.Record, sku string, span time.Duration) {
	t.Helper()
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	end := time.NewTimer(span)
	defer end.Stop()
	for {
		select {
		case <-end.C:
			return
		case <-ticker.C:
			placeAll(t, w.shop, record, newOrders(sku, 1))
		}
	}
}

// startReplicas starts one more of each service and waits until it is ready.
func startReplicas(t *testing.T, w *world, names []string) []*system.Service {
	t.Helper()
	replicas := make([]*system.Service, len(names))
	for i, name := range names {
		replicas[i] = startService(t, name, w.Settings()...)
		if err := replicas[i].WaitReady(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return replicas
}

// newOrders returns orders of one unit each.
func newOrders(sku string, n int) []shop.Order {
	orders := make([]shop.Order, n)
	for i := range orders {
		orders[i] = newOrder(sku, 1)
	}
	return orders
}

// stopPart stops a part in order, and sees that it is started again whatever happens.
func stopPart(t *testing.T, w *world, name string) {
	t.Helper()
	t.Cleanup(func() {
		if err := w.StartPart(context.WithoutCancel(t.Context()), name); err != nil {
			t.Error(err)
		}
	})
	if err := w.StopPart(t.Context(), name); err != nil {
		t.Fatal(err)
	}
}

func startPart(t *testing.T, w *world, name string) {
	t.Helper()
	if err := w.StartPart(t.Context(), name); err != nil {
		t.Fatal(err)
	}
}
