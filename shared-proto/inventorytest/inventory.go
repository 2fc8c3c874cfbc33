// Package inventorytest keeps the promises of inventory.v1 and of the inventory's adjustments in memory: for tests of clients that need an inventory, and for the inventory's own
// test, which gives the same calls to this one and to the real one and wants the same answers.
package inventorytest

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	inventoryv1 "github.com/steadfast-shop/steadfast/shared-proto/inventory/v1"
)

// States of a reservation; Unspecified is that of an unknown one.
const (
	Unspecified = inventoryv1.ReservationState_RESERVATION_STATE_UNSPECIFIED
	Reserved    = inventoryv1.ReservationState_RESERVATION_STATE_RESERVED
	Refused     = inventoryv1.ReservationState_RESERVATION_STATE_REFUSED
	Released    = inventoryv1.ReservationState_RESERVATION_STATE_RELEASED
)

// What the inventory refuses.
var (
	// ErrOtherLines means that the reservation's id is known with other lines.
	ErrOtherLines = errors.New("the reservation id is known with other lines")
	// ErrUnknownSKU means that an adjustment names a SKU that is not on stock.
	ErrUnknownSKU = errors.New("unknown SKU")
	// ErrInsufficientStock means that an adjustment would take more than there is.
	ErrInsufficientStock = errors.New("not enough stock")
	// ErrOtherAdjustment means that the adjustment's id is known with another SKU or delta.
	ErrOtherAdjustment = errors.New("the adjustment id is known with another adjustment")
)

// Line is a quantity of one SKU.
type Line struct {
	SKU      string
	Quantity int64
}

// Inventory is an inventory in memory. It is safe for concurrent use.
type Inventory struct {
	mu           sync.Mutex
	stock        map[string]int64
	reservations map[string]reservation // whose lines are never written to
	adjustments  map[string]adjustment
}

type reservation struct {
	state inventoryv1.ReservationState
	lines map[string]int64 // units by SKU
}

type adjustment struct {
	change Line
	after  int64
}

// New returns an inventory with the given units of each SKU on stock.
func New(stock map[string]int64) *Inventory {
	i := &Inventory{stock: make(map[string]int64), reservations: make(map[string]reservation), adjustments: make(map[string]adjustment)}
	maps.Copy(i.stock, stock)
	return i
}

// Reserve takes all lines or none and returns the reservation's state. A known id is answered with what is recorded, or ErrOtherLines, and changes nothing.
func (i *Inventory) Reserve(id string, lines ...Line) (inventoryv1.ReservationState, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	wanted := make(map[string]int64)
	for _, line := range lines {
		wanted[line.SKU] += line.Quantity
	}
	if known, ok := i.reservations[id]; ok {
		if known.state != Released && !maps.Equal(known.lines, wanted) {
			return Unspecified, ErrOtherLines
		}
		return known.state, nil
	}
	state := Reserved
	for sku, quantity := range wanted {
		if i.stock[sku] < quantity {
			state = Refused
		}
	}
	if state == Reserved {
		i.move(wanted, -1)
	}
	i.reservations[id] = reservation{state, wanted}
	return state, nil
}

// Release gives back what the id holds, sees to it that it never will hold anything, and returns the state.
func (i *Inventory) Release(id string) inventoryv1.ReservationState {
	i.mu.Lock()
	defer i.mu.Unlock()
	known := i.reservations[id]
	if known.state == Refused {
		return Refused
	}
	if known.state == Reserved {
		i.move(known.lines, +1)
	}
	i.reservations[id] = reservation{Released, known.lines}
	return Released
}

// move adds the units to the stock as often as times says.
func (i *Inventory) move(units map[string]int64, times int64) {
	for sku, quantity := range units {
		i.stock[sku] += times * quantity
	}
}

// Adjust changes the stock of one SKU, once for each id, and returns the units right after that once.
func (i *Inventory) Adjust(id, sku string, delta int64) (int64, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	change := Line{sku, delta}
	if known, ok := i.adjustments[id]; ok {
		if known.change != change {
			return 0, ErrOtherAdjustment
		}
		return known.after, nil
	}
	before, ok := i.stock[sku]
	if !ok {
		return 0, ErrUnknownSKU
	}
	if before+delta < 0 {
		return 0, ErrInsufficientStock
	}
	i.stock[sku] = before + delta
	i.adjustments[id] = adjustment{change, before + delta}
	return before + delta, nil
}

// Stock returns the units of each SKU that nobody holds.
func (i *Inventory) Stock() map[string]int64 {
	i.mu.Lock()
	defer i.mu.Unlock()
	return maps.Clone(i.stock)
}

// Adjusted returns the sum of all adjustments of each SKU.
func (i *Inventory) Adjusted() map[string]int64 {
	i.mu.Lock()
	defer i.mu.Unlock()
	sums := make(map[string]int64)
	for _, a := range i.adjustments {
		sums[a.change.SKU] += a.change.Quantity
	}
	return sums
}

// State returns the state of a reservation, and its lines by SKU.
func (i *Inventory) State(id string) (inventoryv1.ReservationState, []Line) {
	i.mu.Lock()
	defer i.mu.Unlock()
	known := i.reservations[id]
	var lines []Line
	for sku, quantity := range known.lines {
		lines = append(lines, Line{sku, quantity})
	}
	slices.SortFunc(lines, func(a, b Line) int { return cmp.Compare(a.SKU, b.SKU) })
	return known.state, lines
}

// IDs returns the ids of all reservations, in order.
func (i *Inventory) IDs() []string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Sorted(maps.Keys(i.reservations))
}

// Clone returns another inventory in the same state.
func (i *Inventory) Clone() *Inventory {
	i.mu.Lock()
	defer i.mu.Unlock()
	return &Inventory{stock: maps.Clone(i.stock), reservations: maps.Clone(i.reservations), adjustments: maps.Clone(i.adjustments)}
}

// String shows the state.
func (i *Inventory) String() string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return fmt.Sprintf("stock %v, reservations %v, adjustments %v", i.stock, i.reservations, i.adjustments)
}

// Forget drops the record of a reservation and leaves the stock as it is: for tests of those who must notice what a forgetful inventory does.
func (i *Inventory) Forget(id string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.reservations, id)
}

// Force reserves the lines whatever is on stock: for tests of those who must notice that.
func (i *Inventory) Force(id string, lines ...Line) {
	i.mu.Lock()
	defer i.mu.Unlock()
	wanted := make(map[string]int64)
	for _, line := range lines {
		wanted[line.SKU] += line.Quantity
	}
	i.move(wanted, -1)
	i.reservations[id] = reservation{Reserved, wanted}
}
