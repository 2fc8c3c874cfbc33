package e2e_test

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/steadfast-shop/steadfast/shared-proto/topics"

	"github.com/steadfast-shop/steadfast/e2e/internal/promises"
	"github.com/steadfast-shop/steadfast/e2e/internal/shop"
	"github.com/steadfast-shop/steadfast/e2e/internal/system"
)

// killedBeforePublishing places orders while the broker is away for the only order-service, and kills that once it has answered: no event can be out.
func killedBeforePublishing(t *testing.T, w *world) {
	t.Parallel()
	b := startBranch(t, w, newDatabase(t, w))
	record := promises.NewRecord()
	sku := b.newStock(t, record, 100)
	b.order.Kill()
	lonely := startService(t, system.Order, append(b.settings, "KAFKA_BOOTSTRAP_SERVERS="+closedPort(t))...)
	if err := lonely.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	orders := newOrders(sku, 5)
	for _, order := range orders {
		if answer, err := placeStubbornly(t.Context(), shop.New(lonely.API), record, order, giveUpAfter); err != nil || answer.Status != http.StatusCreated {
			t.Errorf("without a broker: got %s, %v; want 201", answer, err)
		}
	}
	lonely.Kill()
	for _, order := range orders {
		if found, err := w.kafka.Find(t.Context(), topics.OrderPlaced, order.Number); err != nil || len(found) > 0 {
			t.Errorf("%d events of %s are out, %v; want none yet", len(found), order.Number, err)
		}
	}
	restart(t, &b.order)
	if report := checkPromises(t, b.system(w), record, 0); report.Placed != len(orders) {
		t.Errorf("%d orders are placed; want %d", report.Placed, len(orders))
	}
}

// grpcAnswerLost lets every Reserve arrive while no answer comes back: stock is held, and order-service cannot know. Whoever asks again has the order, and it holds its
// stock once; what nobody asks for again is cancelled, and its stock given back.
func grpcAnswerLost(t *testing.T, w *world) {
	skipWaits(t)
	t.Parallel()
	b := startBranch(t, w, newDatabase(t, w))
	direct, record := shop.New(b.order.API), promises.NewRecord()
	sku := b.newStock(t, record, 100)
	b.warmUp(t, record, sku)

	b.link.LoseReplies(true)
	asked, again, abandoned := time.Now(), newOrders(sku, 10), newOrders(sku, 10)
	placeAll(t, direct, record, append(again, abandoned...))
	if took := time.Since(asked); took > 4*time.Second {
		t.Errorf("the answers took %v; a try has 3 s", took)
	}
	wantAnswers(t, record, map[int]int{http.StatusCreated: 1, http.StatusServiceUnavailable: 20})
	wantQuantity(t, b.shop, sku, 79) // all requests have arrived

	b.link.LoseReplies(false)
	var all sync.WaitGroup
	for _, order := range again {
		all.Go(func() {
			answer, err := placeStubbornly(t.Context(), direct, record, order, giveUpAfter)
			if err != nil || answer.Status != http.StatusCreated {
				t.Errorf("got %s, %v; want 201", answer, err)
			}
		})
	}
	all.Wait()
	if report := checkPromises(t, b.system(w), record, 0); report.Placed != 11 || report.NotPlaced != 10 {
		t.Errorf("%d orders are placed and %d are not; want 11 and 10", report.Placed, report.NotPlaced)
	}
}

// inventoryFrozen freezes inventory while orders reach it, for longer than anyone waits for them: what was refused by then stays so when it wakes up and goes on with them.
func inventoryFrozen(t *testing.T, w *world) {
	skipWaits(t)
	t.Parallel()
	b := startBranch(t, w, newDatabase(t, w))
	record := promises.NewRecord()
	sku := b.newStock(t, record, 100)
	before := b.warmUp(t, record, sku)
	thaw, err := b.inventory.Freeze()
	if err != nil {
		t.Fatal(err)
	}
	defer thaw()
	asked, refused := time.Now(), newOrders(sku, 10)
	placeAll(t, b.shop, record, refused)
	if took := time.Since(asked); took > answerWithin {
		t.Errorf("the answers took %v; want %v at most", took, answerWithin)
	}
	wantAnswers(t, record, map[int]int{http.StatusCreated: 1, http.StatusServiceUnavailable: 10})
	if list := must(t)(b.shop.Orders(t.Context(), before.User.ID, "")); list.Status != http.StatusOK {
		t.Errorf("list: got %s; want 200", list)
	}
	wantFate(t, b.shop, "CANCELLED", refused)
	thaw()
	for _, order := range refused[:3] {
		if answer, err := placeStubbornly(t.Context(), b.shop, record, order, giveUpAfter); err != nil || answer.Status != http.StatusConflict {
			t.Errorf("asked again after the thaw: got %s, %v; want 409", answer, err)
		}
	}
	if answer, err := placeStubbornly(t.Context(), b.shop, record, newOrder(sku, 1), giveUpAfter); err != nil || answer.Status != http.StatusCreated {
		t.Errorf("a new order after the thaw: got %s, %v; want 201", answer, err)
	}
	s := b.system(w)
	s.Quiet = 0 // every order is decided
	if report := checkPromises(t, s, record, 0); report.Placed != 2 || report.NotPlaced != 10 {
		t.Errorf("%d orders are placed and %d are not; want 2 and 10", report.Placed, report.NotPlaced)
	}
}

// compensationLost has stock held for orders that are then abandoned, and inventory gone by the time it is to take the stock back.
func compensationLost(t *testing.T, w *world) {
	skipWaits(t)
	t.Parallel()
	b := startBranch(t, w, newDatabase(t, w))
	direct, record := shop.New(b.order.API), promises.NewRecord()
	sku := b.newStock(t, record, 100)
	b.warmUp(t, record, sku)
	b.link.LoseReplies(true)
	abandoned := newOrders(sku, 5)
	placeAll(t, direct, record, abandoned)
	wantQuantity(t, b.shop, sku, 94)
	b.inventory.Kill()
	b.link.LoseReplies(false)
	abandoned = append(abandoned, newOrder(sku, 1)) // for which nothing is held
	placeAll(t, direct, record, abandoned[5:])
	wantAnswers(t, record, map[int]int{http.StatusCreated: 1, http.StatusServiceUnavailable: 6})

	wantFate(t, b.shop, "CANCELLED", abandoned)
	wantMetric(t, giveUpAfter, b.order.URL, "order_journal_abandoned", func(v float64) bool { return v == 6 }) // they owe their Release
	restart(t, &b.inventory)
	eventually(t, giveUpAfter, func(ctx context.Context) error {
		quantities, err := b.shop.Quantities(ctx, sku)
		if err == nil && *quantities[0] != 99 {
			err = fmt.Errorf("the stock is %d; want 99", *quantities[0])
		}
		return err
	})
	s := b.system(w)
	s.Quiet = 0 // every order is decided
	if report := checkPromises(t, s, record, 0); report.Placed != 1 || report.NotPlaced != 6 {
		t.Errorf("%d orders are placed and %d are not; want 1 and 6", report.Placed, report.NotPlaced)
	}
}

// outageIsNoConflict asks for what there is, and for what there is not, while inventory is away: only once it is back can anyone know which is which.
func outageIsNoConflict(t *testing.T, w *world) {
	t.Parallel()
	b := startBranch(t, w, newDatabase(t, w), "ORDER_ABANDON_AFTER=1m")
	record := promises.NewRecord()
	sku, other := b.newStock(t, record, 100), b.newStock(t, record, 100)
	before := b.warmUp(t, record, sku)
	b.inventory.Kill()

	lines := newOrder("", 0)
	lines.Price, lines.Items = "", []shop.Item{{SKU: sku, Price: "1.00", Quantity: 1}, {SKU: other, Price: "2", Quantity: 1}}
	orders := []shop.Order{newOrder(sku, 1), lines, newOrder(sku, 1000), newOrder(newID("SKU"), 1)}
	for _, order := range orders {
		wantUnavailable(t, must(t)(record.Place(t.Context(), b.shop, order)))
	}
	wantFate(t, b.shop, "PENDING", orders[:1])
	adjustment := newID("A")
	wantUnavailable(t, must(t)(b.shop.Stock(t.Context(), newID("SKU"), 1)))
	wantUnavailable(t, must(t)(b.shop.Adjust(t.Context(), sku, adjustment, -1000)))
	if list := must(t)(b.shop.Orders(t.Context(), before.User.ID, "")); list.Status != http.StatusOK { // order reads go on
		t.Errorf("list: got %s; want 200", list)
	}
	restart(t, &b.inventory)
	for i, want := range []int{http.StatusCreated, http.StatusCreated, http.StatusConflict, http.StatusConflict} {
		if answer, err := placeStubbornly(t.Context(), b.shop, record, orders[i], giveUpAfter); err != nil || answer.Status != want {
			t.Errorf("order %d after the outage: got %s, %v; want %d", i, answer, err, want)
		}
	}
	s := b.system(w)
	s.Quiet = 0 // every order is decided
	if report := checkPromises(t, s, record, 0); report.Placed != 3 || report.NotPlaced != 2 {
		t.Errorf("%d orders are placed and %d are not; want 3 and 2", report.Placed, report.NotPlaced)
	}
}

// wantQuantity fails the test unless there is so much of the SKU.
func wantQuantity(t *testing.T, client *shop.Client, sku string, want int64) {
	t.Helper()
	if quantities, err := client.Quantities(t.Context(), sku); err != nil || *quantities[0] != want {
		t.Errorf("the stock is %v, %v; want %d", quantities, err, want)
	}
}

// skipWaits skips a test that waits for ORDER_ABANDON_AFTER where tests have to be short.
func skipWaits(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("short: waits for ORDER_ABANDON_AFTER")
	}
}
