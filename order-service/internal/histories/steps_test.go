package histories

import (
	"fmt"
	"strings"
	"time"

	"pgregory.net/rapid"

	"github.com/steadfast-shop/steadfast/order-service/internal/order"
	"github.com/steadfast-shop/steadfast/order-service/internal/ordertest"
	"github.com/steadfast-shop/steadfast/shared-kit/property"
)

const (
	// longest is the most steps of a history before it settles.
	longest = 160
	// patience of the clients that wait as long as they must.
	patient = time.Hour
)

// kind is what a step does.
type kind string

// The kinds of steps.
const (
	deliver kind = "deliver" // a message arrives, and its answer
	arrive  kind = "arrive"  // a message arrives; its answer is under way
	pass    kind = "pass"    // time passes
	place   kind = "place"   // a client asks for an order
	ask     kind = "ask"     // a client asks how its order stands
	lose    kind = "lose"    // a message is lost, or its answer
	hold    kind = "hold"    // a message comes late, when its sender has given up
	repeat  kind = "repeat"  // a message arrives twice, and the second answer comes back
	again   kind = "again"   // a message arrives, and its copy later
	half    kind = "half"    // a message's effect is done in part
	stale   kind = "stale"   // a read shows what was before the last write
	hangUp  kind = "hangUp"  // a client goes
	crash   kind = "crash"   // a process dies
	stop    kind = "stop"    // a process is told to stop, and ends what it has
	start   kind = "start"   // a process comes where none runs
	adjust  kind = "adjust"  // somebody adjusts the stock
	finish  kind = "finish"  // the history settles
)

// dice are the kinds as often as they come, out of 128.
func dice() (kinds []kind) {
	for _, of := range []struct {
		kind  kind
		times int
	}{
		{finish, 2}, {deliver, 54}, {place, 16}, {pass, 12}, {arrive, 6}, {start, 8}, {hold, 5}, {lose, 5}, {crash, 5}, {again, 2}, {repeat, 2},
		{stale, 3}, {half, 1}, {adjust, 2}, {ask, 2}, {hangUp, 2}, {stop, 1},
	} {
		for range of.times {
			kinds = append(kinds, of.kind)
		}
	}
	return kinds
}

// step is one move, as it was drawn.
type step struct {
	kind       kind
	which, how int
}

// steps draws moves. A step is drawn whole, so that a failing history can be shrunk by leaving steps out.
func steps() *rapid.Generator[step] {
	kinds := dice()
	bit, which, how := rapid.Bool(), rapid.IntRange(0, 11), rapid.IntRange(0, 15)
	return rapid.Custom(func(t *rapid.T) step {
		n := 0
		for b := 1; b < len(kinds); b *= 2 {
			if bit.Draw(t, "bit") { // numbers drawn by range would favour the small ones
				n += b
			}
		}
		return step{kinds[n], which.Draw(t, "which"), how.Draw(t, "how")}
	})
}

// run draws a history and lives it through; it returns the invariant that did not hold.
func (h *history) run(t *rapid.T, moves *rapid.Generator[step]) *broken {
	for h.steps < longest {
		s := moves.Draw(t, "step")
		if s.kind == finish {
			break
		}
		h.steps++
		h.move(s)
		if b := h.judge(); b != nil {
			return b
		}
	}
	h.note("from here on nothing fails")
	return h.settle()
}

// move does one step, or delivers a message where the step has nothing to work on.
func (h *history) move(s step) {
	switch s.kind {
	case place, ask:
		h.moveClient(s)
	case pass:
		h.pass([]time.Duration{30 * time.Millisecond, 600 * time.Millisecond, 6 * time.Second, 36 * time.Second, 2 * time.Second, 70 * time.Second}[s.which%6])
	case hangUp:
		h.hangUp(s.which)
	case crash, stop, start:
		h.moveProcess(s)
	case adjust:
		id, sku, delta := fmt.Sprint("adjustment ", s.which%4), []string{"A", "B"}[s.how%2], int64(s.which%4-1)
		_, err := h.reserved.Adjust(id, sku, delta)
		h.note("%s of %s by %d: %v", id, sku, delta, err)
	default:
		h.moveMessage(s)
	}
}

func (h *history) moveClient(s step) {
	p := h.places[s.how%2]
	if p == nil {
		return
	}
	o := orderOf(s.which%3, s.how/2%4)
	if s.kind == ask {
		h.ask(p, o)
		return
	}
	h.place(p, o, []time.Duration{patient, 3 * time.Second}[s.how/8])
}

// orderOf returns a body for an order number. Bodies 0, 1 and 3 are the same to the inventory.
func orderOf(number, body int) order.Order {
	name := fmt.Sprint("N", number)
	switch body {
	case 1:
		return ordertest.Buy(name, "stranger", ordertest.Units("A", 1))
	case 2:
		return ordertest.Buy(name, "user", ordertest.Units("B", 1), ordertest.Units("A", 2))
	case 3:
		return ordertest.Buy(name, "user", order.Line{SKU: "A", Quantity: 1, Price: ordertest.Price("1")})
	}
	return ordertest.Buy(name, "user", ordertest.Units("A", 1))
}

func (h *history) moveProcess(s step) {
	place := s.which % 2
	switch p := h.places[place]; {
	case s.kind == start && p == nil:
		h.start(place, []time.Duration{0, 0, abandonAfter + time.Second, -abandonAfter - time.Second}[s.how%4])
	case p == nil || s.kind == start:
	case s.kind == crash:
		h.crash(place, func(n int) bool { return s.how>>(n%4)&1 == 1 })
	default:
		h.note("%s stops", p)
		h.places[place] = nil
		p.stop()
	}
}

func (h *history) moveMessage(s step) {
	var fit []*property.Message
	for _, m := range h.network.UnderWay() {
		fits := map[kind]bool{
			deliver: true, lose: true,
			arrive: !m.HasArrived(), again: !m.HasArrived(), repeat: !m.HasArrived() && !m.IsGone(), hold: !m.HasArrived() && !m.IsGone(),
			half:  m.HasHalf() && !m.HasArrived(),
			stale: strings.HasSuffix(m.Call, ".Find") && !m.HasArrived() && !m.IsGone() && h.unseen[m.Place] != nil,
		}[s.kind]
		if fits {
			fit = append(fit, m)
		}
	}
	if len(fit) == 0 {
		if s.kind == deliver {
			h.pass(30 * time.Millisecond)
		}
		return
	}
	m := fit[s.which%len(fit)]
	switch s.kind {
	case arrive:
		h.arrive(m)
	case lose:
		h.note("%s is lost", m)
		h.network.Lose(m)
	case hold:
		h.note("%s is late", m)
		h.network.Hold(m)
	case repeat:
		h.note("%s arrives twice, and the second answer comes back", m)
		h.network.ArriveTwice(m)
		h.network.Answer(m)
	case again:
		h.network.Copy(m)
		h.deliver(m)
	case half:
		h.note("%s is done in part", m)
		h.network.ArriveInPart(m)
		h.network.Answer(m)
	case stale:
		h.note("%s does not see the last write", m)
		h.network.ArriveStale(m)
		h.network.Answer(m)
	default:
		h.deliver(m)
	}
}
