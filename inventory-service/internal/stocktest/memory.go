// Package stocktest has a stock repository in memory and the contract that every stock repository must keep.
package stocktest

import (
	"context"
	"sync"

	"github.com/steadfast-shop/steadfast/inventory-service/internal/stock"
)

// Memory is a stock.Repository for tests of what stands above it.
type Memory struct {
	mu           sync.Mutex
	quantities   map[string]int64
	reservations map[string]stock.Reservation
	adjustments  map[string]stock.RecordedAdjustment
}

// NewMemory returns a Memory with the given items.
func NewMemory(items ...stock.Item) *Memory {
	m := &Memory{
		quantities:   make(map[string]int64),
		reservations: make(map[string]stock.Reservation),
		adjustments:  make(map[string]stock.RecordedAdjustment),
	}
	for _, item := range items {
		m.quantities[item.SKUCode] = item.Quantity
	}
	return m
}

// CreateItem implements stock.Items.
func (m *Memory) CreateItem(_ context.Context, item stock.Item) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, known := m.quantities[item.SKUCode]; known {
		return stock.ErrItemExists
	}
	m.quantities[item.SKUCode] = item.Quantity
	return nil
}

// Quantities implements stock.Items.
func (m *Memory) Quantities(_ context.Context, skuCodes []string) (map[string]int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	quantities := make(map[string]int64)
	for _, skuCode := range skuCodes {
		if quantity, known := m.quantities[skuCode]; known {
			quantities[skuCode] = quantity
		}
	}
	return quantities, nil
}

// Adjust implements stock.Items.
func (m *Memory) Adjust(_ context.Context, adjustment stock.Adjustment) (stock.RecordedAdjustment, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if recorded, known := m.adjustments[adjustment.ID]; known {
		return recorded, nil
	}
	before, known := m.quantities[adjustment.SKUCode]
	if !known {
		return stock.RecordedAdjustment{}, stock.ErrUnknownSKU
	}
	after, err := adjustment.Apply(before)
	if err != nil {
		return stock.RecordedAdjustment{}, err
	}
	recorded := stock.RecordedAdjustment{Adjustment: adjustment, Quantity: after}
	m.quantities[adjustment.SKUCode], m.adjustments[adjustment.ID] = after, recorded
	return recorded, nil
}

// Reserve implements stock.Reservations.
func (m *Memory) Reserve(_ context.Context, id string, lines stock.Lines) (stock.Reservation, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if recorded, known := m.reservations[id]; known {
		return recorded, nil
	}
	reservation := stock.Reserve(id, lines, func(skuCode string) int64 { return m.quantities[skuCode] })
	if reservation.State == stock.Reserved {
		m.move(lines, -1)
	}
	m.reservations[id] = reservation
	return reservation, nil
}

// Release implements stock.Reservations.
func (m *Memory) Release(_ context.Context, id string) (stock.Reservation, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	reservation, known := m.reservations[id]
	switch {
	case !known:
		reservation = stock.Reservation{ID: id, State: stock.Released}
	case reservation.State == stock.Reserved:
		m.move(reservation.Lines, +1)
		reservation.State = stock.Released
	}
	m.reservations[id] = reservation
	return reservation, nil
}

// move adds the lines to the stock as often as times says.
func (m *Memory) move(lines stock.Lines, times int64) {
	for line := range lines.All() {
		m.quantities[line.SKUCode] += times * line.Quantity
	}
}
