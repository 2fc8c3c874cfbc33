package histories

import (
	"context"
	"errors"
	"time"

	"github.com/steadfast-shop/steadfast/order-service/internal/order"
	inventoryv1 "github.com/steadfast-shop/steadfast/shared-proto/inventory/v1"
	"github.com/steadfast-shop/steadfast/shared-proto/inventorytest"
)

// fault is a rule that is broken on purpose: by a port of the real code that does more, less or something else than it was asked for.
type fault struct {
	name   string
	breaks []string // the invariants by which it may be found
	ports  func(p *process, right ports) ports
	stock  func(right *inventorytest.Inventory) stock
}

// faults are the deliberate ones. Each must be found.
func faults() []fault {
	return []fault{
		{
			name:   "reserve is not idempotent",
			breaks: []string{stockAddsUp, placedAddsUp},
			stock:  func(right *inventorytest.Inventory) stock { return forgetful{right} },
		},
		{
			name:   "reserve takes what is not there",
			breaks: []string{stockNotBelow0},
			stock:  func(right *inventorytest.Inventory) stock { return generous{right} },
		},
		{
			name:   "release leaves an unknown reservation unknown",
			breaks: []string{heldIsPlaced, placedAddsUp},
			stock:  func(right *inventorytest.Inventory) stock { return unbarred{right} },
		},
		{
			name:   "published before the decision",
			breaks: []string{eventIsTrue},
			ports: func(p *process, right ports) ports {
				right.Decisions = hasty{right.Decisions, p, right.Publisher}
				return right
			},
		},
		{
			name:   "answered before the decision",
			breaks: []string{createdIsPlaced},
			ports:  func(p *process, right ports) ports { right.Inventory = talkative{right.Inventory, p}; return right },
		},
		{
			name:   "placed without a reservation",
			breaks: []string{heldIsPlaced, conflictIsNot},
			ports:  func(_ *process, right ports) ports { right.Inventory = hopeful{right.Inventory}; return right },
		},
		{
			name:   "released without a decision",
			breaks: []string{heldIsPlaced},
			ports: func(_ *process, right ports) ports {
				right.Journal = releasing{right.Journal, right.Inventory}
				return right
			},
		},
		{
			name:   "sweeper without its fence, the decision CANCELLED",
			breaks: []string{heldIsPlaced, eventForPlaced},
			ports:  func(_ *process, right ports) ports { right.Decisions = fenceless{right.Decisions}; return right },
		},
		{
			name:   "journal entry deleted before its event is out",
			breaks: []string{eventForPlaced},
			ports: func(_ *process, right ports) ports {
				right.Publisher = tidy{right.Publisher, right.Journal}
				return right
			},
		},
		{
			name:   "event lost, and taken for published",
			breaks: []string{eventForPlaced},
			ports:  func(_ *process, right ports) ports { right.Publisher = deaf{right.Publisher}; return right },
		},
		{
			name:   "conflict refused without a look at the decision",
			breaks: []string{conflictIsNot},
			ports:  func(_ *process, right ports) ports { right.Decisions = blind{right.Decisions}; return right },
		},
		{
			name:   "fingerprints not compared",
			breaks: []string{createdIsPlaced, eventIsTrue},
			ports:  func(p *process, right ports) ports { right.Decisions = careless{right.Decisions, p}; return right },
		},
		{
			name:   "decision saved over the one that stands",
			breaks: []string{oneFate},
			ports: func(p *process, right ports) ports {
				right.Decisions = saving{right.Decisions, p.history}
				return right
			},
		},
		{
			name:   "decision that stands not read",
			breaks: []string{createdIsPlaced, conflictIsNot, eventIsTrue, heldIsPlaced},
			ports:  func(_ *process, right ports) ports { right.Decisions = deafToDuplicates{right.Decisions}; return right },
		},
		{
			name:   "status route that does not look at decisions",
			breaks: []string{fateIsTrue},
			ports:  func(_ *process, right ports) ports { right.Decisions = unasked{right.Decisions}; return right },
		},
		{
			name:   "journal entries never deleted",
			breaks: []string{journalIsEmpty},
			ports:  func(_ *process, right ports) ports { right.Journal = keeping{right.Journal}; return right },
		},
		{
			name:   "journal takes a number twice",
			breaks: []string{createdIsPlaced, conflictIsNot, eventForPlaced, eventIsTrue, heldIsPlaced},
			ports:  func(p *process, right ports) ports { right.Journal = overwriting{right.Journal, p}; return right },
		},
	}
}

// forgetful takes the stock again for a reservation that it knows.
type forgetful struct{ *inventorytest.Inventory }

func (i forgetful) Reserve(id string, lines ...inventorytest.Line) (inventoryv1.ReservationState, error) {
	if state, _ := i.State(id); state == inventorytest.Reserved {
		i.Forget(id)
	}
	return i.Inventory.Reserve(id, lines...)
}

// generous does not look at the stock.
type generous struct{ *inventorytest.Inventory }

func (i generous) Reserve(id string, lines ...inventorytest.Line) (inventoryv1.ReservationState, error) {
	state, err := i.Inventory.Reserve(id, lines...)
	if state == inventorytest.Refused {
		i.Force(id, lines...)
		state = inventorytest.Reserved
	}
	return state, err
}

// unbarred forgets a release of what it does not know, so that a late Reserve holds the stock.
type unbarred struct{ *inventorytest.Inventory }

func (i unbarred) Release(id string) inventoryv1.ReservationState {
	if state, _ := i.State(id); state == inventorytest.Unspecified {
		return inventorytest.Released
	}
	return i.Inventory.Release(id)
}

// hasty publishes what is about to be decided.
type hasty struct {
	order.Decisions
	p         *process
	publisher order.Publisher
}

func (d hasty) Insert(ctx context.Context, decision order.Decision) error {
	if c, ok := ctx.Value(clientKey{}).(*client); ok && decision.Status == order.Placed {
		d.publisher.Publish(ctx, []order.Event{{Order: c.order, PlacedAt: decision.DecidedAt}})
	}
	return d.Decisions.Insert(ctx, decision)
}

// talkative tells the client that the order is placed as soon as its stock is held.
type talkative struct {
	order.Inventory
	p *process
}

func (i talkative) Reserve(ctx context.Context, number string, lines []order.Line) (bool, error) {
	held, err := i.Inventory.Reserve(ctx, number, lines)
	if c, ok := ctx.Value(clientKey{}).(*client); ok && held {
		i.p.history.hear(c, order.Placed, nil, nil)
	}
	return held, err
}

// hopeful takes no answer for a yes.
type hopeful struct{ order.Inventory }

func (i hopeful) Reserve(ctx context.Context, number string, lines []order.Line) (bool, error) {
	held, err := i.Inventory.Reserve(ctx, number, lines)
	if errors.Is(err, order.ErrUnavailable) {
		return true, nil
	}
	return held, err
}

// releasing gives the stock of abandoned orders back before anything is decided.
type releasing struct {
	order.Journal
	inventory order.Inventory
}

func (j releasing) Abandoned(ctx context.Context, before time.Time, visit func(order.Entry) error) error {
	return j.Journal.Abandoned(ctx, before, func(entry order.Entry) error {
		if err := j.inventory.Release(ctx, entry.Order.Number); err != nil {
			return nil //nolint:nilerr // it is swept again
		}
		return visit(entry)
	})
}

// fenceless cancels without writing it down.
type fenceless struct{ order.Decisions }

func (d fenceless) Insert(ctx context.Context, decision order.Decision) error {
	if decision.Status == order.Cancelled {
		return nil
	}
	return d.Decisions.Insert(ctx, decision)
}

// tidy deletes entries whose events are about to go out.
type tidy struct {
	order.Publisher
	journal order.Journal
}

func (b tidy) Publish(ctx context.Context, events []order.Event) []error {
	for _, event := range events {
		_ = b.journal.Delete(ctx, []string{event.Order.Number})
	}
	return b.Publisher.Publish(ctx, events)
}

// deaf does not wait for the broker's acknowledgement.
type deaf struct{ order.Publisher }

func (b deaf) Publish(ctx context.Context, events []order.Event) []error {
	b.Publisher.Publish(ctx, events)
	return make([]error, len(events))
}

// blind sees no decision where a number is taken.
type blind struct{ order.Decisions }

func (d blind) Find(ctx context.Context, number string) (order.Decision, error) {
	decision, err := d.Decisions.Find(ctx, number)
	if c, ok := ctx.Value(clientKey{}).(*client); ok && !c.asks && err == nil && decision.Status == order.Placed && decision.Fingerprint == c.print {
		return order.Decision{}, order.ErrNotFound
	}
	return decision, err
}

// careless takes every decision about the number for one about the order.
type careless struct {
	order.Decisions
	p *process
}

func (d careless) Find(ctx context.Context, number string) (order.Decision, error) {
	decision, err := d.Decisions.Find(ctx, number)
	if c, ok := ctx.Value(clientKey{}).(*client); ok {
		decision.Fingerprint = c.print
	} else if entry, err := d.p.history.stores.Journal().Find(ctx, number); err == nil {
		decision.Fingerprint = entry.Fingerprint
	}
	return decision, err
}

// overwriting saves an entry where it should insert one.
type overwriting struct {
	order.Journal
	p *process
}

func (j overwriting) Insert(ctx context.Context, entry order.Entry) error {
	err := j.Journal.Insert(ctx, entry)
	if errors.Is(err, order.ErrDuplicate) {
		stored := j.p.history.stores.Journal()
		return errors.Join(stored.Delete(ctx, []string{entry.Order.Number}), stored.Insert(ctx, entry))
	}
	return err
}

// saving puts a decision in the place of the one that stands.
type saving struct {
	order.Decisions
	h *history
}

func (d saving) Insert(ctx context.Context, decision order.Decision) error {
	err := d.Decisions.Insert(ctx, decision)
	if errors.Is(err, order.ErrDuplicate) {
		d.h.saved[decision.Number] = decision
		return nil
	}
	return err
}

// deafToDuplicates takes a decision that was refused for written.
type deafToDuplicates struct{ order.Decisions }

func (d deafToDuplicates) Insert(ctx context.Context, decision order.Decision) error {
	err := d.Decisions.Insert(ctx, decision)
	if errors.Is(err, order.ErrDuplicate) {
		return nil
	}
	return err
}

// unasked shows no decision to those who ask how their order stands.
type unasked struct{ order.Decisions }

func (d unasked) Find(ctx context.Context, number string) (order.Decision, error) {
	if c, ok := ctx.Value(clientKey{}).(*client); ok && c.asks {
		return order.Decision{}, order.ErrNotFound
	}
	return d.Decisions.Find(ctx, number)
}

// keeping deletes nothing.
type keeping struct{ order.Journal }

func (keeping) Delete(context.Context, []string) error { return nil }
