package order_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/steadfast-shop/steadfast/order-service/internal/order"
	"github.com/steadfast-shop/steadfast/order-service/internal/ordertest"
)

// abandonAfter is ORDER_ABANDON_AFTER's default; time in these tests is fake.
const abandonAfter = 30 * time.Second

var errCut = fmt.Errorf("%w: cut by the test", order.ErrUnavailable)

// replica is one order service on a world: the real service, relay and sweeper.
type replica struct {
	service *order.Service
	stop    func()
}

func startReplica(t *testing.T, world *ordertest.World, step ordertest.Step) *replica {
	t.Helper()
	links, log := world.Links(step), slog.New(slog.DiscardHandler)
	relay := order.NewRelay(links.Journal(), links.Publisher(), log)
	service := order.NewService(links.Journal(), links.Decisions(), links.Inventory(), relay, time.Now)
	sweeper := order.NewSweeper(service, abandonAfter, log)
	ctx, cancel := context.WithCancel(context.Background())
	var parts sync.WaitGroup
	for _, run := range []func(context.Context) error{relay.Run, sweeper.Run} {
		parts.Go(func() {
			if err := run(ctx); err != nil {
				t.Errorf("a part of the replica failed: %v", err)
			}
		})
	}
	r := &replica{service: service, stop: func() { cancel(); parts.Wait() }}
	t.Cleanup(r.stop)
	return r
}

// answer is what one client was told about an order.
type answer struct {
	order  order.Order
	status order.Status
	err    error
}

func (r *replica) place(o order.Order) answer {
	status, err := r.service.Place(context.Background(), o, "")
	return answer{o, status, err}
}

// A cut is what happens to one call of a replica.
type cut struct {
	name string
	// step does the call's effect, or not, and returns what the replica hears of it.
	step func(effect func() error) error
	// deadly cuts end the replica: none of its later calls has an effect.
	deadly bool
}

var cuts = []cut{
	{"call lost", func(func() error) error { return errCut }, false},
	{"answer lost", func(effect func() error) error { _ = effect(); return errCut }, false},
	{"call a minute late", func(effect func() error) error {
		time.AfterFunc(time.Minute, func() { _ = effect() })
		return errCut
	}, false},
	{"crash before", func(func() error) error { return errCut }, true},
	{"crash after", func(effect func() error) error { _ = effect(); return errCut }, true},
	{"frozen before, for longer than the sweeper waits", func(effect func() error) error {
		<-time.After(2 * abandonAfter)
		return effect()
	}, false},
	{"frozen after, for longer than the sweeper waits", func(effect func() error) error {
		err := effect()
		<-time.After(2 * abandonAfter)
		return err
	}, false},
}

// cutter lets the nth call through cut; it counts calls from 1.
type cutter struct {
	at    int32
	cut   cut
	calls atomic.Int32
	hit   atomic.Value // the name of the call that was cut
}

func (c *cutter) step(call string, effect func() error) error {
	switch n := c.calls.Add(1); {
	case n == c.at:
		c.hit.Store(call)
		return c.cut.step(effect)
	case n > c.at && c.cut.deadly:
		return errCut
	}
	return effect()
}

func crowd(n int, place func(i int) answer) []answer {
	answers := make([]answer, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { answers[i] = place(i) })
	}
	all.Wait()
	return answers
}

func count(answers []answer, status order.Status) (n int) {
	for _, a := range answers {
		if a.err == nil && a.status == status {
			n++
		}
	}
	return n
}

// checkPromises checks what the system promises, after all has settled.
func checkPromises(t *testing.T, world *ordertest.World, initial map[string]int64, answers []answer) {
	t.Helper()
	if n := world.Inflight(); n != 0 {
		t.Errorf("%d entries are left in the journal", n)
	}
	decisions, reservations := world.Decisions(), world.Reservations()
	left := make(map[string]int64)
	for sku, units := range initial {
		left[sku] = units
	}
	for number, decision := range decisions {
		placed := decision.Status == order.Placed
		if held := reservations[number].State == "reserved"; held != placed {
			t.Errorf("%s is %s, but its reservation is %q", number, decision.Status, reservations[number].State)
		}
		for _, line := range decision.Lines {
			if placed {
				left[line.SKU] -= line.Quantity
			}
		}
	}
	for sku, want := range left {
		if got := world.Stock(sku); got != want || got < 0 {
			t.Errorf("stock of %s = %d; want %d", sku, got, want)
		}
	}
	checkEvents(t, world, decisions)
	for i, a := range answers {
		checkAnswer(t, i, a, decisions[a.order.Number])
	}
}

// checkEvents wants at least one event for each placed order, all alike, and none for another.
func checkEvents(t *testing.T, world *ordertest.World, decisions map[string]order.Decision) {
	t.Helper()
	published := make(map[string]bool)
	for _, event := range world.Events() {
		number := event.Order.Number
		published[number] = true
		d := decisions[number]
		if d.Status != order.Placed || event.Order.Fingerprint() != d.Fingerprint || !event.PlacedAt.Equal(d.DecidedAt) {
			t.Errorf("event %+v does not belong to the decision %+v", event, d)
		}
	}
	for number, d := range decisions {
		if d.Status == order.Placed && !published[number] {
			t.Errorf("%s is placed, but no event says so", number)
		}
	}
}

func checkAnswer(t *testing.T, i int, a answer, d order.Decision) {
	t.Helper()
	isPlaced := d.Status == order.Placed && d.Fingerprint == a.order.Fingerprint()
	switch {
	case a.err == nil && a.status == order.Placed:
		if !isPlaced {
			t.Errorf("answer %d said placed to %s, but the decision is %+v", i, a.order.Customer.UserID, d)
		}
	case a.err == nil || errors.Is(a.err, order.ErrTaken):
		if isPlaced {
			t.Errorf("answer %d said %q, %v to %s, but the order is placed", i, a.status, a.err, a.order.Customer.UserID)
		}
	case !errors.Is(a.err, order.ErrUnavailable):
		t.Errorf("answer %d: %v; want an answer or ErrUnavailable", i, a.err)
	}
}
