package order

import "errors"

var (
	// ErrDuplicate is what a store says of a number that it holds already.
	ErrDuplicate = errors.New("the order number is there already")
	// ErrNotFound is what a store says of a number that it does not hold.
	ErrNotFound = errors.New("no such order")
	// ErrTaken means that the number belongs to a different order.
	ErrTaken = errors.New("the order number belongs to a different order")
	// ErrHeldOtherwise is what inventory says of a number that it knows with other lines.
	ErrHeldOtherwise = errors.New("the reservation is known with other lines")
	// ErrUnavailable means that a part the order needs did not answer, so that the order's fate is open.
	ErrUnavailable = errors.New("a part that the order needs is away")
)
