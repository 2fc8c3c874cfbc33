package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/steadfast-shop/steadfast/e2e/internal/metrics"
	"github.com/steadfast-shop/steadfast/e2e/internal/promises"
	"github.com/steadfast-shop/steadfast/e2e/internal/shop"
)

// placeAll places all orders at once.
func placeAll(t *testing.T, client *shop.Client, record *promises.Record, orders []shop.Order) {
	t.Helper()
	var all sync.WaitGroup
	start := make(chan struct{})
	for _, order := range orders {
		all.Go(func() {
			<-start
			if _, err := record.Place(t.Context(), client, order); err != nil {
				t.Error(err)
			}
		})
	}
	close(start)
	all.Wait()
}

func wantAnswers(t *testing.T, record *promises.Record, want map[int]int) {
	t.Helper()
	for _, status := range []int{http.StatusCreated, http.StatusConflict, http.StatusServiceUnavailable} {
		if got := record.Answers(status); got != want[status] {
			t.Errorf("%d answers were %d; want %d", got, status, want[status])
		}
	}
}

// TestTwoBodiesOfOneNumber sends two different orders under one number, many times at once: one of the two is placed, and all copies of the other hear 409.
func TestTwoBodiesOfOneNumber(t *testing.T) {
	w := sharedWorld(t)
	record := promises.NewRecord()
	order := newOrder(newStock(t, w, record, 100), 2)
	other := order
	other.Quantity = 3
	copies := make([]shop.Order, 0, 40)
	for range 20 {
		copies = append(copies, order, other)
	}
	placeAll(t, w.shop, record, copies)
	if placed := record.Answers(http.StatusCreated); placed < 1 || record.Answers(http.StatusConflict) != len(copies)-placed {
		t.Errorf("%d answers were 201, %d were 409", placed, record.Answers(http.StatusConflict))
	}
	if report := checkPromises(t, w.system(), record, 0); report.Placed != 1 {
		t.Errorf("%d orders are placed; want 1", report.Placed)
	}
}

func TestTwoHundredOrdersForAHundredUnits(t *testing.T) {
	w := sharedWorld(t)
	record := promises.NewRecord()
	sku := newStock(t, w, record, 100)
	orders := make([]shop.Order, 200)
	for i := range orders {
		orders[i] = newOrder(sku, 1)
	}
	placeAll(t, w.shop, record, orders)
	wantAnswers(t, record, map[int]int{http.StatusCreated: 100, http.StatusConflict: 100})
	if report := checkPromises(t, w.system(), record, 0); report.Placed != 100 {
		t.Errorf("%d orders are placed; want 100", report.Placed)
	}
	wantJSON(t, must(t)(w.shop.SendJSON(t.Context(), http.MethodGet, "/api/inventory", []string{sku})), `[0]`)
}

// TestSeveralLinesAreAllOrNothing races orders whose lines overlap on scarce SKUs, in both orders of the lines.
func TestSeveralLinesAreAllOrNothing(t *testing.T) {
	w := sharedWorld(t)
	record := promises.NewRecord()
	a, b, c := newStock(t, w, record, 10), newStock(t, w, record, 10), newStock(t, w, record, 10)
	var orders []shop.Order
	for _, skus := range [][]string{{a, b}, {b, a}, {b, c}, {c, b}, {a, c}, {c, a}} {
		for range 5 {
			order := newOrder("", 0)
			order.Price = ""
			order.Items = []shop.Item{{SKU: skus[0], Price: "1.00", Quantity: 1}, {SKU: skus[1], Price: "2", Quantity: 1}}
			orders = append(orders, order)
		}
	}
	placeAll(t, w.shop, record, orders)
	if placed := record.Answers(http.StatusCreated); placed != record.Answers(http.StatusCreated) || placed > 15 || placed+record.Answers(http.StatusConflict) != len(orders) {
		t.Errorf("%d answers were 201 and %d were 409, for 15 orders' worth of stock", placed, record.Answers(http.StatusConflict))
	}
	checkPromises(t, w.system(), record, 0)
}

// TestReplayOfADecidedOrder asks again long after the answer: a placed order is placed, a refused one stays refused, even when there is stock now.
func TestReplayOfADecidedOrder(t *testing.T) {
	w := sharedWorld(t)
	record := promises.NewRecord()
	sku := newStock(t, w, record, 5)
	placed, refused := newOrder(sku, 5), newOrder(sku, 1)
	placeAll(t, w.shop, record, []shop.Order{placed})
	placeAll(t, w.shop, record, []shop.Order{refused})
	checkPromises(t, w.system(), record, 0)
	if answer := must(t)(w.shop.Adjust(t.Context(), sku, newID("A"), 10)); answer.Status != http.StatusOK {
		t.Fatal(answer)
	}
	record.Adjusted(sku, 10)
	placeAll(t, w.shop, record, []shop.Order{placed, refused, placed, refused})
	wantAnswers(t, record, map[int]int{http.StatusCreated: 3, http.StatusConflict: 3})
	checkPromises(t, w.system(), record, 0)
}

// TestFourHundredRequestsAtOnce sends more than the gateway lets through: who hears 503 comes again with the same number, as a good client does.
func TestFourHundredRequestsAtOnce(t *testing.T) {
	t.Parallel()
	w := ownWorld(t) // whose breaker opens, perhaps
	record := promises.NewRecord()
	sku := newStock(t, w, record, 1000)
	var all sync.WaitGroup
	start := make(chan struct{})
	for range 400 {
		all.Go(func() {
			<-start
			if _, err := placeStubbornly(t.Context(), w.shop, record, newOrder(sku, 1), time.Minute); err != nil {
				t.Error(err)
			}
		})
	}
	close(start)
	all.Wait()
	if placed := record.Answers(http.StatusCreated); placed != 400 {
		t.Errorf("%d answers were 201; want 400", placed)
	}
	t.Logf("%d requests were answered 503", record.Answers(http.StatusServiceUnavailable))
	checkPromises(t, w.system(), record, 0)
}

func TestAbandonedRequestsAreSettled(t *testing.T) {
	if testing.Short() {
		t.Skip("short: waits for ORDER_ABANDON_AFTER")
	}
	w := sharedWorld(t)
	record := promises.NewRecord()
	sku := newStock(t, w, record, 1000)
	var all sync.WaitGroup
	for i := range 30 {
		all.Go(func() { // the client goes away, sooner or later
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*time.Millisecond)
			defer cancel()
			_, _ = record.Place(ctx, w.shop, newOrder(sku, 1)) // without an answer the fate is open
		})
	}
	all.Wait()
	s := w.system()
	s.Quiet = sweepWithin
	checkPromises(t, s, record, 0)
}

// placeStubbornly places the order as a good client does: with the same number until it hears 201 or 409, and waiting in between as long as it is told.
func placeStubbornly(ctx context.Context, client *shop.Client, record *promises.Record, order shop.Order, within time.Duration) (shop.Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for {
		answer, err := record.Place(ctx, client, order)
		if errors.Is(err, promises.ErrBadAnswer) || err == nil && answer.Status != http.StatusServiceUnavailable {
			return answer, err
		}
		pause := 100 * time.Millisecond // after a connection that broke
		if seconds, err := strconv.Atoi(answer.Header.Get("Retry-After")); err == nil {
			pause = time.Duration(seconds) * time.Second
		}
		timer := time.NewTimer(pause + rand.N(pause/4))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return answer, errors.Join(fmt.Errorf("order %s was not decided within %v; the last answer was %s", order.Number, within, answer), err)
		}
	}
}

// wantMetric waits until a metric of a process is as it should be.
func wantMetric(t *testing.T, within time.Duration, url, name string, isRight func(float64) bool, labels ...string) {
	t.Helper()
	eventually(t, within, func(ctx context.Context) error {
		value, err := metrics.Sum(ctx, url, name, labels...)
		if err == nil && !isRight(value) {
			err = fmt.Errorf("%s%v is %g", name, labels, value)
		}
		return err
	})
}
