package order_test

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/steadfast-shop/steadfast/order-service/internal/order"
	"github.com/steadfast-shop/steadfast/order-service/internal/ordertest"
)

// TestEveryCutEndsRightly cuts the order flow of one replica at every call that it makes to the outside, in every way, while another replica sweeps beside it.
// Afterwards the same client asks again, and a stranger comes with the same number.
func TestEveryCutEndsRightly(t *testing.T) {
	for _, stock := range []int64{10, 1} {
		for _, c := range cuts {
			cutSomewhere := true
			for at := int32(1); cutSomewhere; at++ {
				name := fmt.Sprintf("stock %d/%s/call %d", stock, c.name, at)
				t.Run(name, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { cutSomewhere = runCut(t, stock, c, at) })
				})
			}
		}
	}
}

// runCut returns whether there was a call to cut.
func runCut(t *testing.T, stock int64, c cut, at int32) bool {
	world := ordertest.NewWorld(map[string]int64{"A": stock, "B": 10})
	cutter := &cutter{at: at, cut: c}
	first, second := startReplica(t, world, cutter.step), startReplica(t, world, nil)
	wanted := ordertest.Buy("N", "user", ordertest.Units("A", 2), ordertest.Units("B", 1))

	answers := []answer{first.place(wanted)}
	<-time.After(3 * abandonAfter) // the sweepers of both replicas have been there, and late calls too
	hit, _ := cutter.hit.Load().(string)
	if c.deadly && hit != "" {
		first.stop()
	}
	answers = append(answers, second.place(wanted), second.place(wanted))
	stranger := ordertest.Buy("N", "stranger", ordertest.Units("A", 1))
	answers = append(answers, second.place(stranger), second.place(wanted))
	<-time.After(2 * abandonAfter)
	first.stop()
	second.stop()
	checkPromises(t, world, map[string]int64{"A": stock, "B": 10}, answers)
	if t.Failed() {
		t.Logf("cut at %q", hit)
	}
	return hit != ""
}

// TestSweeperBesideLiveRequest sweeps everything, however young, between any two steps of a request.
func TestSweeperBesideLiveRequest(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	for _, stock := range []int64{10, 1} {
		stepsLeft := true
		for at := int32(1); stepsLeft; at++ {
			t.Run(fmt.Sprintf("stock %d/before call %d", stock, at), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					world := ordertest.NewWorld(map[string]int64{"A": stock})
					other := startReplica(t, world, nil)
					eager := order.NewSweeper(other.service, -time.Second, log)
					sweep := cut{name: "sweep", step: func(effect func() error) error {
						if err := eager.Sweep(t.Context()); err != nil {
							t.Errorf("Sweep: %v", err)
						}
						synctest.Wait()
						return effect()
					}}
					cutter := &cutter{at: at, cut: sweep}
					live := startReplica(t, world, cutter.step)
					wanted := ordertest.Buy("N", "user", ordertest.Units("A", 2))
					answers := []answer{live.place(wanted), other.place(wanted)}
					<-time.After(2 * abandonAfter)
					live.stop()
					other.stop()
					checkPromises(t, world, map[string]int64{"A": stock}, answers)
					stepsLeft = cutter.hit.Load() != nil
				})
			})
		}
	}
}

// TestRequestBesideSweep freezes a request before any of its calls, lets a sweep begin, and thaws the request between any two calls of the sweep.
func TestRequestBesideSweep(t *testing.T) {
	for frozenAt := int32(2); frozenAt <= 3; frozenAt++ { // before the reservation, and before the decision
		thawedSomewhere := true
		for thawedAt := int32(1); thawedSomewhere; thawedAt++ {
			t.Run(fmt.Sprintf("frozen before call %d/thawed before call %d of the sweep", frozenAt, thawedAt), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { thawedSomewhere = runBesideSweep(t, frozenAt, thawedAt) })
			})
		}
	}
}

func runBesideSweep(t *testing.T, frozenAt, thawedAt int32) bool {
	world := ordertest.NewWorld(map[string]int64{"A": 10})
	thaw, answered := make(chan struct{}), make(chan answer, 1)
	frozen := &cutter{at: frozenAt, cut: cut{step: func(effect func() error) error {
		<-thaw
		return effect()
	}}}
	live := startReplica(t, world, frozen.step)
	go func() { answered <- live.place(ordertest.Buy("N", "user", ordertest.Units("A", 2))) }()
	synctest.Wait()

	var got answer
	letGo := sync.OnceFunc(func() { close(thaw); got = <-answered })
	thawing := &cutter{at: thawedAt, cut: cut{step: func(effect func() error) error {
		letGo()
		return effect()
	}}}
	other := startReplica(t, world, thawing.step)
	if err := order.NewSweeper(other.service, -time.Second, slog.New(slog.DiscardHandler)).Sweep(t.Context()); err != nil {
		t.Errorf("Sweep: %v", err)
	}
	thawed := thawing.hit.Load() != nil
	letGo()
	<-time.After(2 * abandonAfter)
	live.stop()
	other.stop()
	checkPromises(t, world, map[string]int64{"A": 10}, []answer{got})
	return thawed
}

// TestNumberTaken comes with a number that belongs to a different order, while nothing of that is in flight any more, and asks for the first order while the stranger's is.
func TestNumberTaken(t *testing.T) {
	mine := ordertest.Buy("N", "user", ordertest.Units("A", 2))
	for _, c := range []struct {
		name     string
		stock    int64
		stranger order.Order
		want     order.Status // of mine, throughout; "" means that it is refused
	}{
		{"other lines", 10, ordertest.Buy("N", "user", ordertest.Units("A", 3)), order.Placed},
		{"other customer", 10, ordertest.Buy("N", "stranger", ordertest.Units("A", 2)), order.Placed},
		{"other price", 10, ordertest.Buy("N", "user", order.Line{SKU: "A", Quantity: 2, Price: ordertest.Price("29.91")}), order.Placed},
		{"rejected, other customer", 1, ordertest.Buy("N", "stranger", ordertest.Units("A", 2)), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				world := ordertest.NewWorld(map[string]int64{"A": c.stock})
				r := startReplica(t, world, nil)
				first := r.place(mine)
				<-time.After(2 * abandonAfter)
				taken := r.place(c.stranger)
				if !errors.Is(taken.err, order.ErrTaken) {
					t.Errorf("the stranger was told %q, %v; want ErrTaken", taken.status, taken.err)
				}
				again := r.place(mine)
				if again.status != c.want {
					t.Errorf("asked again beside the stranger: %q, %v; want %q", again.status, again.err, c.want)
				}
				<-time.After(2 * abandonAfter)
				r.stop()
				checkPromises(t, world, map[string]int64{"A": c.stock}, []answer{first, taken, again})
			})
		})
	}
}

// TestLastUnit lets 64 customers go for the last unit on two replicas.
func TestLastUnit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := ordertest.NewWorld(map[string]int64{"A": 1})
		replicas := []*replica{startReplica(t, world, nil), startReplica(t, world, nil)}
		answers := crowd(64, func(i int) answer {
			return replicas[i%2].place(ordertest.Buy(fmt.Sprintf("N-%d", i), "user", ordertest.Units("A", 1)))
		})
		<-time.After(2 * abandonAfter)
		for _, r := range replicas {
			r.stop()
		}
		checkPromises(t, world, map[string]int64{"A": 1}, answers)
		if got := count(answers, order.Placed); got != 1 {
			t.Errorf("%d customers got the last unit; want 1", got)
		}
	})
}

// TestParallelCopies lets 64 copies of one request and 64 of another one under the same number go for it on two replicas.
func TestParallelCopies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := ordertest.NewWorld(map[string]int64{"A": 100})
		replicas := []*replica{startReplica(t, world, nil), startReplica(t, world, nil)}
		answers := crowd(128, func(i int) answer {
			user := []string{"user", "stranger"}[i/2%2]
			return replicas[i%2].place(ordertest.Buy("N", user, ordertest.Units("A", 1)))
		})
		<-time.After(2 * abandonAfter)
		for _, r := range replicas {
			r.stop()
		}
		checkPromises(t, world, map[string]int64{"A": 100}, answers)
		if got := count(answers, order.Placed); got != 64 {
			t.Errorf("%d of 128 were told that the order is placed; want the 64 copies of one", got)
		}
	})
}

// TestBrokerAway publishes once the broker is back, long after the answers, and decides abandoned orders meanwhile.
func TestBrokerAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := ordertest.NewWorld(map[string]int64{"A": 100})
		var away atomic.Bool
		away.Store(true)
		r := startReplica(t, world, func(call string, effect func() error) error {
			if call == "publisher.Publish" && away.Load() {
				return errCut
			}
			return effect()
		})
		answers := crowd(20, func(i int) answer {
			return r.place(ordertest.Buy(fmt.Sprintf("N-%d", i), "user", ordertest.Units("A", 1)))
		})
		if got := count(answers, order.Placed); got != 20 {
			t.Fatalf("%d of 20 orders were placed while the broker was away", got)
		}
		// Somebody else's request died after its reservation.
		lost := ordertest.Buy("lost", "user", ordertest.Units("A", 1))
		links := world.Links(nil)
		if err := links.Journal().Insert(t.Context(), order.Entry{Order: lost, Fingerprint: lost.Fingerprint(), ReceivedAt: time.Now()}); err != nil {
			t.Fatal(err)
		}
		if _, err := links.Inventory().Reserve(t.Context(), "lost", lost.Lines); err != nil {
			t.Fatal(err)
		}
		<-time.After(10 * time.Minute)
		if got := world.Decisions()["lost"].Status; got != order.Cancelled {
			t.Errorf("the abandoned order is %q while the broker is away; want it cancelled", got)
		}
		if got := world.Inflight(); got != 20 {
			t.Errorf("the journal holds %d entries; want the 20 that owe an event", got)
		}
		away.Store(false)
		<-time.After(10 * time.Second)
		r.stop()
		checkPromises(t, world, map[string]int64{"A": 100}, answers)
	})
}
