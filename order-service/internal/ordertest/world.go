// Package ordertest holds the stores of an order service in memory, with places to fail at, and the contract suite that every store must pass.
package ordertest

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/steadfast-shop/steadfast/order-service/internal/order"
	inventoryv1 "github.com/steadfast-shop/steadfast/shared-proto/inventory/v1"
	"github.com/steadfast-shop/steadfast/shared-proto/inventorytest"
)

// Reservation is what the world's inventory recorded for a number.
type Reservation struct {
	// State is reserved, refused or released.
	State string
}

// World is everything outside the order service: its database, the inventory and the broker. It is safe for concurrent use.
type World struct {
	mu        sync.Mutex
	inflight  map[string]order.Entry
	decisions map[string]order.Decision
	inventory *inventorytest.Inventory
	events    []order.Event
}

// NewWorld returns a world with the given units of each SKU in stock.
func NewWorld(stock map[string]int64) *World {
	return &World{
		inflight:  make(map[string]order.Entry),
		decisions: make(map[string]order.Decision),
		inventory: inventorytest.New(stock),
	}
}

// Inflight returns how many entries the journal holds.
func (w *World) Inflight() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.inflight)
}

// Stock returns the units left of a SKU.
func (w *World) Stock(sku string) int64 { return w.inventory.Stock()[sku] }

// Decisions returns all decisions by number.
func (w *World) Decisions() map[string]order.Decision {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.decisions)
}

// Reservations returns what inventory recorded, by number.
func (w *World) Reservations() map[string]Reservation {
	names := map[inventoryv1.ReservationState]string{inventorytest.Reserved: "reserved", inventorytest.Refused: "refused", inventorytest.Released: "released"}
	reservations := make(map[string]Reservation)
	for _, id := range w.inventory.IDs() {
		state, _ := w.inventory.State(id)
		reservations[id] = Reservation{State: names[state]}
	}
	return reservations
}

// Events returns what was published, in order.
func (w *World) Events() []order.Event {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.events)
}

// Step stands around each call that a replica makes to the world: it may keep the effect from happening, put it off, or lose its answer.
type Step func(call string, effect func() error) error

// direct is the step of a world without faults.
func direct(_ string, effect func() error) error { return effect() }

// Links are a replica's connections to the world.
type Links struct {
	world *World
	step  Step
}

// Links returns connections whose every call goes through step; nil means that nothing ever fails.
func (w *World) Links(step Step) Links {
	if step == nil {
		step = direct
	}
	return Links{w, step}
}

func (l Links) do(call string, effect func(w *World) error) error {
	return l.step(call, func() error {
		l.world.mu.Lock()
		defer l.world.mu.Unlock()
		return effect(l.world)
	})
}

// Journal is the world's collection inflight.
type Journal struct{ links Links }

// Journal returns the journal as the replica sees it.
func (l Links) Journal() Journal { return Journal{l} }

// Insert implements order.Journal.
func (j Journal) Insert(_ context.Context, entry order.Entry) error {
	return j.links.do("journal.Insert", func(w *World) error {
		return insert(w.inflight, entry.Order.Number, entry)
	})
}

// Find implements order.Journal.
func (j Journal) Find(_ context.Context, number string) (order.Entry, error) {
	var entry order.Entry
	err := j.links.do("journal.Find", func(w *World) (err error) {
		entry, err = find(w.inflight, number)
		return err
	})
	if err != nil {
		return order.Entry{}, err // a late effect may still be writing to entry
	}
	return entry, nil
}

// Abandoned implements order.Journal.
func (j Journal) Abandoned(_ context.Context, before time.Time, visit func(order.Entry) error) error {
	var abandoned []order.Entry
	err := j.links.do("journal.Abandoned", func(w *World) error {
		for _, entry := range w.inflight {
			if entry.ReceivedAt.Before(before) {
				abandoned = append(abandoned, entry)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, entry := range abandoned {
		if err := visit(entry); err != nil {
			return err
		}
	}
	return nil
}

// Delete implements order.Journal.
func (j Journal) Delete(_ context.Context, numbers []string) error {
	return j.links.do("journal.Delete", func(w *World) error {
		for _, number := range numbers {
			delete(w.inflight, number)
		}
		return nil
	})
}

// Decisions is the world's collection orders.
type Decisions struct{ links Links }

// Decisions returns the decisions as the replica sees them.
func (l Links) Decisions() Decisions { return Decisions{l} }

// Insert implements order.Decisions.
func (d Decisions) Insert(_ context.Context, decision order.Decision) error {
	return d.links.do("decisions.Insert "+string(decision.Status), func(w *World) error {
		return insert(w.decisions, decision.Number, decision)
	})
}

// Find implements order.Decisions.
func (d Decisions) Find(_ context.Context, number string) (order.Decision, error) {
	var decision order.Decision
	err := d.links.do("decisions.Find", func(w *World) (err error) {
		decision, err = find(w.decisions, number)
		return err
	})
	if err != nil {
		return order.Decision{}, err
	}
	return decision, nil
}

// Placed implements order.Decisions.
func (d Decisions) Placed(_ context.Context, userID string, after order.Decision, limit int) ([]order.Decision, error) {
	var placed []order.Decision
	older := func(a, b order.Decision) int {
		return cmp.Or(a.DecidedAt.Compare(b.DecidedAt), cmp.Compare(a.Number, b.Number))
	}
	err := d.links.do("decisions.Placed", func(w *World) error {
		for _, decision := range w.decisions {
			follows := after.Number == "" || older(after, decision) < 0
			if decision.UserID == userID && decision.Status == order.Placed && follows {
				placed = append(placed, decision)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(placed, older)
	return placed[:min(limit, len(placed))], nil
}

// Inventory is the world's inventory-service.
type Inventory struct{ links Links }

// Inventory returns the inventory as the replica sees it.
func (l Links) Inventory() Inventory { return Inventory{l} }

// Reserve implements order.Inventory.
func (i Inventory) Reserve(_ context.Context, number string, lines []order.Line) (bool, error) {
	var held bool
	err := i.links.do("inventory.Reserve", func(w *World) error {
		state, err := w.inventory.Reserve(number, Demand(lines)...)
		if errors.Is(err, inventorytest.ErrOtherLines) {
			return order.ErrHeldOtherwise
		}
		held = state == inventorytest.Reserved
		return err
	})
	if err != nil {
		return false, err
	}
	return held, nil
}

// Demand returns what the lines ask of the inventory.
func Demand(lines []order.Line) []inventorytest.Line {
	demand := make([]inventorytest.Line, len(lines))
	for i, line := range lines {
		demand[i] = inventorytest.Line{SKU: line.SKU, Quantity: line.Quantity}
	}
	return demand
}

// Release implements order.Inventory.
func (i Inventory) Release(_ context.Context, number string) error {
	return i.links.do("inventory.Release", func(w *World) error {
		w.inventory.Release(number)
		return nil
	})
}

// Publisher is the world's broker.
type Publisher struct{ links Links }

// Publisher returns the broker as the replica sees it.
func (l Links) Publisher() Publisher { return Publisher{l} }

// Publish implements order.Publisher.
func (p Publisher) Publish(_ context.Context, events []order.Event) []error {
	err := p.links.do("publisher.Publish", func(w *World) error {
		w.events = append(w.events, events...)
		return nil
	})
	results := make([]error, len(events))
	for i := range results {
		results[i] = err
	}
	return results
}

func insert[T any](collection map[string]T, number string, document T) error {
	if _, there := collection[number]; there {
		return order.ErrDuplicate
	}
	collection[number] = document
	return nil
}

func find[T any](collection map[string]T, number string) (T, error) {
	document, there := collection[number]
	if !there {
		return document, order.ErrNotFound
	}
	return document, nil
}
