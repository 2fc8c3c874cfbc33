package histories

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/steadfast-shop/steadfast/order-service/internal/order"
)

// abandonAfter is ORDER_ABANDON_AFTER's default; time in a history is fake.
const abandonAfter = 30 * time.Second

// process is one order service: the real service, relay and sweeper, on ports whose every call is a message.
type process struct {
	history *history
	id      string
	skew    time.Duration // how far its clock is ahead
	ports   ports
	service *order.Service
	stop    context.CancelFunc
	dead    bool // it has crashed; guarded by the history's lock
}

// String names the process: its place, and which one it is there.
func (p *process) String() string { return p.id }

func (p *process) now() time.Time { return time.Now().Add(p.skew) }

// start runs a process in one of the places.
func (h *history) start(place int, skew time.Duration) {
	h.started[place]++
	p := &process{history: h, id: fmt.Sprintf("%d%c", place+1, 'a'+h.started[place]-1), skew: skew}
	p.ports = newPorts(p)
	if h.fault.ports != nil {
		p.ports = h.fault.ports(p, p.ports)
	}
	log := slog.New(slog.DiscardHandler)
	relay := order.NewRelay(p.ports.Journal, p.ports.Publisher, log)
	p.service = order.NewService(p.ports.Journal, p.ports.Decisions, p.ports.Inventory, relay, p.now)
	sweeper := order.NewSweeper(p.service, abandonAfter, log)
	ctx, stop := context.WithCancel(context.Background())
	p.stop = stop
	h.places[place] = p
	h.processes = append(h.processes, p)
	for _, run := range []func(context.Context) error{relay.Run, sweeper.Run} {
		h.running.Go(func() { _ = run(ctx) }) // neither fails
	}
	h.note("%s starts, its clock %s ahead", p, skew)
}

// crash ends a process at once. What it has sent is lost, or still arrives.
func (h *history) crash(place int, stillArrives func(n int) bool) {
	p := h.places[place]
	h.note("%s crashes", p)
	h.places[place] = nil
	h.kill(p)
	for i, m := range h.network.UnderWay() {
		if m.From == p.id && !m.IsGone() {
			if stillArrives(i) && !m.HasArrived() {
				h.note("%s is still under way", m)
				h.network.Hold(m)
			} else {
				h.network.Lose(m)
			}
		}
	}
}

func (h *history) kill(p *process) {
	h.mu.Lock()
	p.dead = true
	h.mu.Unlock()
	h.network.Kill(p.id)
	p.stop()
}

// client is one request and the answer to it.
type client struct {
	number int // from 1
	from   *process
	order  order.Order
	print  string // the order's fingerprint
	hangUp context.CancelFunc
	asks   bool // how its order stands
	told   bool // it knew of a 201 before it asked

	// Guarded by the history's lock.
	gone     bool // it waits no more
	answered bool
	fate     *order.Decision // what the status route said
	status   order.Status
	err      error
}

// clientKey finds the client in its request's context.
type clientKey struct{}

// newClient gives a request its time.
func (h *history) newClient(p *process, o order.Order, patience time.Duration) (context.Context, *client) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	c := &client{number: len(h.clients) + 1, from: p, order: o, print: o.Fingerprint(), hangUp: cancel, told: h.toldPlaced[o.Number+o.Fingerprint()]}
	h.clients = append(h.clients, c)
	return context.WithValue(ctx, clientKey{}, c), c
}

// place lets a client ask the process for an order.
func (h *history) place(p *process, o order.Order, patience time.Duration) {
	ctx, c := h.newClient(p, o, patience)
	h.note("client %d asks %s for %s, and waits %s", c.number, p, describe(o), patience)
	h.running.Go(func() {
		defer c.hangUp()
		status, err := p.service.Place(ctx, o, "")
		h.hear(c, status, err, nil)
	})
}

// ask lets a client ask for the fate of its order.
func (h *history) ask(p *process, o order.Order) {
	ctx, c := h.newClient(p, o, 5*time.Second)
	c.asks = true
	h.note("client %d asks %s how %s of %s stands", c.number, p, o.Number, o.Customer.UserID)
	h.running.Go(func() {
		defer c.hangUp()
		fate, err := p.service.Fate(ctx, o.Customer.UserID, o.Number)
		h.hear(c, fate.Status, err, &fate)
	})
}

// hear brings an answer to its client, unless the process has crashed or the client has gone.
func (h *history) hear(c *client, status order.Status, err error, fate *order.Decision) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if c.from.dead || c.gone || c.answered {
		return
	}
	c.answered, c.status, c.err, c.fate = true, status, err, fate
	h.unjudged = append(h.unjudged, c)
}

// isOpen tells whether the answer leaves the order's fate open.
func (c *client) isOpen() bool { return errors.Is(c.err, order.ErrUnavailable) }

func describe(o order.Order) string {
	text := o.Number + " of " + o.Customer.UserID
	for _, line := range o.Lines {
		text += fmt.Sprintf(", %d x %s at %s", line.Quantity, line.SKU, line.Price)
	}
	return text
}
