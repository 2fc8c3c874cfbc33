package histories

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/steadfast-shop/steadfast/order-service/internal/order"
	"github.com/steadfast-shop/steadfast/order-service/internal/ordertest"
	"github.com/steadfast-shop/steadfast/shared-kit/property"
	inventoryv1 "github.com/steadfast-shop/steadfast/shared-proto/inventory/v1"
	"github.com/steadfast-shop/steadfast/shared-proto/inventorytest"
)

// history is one run of the system. Everything in it moves only when the history says so.
type history struct {
	network   *property.Network
	fault     fault
	world     *ordertest.World
	stores    ordertest.Links
	inventory stock
	reserved  *inventorytest.Inventory // the same, or what a fault leaves of it
	initial   map[string]int64
	unseen    map[string]*property.Message // documents that majority reads may not show yet, and who wrote them
	saved     map[string]order.Decision    // by a fault, over those that stood

	places    [2]*process // nil where none runs
	started   [2]int
	processes []*process
	clients   []*client
	running   sync.WaitGroup

	steps int
	lines []string // what has happened

	mu         sync.Mutex
	unjudged   []*client // answers; guarded by mu
	refused    []*client // that were told that their order is not placed
	toldPlaced map[string]bool
	fates      map[string]order.Decision
	events     int // how many have been judged
}

// stock is the inventory as far as order services use it.
type stock interface {
	Reserve(id string, lines ...inventorytest.Line) (inventoryv1.ReservationState, error)
	Release(id string) inventoryv1.ReservationState
}

func newHistory(f fault, initial map[string]int64) *history {
	h := &history{
		network: property.NewNetwork(errCut), fault: f, world: ordertest.NewWorld(nil), reserved: inventorytest.New(initial), initial: initial,
		unseen: make(map[string]*property.Message), saved: make(map[string]order.Decision), toldPlaced: make(map[string]bool), fates: make(map[string]order.Decision),
	}
	h.stores, h.inventory = h.world.Links(nil), h.reserved
	if f.stock != nil {
		h.inventory = f.stock(h.reserved)
	}
	h.start(0, 0)
	h.start(1, 0)
	return h
}

// note writes down what happens.
func (h *history) note(format string, args ...any) {
	h.lines = append(h.lines, fmt.Sprintf(format, args...))
}

// written notes that a document was inserted: until its writer or a reader has been told, majority reads may not show it.
func (h *history) written(m *property.Message, err error) error {
	if err == nil {
		h.unseen[m.Place] = m
	}
	return err
}

// deliver lets a message do its effect and brings the answer back.
func (h *history) deliver(m *property.Message) {
	if !m.HasArrived() {
		h.arrive(m)
	}
	if !m.IsGone() {
		h.note("%s is answered", m)
		if h.unseen[m.Place] == m {
			delete(h.unseen, m.Place)
		}
		h.network.Answer(m)
	}
}

func (h *history) arrive(m *property.Message) {
	h.note("%s arrives", m)
	if strings.HasSuffix(m.Call, ".Find") {
		delete(h.unseen, m.Place)
	}
	h.network.Arrive(m)
}

// pass lets time go by; whatever waits for it goes on, up to its next message.
func (h *history) pass(d time.Duration) {
	h.note("%s pass", d)
	time.Sleep(d)
	if d > time.Second {
		clear(h.unseen)
	}
}

// hangUp lets the nth waiting client go.
func (h *history) hangUp(nth int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var waiting []*client
	for _, c := range h.clients {
		if !c.answered && !c.gone {
			waiting = append(waiting, c)
		}
	}
	if len(waiting) > 0 {
		c := waiting[nth%len(waiting)]
		h.note("client %d hangs up", c.number)
		c.gone = true
		c.hangUp()
	}
}

// settle lets everything come to its end without further faults: what is late arrives, two processes run, and time passes until they have swept all that was abandoned.
func (h *history) settle() *broken {
	for place, p := range h.places {
		if p == nil {
			h.start(place, 0)
		}
	}
	for round := 0; ; round++ {
		if b := h.drain(); b != nil {
			return b
		}
		if round >= 2 && h.world.Inflight() == 0 {
			break
		}
		if round == 6 {
			return &broken{journalIsEmpty, fmt.Sprintf("%d entries are left", h.world.Inflight())}
		}
		h.pass(2*abandonAfter + 10*time.Second)
	}
	for _, p := range h.places {
		p.stop()
	}
	if b := h.drain(); b != nil {
		return b
	}
	return h.judgeEnd()
}

// drain delivers all that is under way, first come first, and what follows within a second.
func (h *history) drain() *broken {
	for {
		under := h.network.UnderWay()
		if len(under) == 0 {
			h.pass(time.Second)
			if under = h.network.UnderWay(); len(under) == 0 {
				return h.judge()
			}
		}
		h.deliver(under[0])
		if b := h.judge(); b != nil {
			return b
		}
	}
}

// end stops whatever still runs. Nothing that it does counts.
func (h *history) end() {
	for _, p := range h.processes {
		h.kill(p)
	}
	for _, c := range h.clients {
		c.hangUp()
	}
	for _, m := range h.network.UnderWay() {
		h.network.Lose(m)
	}
	h.running.Wait()
}

// broken is an invariant that does not hold.
type broken struct{ invariant, detail string }

// The invariants.
const (
	stockAddsUp     = "stock is what it was, and adjustments, less what is held"
	stockNotBelow0  = "stock is never below zero"
	placedAddsUp    = "stock is what it was, and adjustments, less the lines of placed orders"
	oneFate         = "an order number has one fate"
	createdIsPlaced = "who was told 201 has the order placed"
	conflictIsNot   = "who was told 409 never has the order placed"
	namedAnswers    = "every answer is one of those that are named"
	fateIsTrue      = "the status route tells the fate"
	heldIsPlaced    = "stock is held for placed orders, and no other"
	journalIsEmpty  = "the journal gets empty"
	eventForPlaced  = "every placed order is published"
	eventIsTrue     = "events tell of placed orders, as they were placed"
)

// judge checks what must hold at any time.
func (h *history) judge() *broken {
	h.network.UnderWay()
	decisions := h.world.Decisions()
	maps.Copy(decisions, h.saved)
	for _, number := range slices.Sorted(maps.Keys(h.fates)) {
		was := h.fates[number]
		if is := decisions[number]; is.Status != was.Status || is.Fingerprint != was.Fingerprint || !is.DecidedAt.Equal(was.DecidedAt) {
			return &broken{oneFate, fmt.Sprintf("%s was %s at %s and is %q at %s", number, was.Status, was.DecidedAt, is.Status, is.DecidedAt)}
		}
	}
	h.fates = decisions
	if b := h.judgeStock(); b != nil {
		return b
	}
	for _, event := range h.world.Events()[h.events:] {
		h.events++
		d := decisions[event.Order.Number]
		if d.Status != order.Placed || d.Fingerprint != event.Order.Fingerprint() || !d.DecidedAt.Equal(event.PlacedAt) {
			return &broken{eventIsTrue, fmt.Sprintf("an event says that %s of %s is placed, but it is %q", event.Order.Number, event.Order.Customer.UserID, d.Status)}
		}
	}
	h.mu.Lock()
	answered := h.unjudged
	h.unjudged = nil
	h.mu.Unlock()
	slices.SortFunc(answered, func(a, b *client) int { return cmp.Compare(a.number, b.number) })
	for _, c := range answered {
		if b := h.judgeAnswer(c, decisions); b != nil {
			return b
		}
	}
	for _, c := range h.refused {
		if d := decisions[c.order.Number]; d.Status == order.Placed && d.Fingerprint == c.print {
			return &broken{conflictIsNot, fmt.Sprintf("%s of %s is placed", c.order.Number, c.order.Customer.UserID)}
		}
	}
	return nil
}

func (h *history) judgeStock() *broken {
	want := h.reserved.Adjusted()
	for sku, units := range h.initial {
		want[sku] += units
	}
	for _, id := range h.reserved.IDs() {
		if state, lines := h.reserved.State(id); state == inventorytest.Reserved {
			for _, line := range lines {
				want[line.SKU] -= line.Quantity
			}
		}
	}
	onStock := h.reserved.Stock()
	for _, sku := range slices.Sorted(maps.Keys(onStock)) {
		units := onStock[sku]
		if units < 0 {
			return &broken{stockNotBelow0, fmt.Sprintf("%d units of %s", units, sku)}
		}
		if units != want[sku] {
			return &broken{stockAddsUp, fmt.Sprintf("%d units of %s, and not %d", units, sku, want[sku])}
		}
	}
	return nil
}

func (h *history) judgeAnswer(c *client, decisions map[string]order.Decision) *broken {
	d := decisions[c.order.Number]
	text := fmt.Sprintf("client %d hears of %s: %q, %v; the decision is %q", c.number, c.order.Number, c.status, c.err, d.Status)
	h.lines = append(h.lines, text)
	isMine := d.Status == order.Placed && d.Fingerprint == c.print
	switch {
	case c.isOpen():
	case c.fate != nil:
		missed := errors.Is(c.err, order.ErrNotFound) && c.told
		untrue := c.err == nil && c.status != order.Pending && c.status != d.Status
		if missed || untrue || c.err != nil && !errors.Is(c.err, order.ErrNotFound) || c.told && c.status == order.Pending {
			return &broken{fateIsTrue, text}
		}
	case c.err == nil && c.status == order.Placed:
		if !isMine {
			return &broken{createdIsPlaced, text}
		}
		h.toldPlaced[c.order.Number+c.print] = true
	case c.err == nil && (c.status == order.Rejected || c.status == order.Cancelled), errors.Is(c.err, order.ErrTaken):
		h.refused = append(h.refused, c)
	default:
		return &broken{namedAnswers, text}
	}
	return nil
}

// judgeEnd checks what must hold once nothing is owed any more.
func (h *history) judgeEnd() *broken {
	want := h.reserved.Adjusted()
	for sku, units := range h.initial {
		want[sku] += units
	}
	published := make(map[string]bool)
	for _, event := range h.world.Events() {
		published[event.Order.Number] = true
	}
	for _, number := range slices.Sorted(maps.Keys(h.fates)) {
		d := h.fates[number]
		if d.Status != order.Placed {
			continue
		}
		if !published[number] {
			return &broken{eventForPlaced, number + " was not"}
		}
		for _, line := range d.Lines {
			want[line.SKU] -= line.Quantity
		}
		if state, _ := h.reserved.State(number); state != inventorytest.Reserved {
			return &broken{heldIsPlaced, fmt.Sprintf("%s is placed, and its reservation %s", number, state)}
		}
	}
	for _, id := range h.reserved.IDs() {
		if state, _ := h.reserved.State(id); state == inventorytest.Reserved && h.fates[id].Status != order.Placed {
			return &broken{heldIsPlaced, fmt.Sprintf("%s is %q, and its stock is held", id, h.fates[id].Status)}
		}
	}
	onStock := h.reserved.Stock()
	for _, sku := range slices.Sorted(maps.Keys(onStock)) {
		if units := onStock[sku]; units != want[sku] {
			return &broken{placedAddsUp, fmt.Sprintf("%d units of %s, and not %d", units, sku, want[sku])}
		}
	}
	return nil
}

// String tells the history.
func (h *history) String() string { return strings.Join(h.lines, "\n") }
