package e2e_test

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/steadfast-shop/steadfast/e2e/internal/promises"
	"github.com/steadfast-shop/steadfast/e2e/internal/shop"
	"github.com/steadfast-shop/steadfast/e2e/internal/system"
)

// answerWithin is the gateway's deadline of a request, and what a busy machine adds.
const answerWithin = 10*time.Second + 2*time.Second

// wantUnavailable fails the test unless the answer is the fallback.
func wantUnavailable(t *testing.T, answer shop.Answer) {
	t.Helper()
	wantText(t, answer, http.StatusServiceUnavailable, shop.TextUnavailable)
	if seconds, err := strconv.Atoi(answer.Header.Get("Retry-After")); err != nil || seconds < 1 || seconds > 60 {
		t.Errorf("Retry-After %q; want a few seconds", answer.Header.Get("Retry-After"))
	}
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
