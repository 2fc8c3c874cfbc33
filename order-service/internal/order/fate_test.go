package order_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/steadfast-shop/steadfast/order-service/internal/order"
	"github.com/steadfast-shop/steadfast/order-service/internal/ordertest"
)

func TestFate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := ordertest.NewWorld(map[string]int64{"A": 1})
		r := startReplica(t, world, nil)
		r.place(ordertest.Buy("placed", "user", ordertest.Units("A", 1)))
		r.place(ordertest.Buy("rejected", "user", ordertest.Units("A", 1)))
		pending := ordertest.Buy("pending", "user", ordertest.Units("A", 1))
		entry := order.Entry{Order: pending, Fingerprint: pending.Fingerprint(), ReceivedAt: time.Now()}
		if err := world.Links(nil).Journal().Insert(t.Context(), entry); err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			user, number string
			want         order.Status
		}{
			{"user", "placed", order.Placed},
			{"user", "rejected", order.Rejected},
			{"user", "pending", order.Pending},
			{"stranger", "placed", ""},
			{"stranger", "pending", ""},
			{"user", "unknown", ""},
		} {
			got, err := r.service.Fate(t.Context(), c.user, c.number)
			if got.Status != c.want || (c.want == "") != errors.Is(err, order.ErrNotFound) {
				t.Errorf("Fate(%s, %s) = %q, %v; want %q", c.user, c.number, got.Status, err, c.want)
			}
		}
		<-time.After(2 * abandonAfter)
		if got, err := r.service.Fate(t.Context(), "user", "pending"); err != nil || got.Status != order.Cancelled {
			t.Errorf("after the sweep Fate = %q, %v; want it cancelled", got.Status, err)
		}
		r.stop()
	})
}

// TestFateOfOrderThatIsDecidedMeanwhile lets an order be decided and leave the journal just between the two looks.
func TestFateOfOrderThatIsDecidedMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := ordertest.NewWorld(map[string]int64{"A": 1})
		placing := startReplica(t, world, nil)
		looks := 0
		looking := startReplica(t, world, func(call string, effect func() error) error {
			if call == "journal.Find" {
				looks++
				placing.place(ordertest.Buy("N", "user", ordertest.Units("A", 1)))
				<-time.After(time.Second) // its event is out and its entry gone
			}
			return effect()
		})
		got, err := looking.service.Fate(t.Context(), "user", "N")
		if err != nil || got.Status != order.Placed || looks != 1 {
			t.Errorf("Fate = %q, %v after %d looks into the journal; want it placed", got.Status, err, looks)
		}
		placing.stop()
		looking.stop()
	})
}

func TestPlacedPages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := ordertest.NewWorld(map[string]int64{"A": 3})
		r := startReplica(t, world, nil)
		for _, number := range []string{"1", "2", "3", "4 is one too many"} {
			r.place(ordertest.Buy(number, "user", ordertest.Units("A", 1)))
			<-time.After(time.Second)
		}
		for _, c := range []struct {
			user, after string
			limit       int
			want        string
			more        bool
			fails       bool
		}{
			{"user", "", 1000, "123", false, false},
			{"user", "", 2, "12", true, false},
			{"user", "2", 2, "3", false, false},
			{"user", "3", 2, "", false, false},
			{"user", "", 3, "123", false, false},
			{"user", "unknown", 2, "", false, true},
			{"user", "4 is one too many", 2, "", false, true},
			{"stranger", "2", 2, "", false, true},
			{"stranger", "", 2, "", false, false},
		} {
			got, more, err := r.service.Placed(t.Context(), c.user, c.after, c.limit)
			numbers := ""
			for _, d := range got {
				numbers += d.Number
			}
			if numbers != c.want || more != c.more || c.fails != errors.Is(err, order.ErrNotFound) {
				t.Errorf("Placed(%s, after %q, %d) = %q, more %v, %v; want %+v", c.user, c.after, c.limit, numbers, more, err, c)
			}
		}
		r.stop()
	})
}
