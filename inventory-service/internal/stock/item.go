// Package stock holds the rules of the inventory: what may be taken, given back and adjusted, and that every id has one fate.
package stock

import "errors"

// Limits of what clients may ask for. Adapters refuse what is beyond them before the rules see it.
const (
	// MaxUnits is the most units that one request may name for one SKU.
	MaxUnits = 1_000_000_000
	// MaxLines is the most lines of one reservation, and the most SKUs of one query.
	MaxLines = 1_000
	// MaxQuantity is the most units of one SKU that are ever on stock; JSON numbers are exact up to about nine times as much.
	MaxQuantity = 1_000_000_000_000_000
)

// Errors that callers branch on.
var (
	// ErrItemExists means that the SKU is on stock already.
	ErrItemExists = errors.New("the SKU exists already")
	// ErrUnknownSKU means that no such SKU is on stock.
	ErrUnknownSKU = errors.New("unknown SKU")
	// ErrInsufficientStock means that an adjustment would take more than there is.
	ErrInsufficientStock = errors.New("not enough stock")
	// ErrTooMuchStock means that an adjustment would lead beyond MaxQuantity.
	ErrTooMuchStock = errors.New("too much stock")
	// ErrOtherAdjustment means that the adjustment's id is taken by a different adjustment.
	ErrOtherAdjustment = errors.New("the adjustment id is taken by a different adjustment")
	// ErrOtherLines means that the reservation's id is taken with different lines.
	ErrOtherLines = errors.New("the reservation id is taken with different lines")
	// ErrUnavailable means that the repository is away. What was asked may still have been done; asking again is safe.
	ErrUnavailable = errors.New("the stock database is away")
)

// Item is a SKU and how many units of it are on stock.
type Item struct {
	// SKUCode names the stock keeping unit.
	SKUCode string
	// Quantity counts units that nobody holds.
	Quantity int64
}
