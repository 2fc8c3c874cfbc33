package stock

// Adjustment changes the stock of one SKU by hand: goods received, broken or counted anew.
type Adjustment struct {
	// ID is chosen by the client; the same id is applied once.
	ID      string
	SKUCode string
	// Delta is added to the stock; negative takes away, zero is not allowed.
	Delta int64
}

// Apply returns the quantity after the adjustment, or ErrInsufficientStock or ErrTooMuchStock.
func (a Adjustment) Apply(quantity int64) (int64, error) {
	switch after := quantity + a.Delta; {
	case after < 0:
		return 0, ErrInsufficientStock
	case after > MaxQuantity:
		return 0, ErrTooMuchStock
	default:
		return after, nil
	}
}

// RecordedAdjustment is what is recorded for an adjustment id.
type RecordedAdjustment struct {
	Adjustment
	// Quantity was on stock right after it.
	Quantity int64
}

// Answer is what an adjustment with the recorded id hears: the quantity of the first time, or ErrOtherAdjustment.
func (r RecordedAdjustment) Answer(asked Adjustment) (quantity int64, err error) {
	if r.Adjustment != asked {
		return 0, ErrOtherAdjustment
	}
	return r.Quantity, nil
}
