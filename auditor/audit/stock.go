package audit

import (
	"fmt"
	"maps"
	"slices"
)

// account is what is known about one SKU, all of it from one snapshot of the inventory but surplus.
type account struct {
	known    bool // it has a row of stock
	initial  int64
	quantity int64
	adjusted int64
	held     int64 // by all reservations that hold
	// surplus is by how much the placed orders have more than the reservations hold, as far as that is a finding.
	surplus int64
}

// accounts is the stock's book: one account for each SKU. The snapshot makes it exact on a live system: quantity = initial + adjusted - held holds in every one. What holds
// stock and is no placed order, or the reverse, is compared order by order, and comes in as surplus once it is certain.
type accounts map[string]*account

func (a accounts) of(sku string) *account {
	found := a[sku]
	if found == nil {
		found = &account{}
		a[sku] = found
	}
	return found
}

func (a accounts) item(item Item) {
	of := a.of(item.SKU)
	of.known, of.initial, of.quantity = true, item.Initial, item.Quantity
}

func (a accounts) adjustment(adjustment Adjustment) {
	a.of(adjustment.SKU).adjusted += adjustment.Delta
}

func (a accounts) reservation(reservation Reservation) {
	if reservation.State != Reserved {
		return
	}
	for _, line := range reservation.Lines {
		a.of(line.SKU).held += line.Quantity
	}
}

func (a accounts) surplus(lines []Line) {
	for _, line := range lines {
		a.of(line.SKU).surplus += line.Quantity
	}
}

// judge reports each SKU whose quantity is not what the placed orders leave of it.
func (a accounts) judge(report func(Kind, Case)) {
	for _, sku := range slices.Sorted(maps.Keys(a)) {
		of := a[sku]
		placed := of.held + of.surplus // less what is in flight, for which stock is rightly held
		want := of.initial + of.adjusted - placed
		switch {
		case !of.known && placed != 0:
			report(StockDiffers, Case{sku, fmt.Sprintf("it has no row of stock, but %d placed units", placed)})
		case of.quantity != want:
			report(StockDiffers, Case{sku, fmt.Sprintf("%d on stock; want %d = %d initial %+d adjusted - %d placed or in flight", of.quantity, want, of.initial, of.adjusted, placed)})
		}
		if of.quantity < 0 {
			report(StockNegative, Case{sku, fmt.Sprintf("%d on stock", of.quantity)})
		}
	}
}
