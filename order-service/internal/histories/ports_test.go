package histories

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/steadfast-shop/steadfast/order-service/internal/order"
	"github.com/steadfast-shop/steadfast/order-service/internal/ordertest"
	"github.com/steadfast-shop/steadfast/shared-kit/property"
	"github.com/steadfast-shop/steadfast/shared-proto/inventorytest"
)

// errCut is what a process hears of a call whose answer does not come.
var errCut = fmt.Errorf("%w: cut by the history", order.ErrUnavailable)

// ports are all that a process sees of the world.
type ports struct {
	Journal   order.Journal
	Decisions order.Decisions
	Inventory order.Inventory
	Publisher order.Publisher
}

// newPorts returns the ports of a process as they should be.
func newPorts(p *process) ports {
	return ports{journal{p}, decisions{p}, inventory{p}, broker{p}}
}

type journal struct{ p *process }

// Insert implements order.Journal.
func (j journal) Insert(ctx context.Context, entry order.Entry) error {
	h, m := j.p.history, j.p.message("journal.Insert", entry.Order.Number)
	m.Place = "journal " + entry.Order.Number
	return do(ctx, j.p, m, func() error { return h.written(m, h.stores.Journal().Insert(ctx, entry)) })
}

// Find implements order.Journal.
func (j journal) Find(ctx context.Context, number string) (order.Entry, error) {
	m := j.p.message("journal.Find", number)
	m.Place = "journal " + number
	return read(ctx, j.p, m, func() (order.Entry, error) { return j.p.history.stores.Journal().Find(ctx, number) })
}

// Abandoned implements order.Journal. It shows what was there when the call arrived.
func (j journal) Abandoned(ctx context.Context, before time.Time, visit func(order.Entry) error) error {
	entries, err := send(ctx, j.p, j.p.message("journal.Abandoned"), func() (entries []order.Entry, err error) {
		err = j.p.history.stores.Journal().Abandoned(ctx, before, func(entry order.Entry) error {
			entries = append(entries, entry)
			return nil
		})
		slices.SortFunc(entries, func(a, b order.Entry) int { return strings.Compare(a.Order.Number, b.Order.Number) })
		return entries, err
	})
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if err := visit(entry); err != nil {
			return err
		}
	}
	return nil
}

// Delete implements order.Journal.
func (j journal) Delete(ctx context.Context, numbers []string) error {
	return do(ctx, j.p, j.p.message("journal.Delete", numbers...), func() error { return j.p.history.stores.Journal().Delete(ctx, numbers) })
}

type decisions struct{ p *process }

// Insert implements order.Decisions.
func (d decisions) Insert(ctx context.Context, decision order.Decision) error {
	h, m := d.p.history, d.p.message("decisions.Insert "+string(decision.Status), decision.Number)
	m.Place = "decision " + decision.Number
	return do(ctx, d.p, m, func() error { return h.written(m, h.stores.Decisions().Insert(ctx, decision)) })
}

// Find implements order.Decisions.
func (d decisions) Find(ctx context.Context, number string) (order.Decision, error) {
	m := d.p.message("decisions.Find", number)
	m.Place = "decision " + number
	return read(ctx, d.p, m, func() (order.Decision, error) { return d.p.history.stores.Decisions().Find(ctx, number) })
}

// Placed implements order.Decisions; no history lists orders.
func (decisions) Placed(context.Context, string, order.Decision, int) ([]order.Decision, error) {
	return nil, errCut
}

type inventory struct{ p *process }

// Reserve implements order.Inventory.
func (i inventory) Reserve(ctx context.Context, number string, lines []order.Line) (bool, error) {
	return send(ctx, i.p, i.p.message("inventory.Reserve", number), func() (bool, error) {
		state, err := i.p.history.inventory.Reserve(number, ordertest.Demand(lines)...)
		if errors.Is(err, inventorytest.ErrOtherLines) {
			return false, order.ErrHeldOtherwise
		}
		return state == inventorytest.Reserved, err
	})
}

// Release implements order.Inventory.
func (i inventory) Release(ctx context.Context, number string) error {
	return do(ctx, i.p, i.p.message("inventory.Release", number), func() error {
		i.p.history.inventory.Release(number)
		return nil
	})
}

type broker struct{ p *process }

// Publish implements order.Publisher.
func (b broker) Publish(ctx context.Context, events []order.Event) []error {
	numbers := make([]string, len(events))
	for i, event := range events {
		numbers[i] = event.Order.Number
	}
	first := func(n int) func() ([]error, error) {
		return func() ([]error, error) {
			results := b.p.history.stores.Publisher().Publish(ctx, events[:n])
			return append(results, slices.Repeat([]error{errCut}, len(events)-n)...), nil
		}
	}
	effects := property.Effects[[]error]{Whole: first(len(events))}
	if len(events) > 1 {
		effects.Half = first(len(events) / 2)
	}
	results, err := property.Send(ctx, b.p.history.network, b.p.message("broker.Publish", numbers...), effects)
	if err != nil {
		return slices.Repeat([]error{err}, len(events))
	}
	return results
}

// message returns one of the process about the numbers.
func (p *process) message(call string, numbers ...string) *property.Message {
	return &property.Message{From: p.id, Call: call, About: strings.Join(slices.Sorted(slices.Values(numbers)), " ")}
}

// send makes a call.
func send[T any](ctx context.Context, p *process, m *property.Message, effect func() (T, error)) (T, error) {
	if c, ok := ctx.Value(clientKey{}).(*client); ok {
		m.Whose = c.number
	}
	return property.Send(ctx, p.history.network, m, property.Effects[T]{Whole: effect})
}

// read makes a call that may not see the last write.
func read[T any](ctx context.Context, p *process, m *property.Message, effect func() (T, error)) (T, error) {
	if c, ok := ctx.Value(clientKey{}).(*client); ok {
		m.Whose = c.number
	}
	return property.Send(ctx, p.history.network, m, property.Effects[T]{Whole: effect, Stale: func() (none T, err error) { return none, order.ErrNotFound }})
}

// do makes a call that returns nothing but an error.
func do(ctx context.Context, p *process, m *property.Message, effect func() error) error {
	_, err := send(ctx, p, m, func() (struct{}, error) { return struct{}{}, effect() })
	return err
}
