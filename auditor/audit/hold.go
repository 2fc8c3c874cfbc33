package audit

import (
	"cmp"
	"fmt"
	"slices"
)

// judgeHold compares an order with its reservation; either may be missing (nil). journaled says that the order is in flight, so that an undecided or a cancelled one may still
// hold stock. It returns "" where nothing is wrong.
func judgeHold(order *Order, reservation *Reservation, journaled bool) (kind Kind, detail string) {
	placed := order != nil && order.Status == Placed
	held := reservation != nil && reservation.State == Reserved
	switch {
	case placed && reservation == nil:
		return OrderWithoutReservation, "it has none; the order has " + describe(order.Lines)
	case placed && !held:
		return OrderWithoutReservation, fmt.Sprintf("it is %s; the order has %s", reservation.State, describe(order.Lines))
	case placed && !slices.Equal(unitsOf(order.Lines), unitsOf(reservation.Lines)):
		return ReservationDiffers, fmt.Sprintf("it holds %s; the order has %s", describe(reservation.Lines), describe(order.Lines))
	case placed, !held, journaled:
		return "", ""
	case order == nil:
		return ReservationWithoutOrder, "it holds " + describe(reservation.Lines)
	default:
		return ClosedOrderHolds, fmt.Sprintf("the order is %s; it holds %s", order.Status, describe(reservation.Lines))
	}
}

// surplusOf is by how much a placed order has more units than its reservation holds, SKU by SKU.
func surplusOf(order *Order, reservation *Reservation) []Line {
	var lines []Line
	if order != nil && order.Status == Placed {
		lines = append(lines, order.Lines...)
	}
	if reservation != nil && reservation.State == Reserved {
		for _, line := range reservation.Lines {
			lines = append(lines, Line{SKU: line.SKU, Quantity: -line.Quantity})
		}
	}
	return slices.DeleteFunc(unitsOf(lines), func(l Line) bool { return l.Quantity == 0 })
}

// next pulls one element off a sorted stream.
type next[T any] func() (T, error, bool)

// joinSorted walks two streams that are sorted by id, byte by byte, and visits each id once, with nil for a side that does not have it. It holds one element of each in memory.
// A stream that is not sorted would make differences out of nothing, so that it is an error.
func joinSorted(orders next[Order], reservations next[Reservation], visit func(*Order, *Reservation) error) error {
	left := &sorted[Order]{pull: orders, id: func(o Order) string { return o.Number }, name: "orders"}
	right := &sorted[Reservation]{pull: reservations, id: func(r Reservation) string { return r.ID }, name: "reservations"}
	for _, advance := range []func() error{left.advance, right.advance} {
		if err := advance(); err != nil {
			return err
		}
	}
	for left.head != nil || right.head != nil {
		order, reservation := left.head, right.head
		if order != nil && reservation != nil {
			switch cmp.Compare(order.Number, reservation.ID) {
			case -1:
				reservation = nil
			case 1:
				order = nil
			}
		}
		if err := visit(order, reservation); err != nil {
			return err
		}
		if order != nil {
			if err := left.advance(); err != nil {
				return err
			}
		}
		if reservation != nil {
			if err := right.advance(); err != nil {
				return err
			}
		}
	}
	return nil
}

// sorted is a stream with its first element, nil at its end.
type sorted[T any] struct {
	name string
	pull next[T]
	id   func(T) string
	head *T
	last string
	any  bool
}

func (s *sorted[T]) advance() error {
	element, err, ok := s.pull()
	if err != nil {
		return err
	}
	if !ok {
		s.head = nil
		return nil
	}
	id := s.id(element)
	if s.any && id <= s.last {
		return fmt.Errorf("the %s do not come sorted byte by byte: %q after %q", s.name, id, s.last)
	}
	s.head, s.last, s.any = &element, id, true
	return nil
}
