package stock

import (
	"errors"
	"slices"
	"testing"
)

func TestLinesAreCanonical(t *testing.T) {
	type lines = []Line
	tests := []struct {
		name       string
		given, got lines
	}{
		{"none", nil, nil},
		{"one", lines{{"A", 1}}, lines{{"A", 1}}},
		{"sorted", lines{{"B", 2}, {"A", 1}}, lines{{"A", 1}, {"B", 2}}},
		{"added up", lines{{"B", 2}, {"A", 1}, {"B", 3}, {"A", 4}}, lines{{"A", 5}, {"B", 5}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			given := slices.Clone(test.given)
			if got := slices.Collect(NewLines(given...).All()); !slices.Equal(got, test.got) {
				t.Errorf("NewLines(%v) = %v, want %v", test.given, got, test.got)
			}
			if !slices.Equal(given, test.given) {
				t.Errorf("NewLines changed its argument to %v", given)
			}
		})
	}
}

func TestReserveTakesAllLinesOrNone(t *testing.T) {
	onStock := map[string]int64{"A": 2, "B": 1}
	tests := []struct {
		name  string
		lines Lines
		want  State
	}{
		{"all there", NewLines(Line{"A", 2}, Line{"B", 1}), Reserved},
		{"one short", NewLines(Line{"A", 2}, Line{"B", 2}), Refused},
		{"short in sum", NewLines(Line{"B", 1}, Line{"B", 1}), Refused},
		{"one unknown", NewLines(Line{"A", 1}, Line{"X", 1}), Refused},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := Reserve("R", test.lines, func(skuCode string) int64 { return onStock[skuCode] })
			if got.State != test.want || !got.Lines.Equal(test.lines) {
				t.Errorf("got %v of %v, want %v of %v", got.State, got.Lines, test.want, test.lines)
			}
		})
	}
}

func TestReservationAnswersAsRecorded(t *testing.T) {
	one, two := NewLines(Line{"A", 1}), NewLines(Line{"A", 2})
	tests := []struct {
		name     string
		recorded Reservation
		asked    Lines
		want     State
		err      error
	}{
		{"reserved, same lines", Reservation{"R", Reserved, one}, one, Reserved, nil},
		{"reserved, other lines", Reservation{"R", Reserved, one}, two, "", ErrOtherLines},
		{"refused, same lines", Reservation{"R", Refused, one}, one, Refused, nil},
		{"refused, other lines", Reservation{"R", Refused, one}, two, "", ErrOtherLines},
		{"released, same lines", Reservation{"R", Released, one}, one, Released, nil},
		{"released, other lines", Reservation{"R", Released, one}, two, Released, nil},
		{"released before it was reserved", Reservation{ID: "R", State: Released}, one, Released, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got, err := test.recorded.Answer(test.asked); got != test.want || !errors.Is(err, test.err) {
				t.Errorf("got %q, %v, want %q, %v", got, err, test.want, test.err)
			}
		})
	}
}

func TestAdjustmentStaysInBounds(t *testing.T) {
	tests := []struct {
		name                  string
		quantity, delta, want int64
		err                   error
	}{
		{"more", 1, 2, 3, nil},
		{"to nothing", 3, -3, 0, nil},
		{"below zero", 3, -4, 0, ErrInsufficientStock},
		{"to the limit", MaxQuantity - 1, 1, MaxQuantity, nil},
		{"beyond the limit", MaxQuantity, 1, 0, ErrTooMuchStock},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := Adjustment{ID: "A-1", SKUCode: "A", Delta: test.delta}.Apply(test.quantity)
			if got != test.want || !errors.Is(err, test.err) {
				t.Errorf("got %d, %v, want %d, %v", got, err, test.want, test.err)
			}
		})
	}
}

func TestRecordedAdjustmentAnswersItselfOnly(t *testing.T) {
	recorded := RecordedAdjustment{Adjustment: Adjustment{"A-1", "A", -3}, Quantity: 7}
	tests := []struct {
		name  string
		asked Adjustment
		want  int64
		err   error
	}{
		{"the same", Adjustment{"A-1", "A", -3}, 7, nil},
		{"another SKU", Adjustment{"A-1", "B", -3}, 0, ErrOtherAdjustment},
		{"another delta", Adjustment{"A-1", "A", 3}, 0, ErrOtherAdjustment},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got, err := recorded.Answer(test.asked); got != test.want || !errors.Is(err, test.err) {
				t.Errorf("got %d, %v, want %d, %v", got, err, test.want, test.err)
			}
		})
	}
}
