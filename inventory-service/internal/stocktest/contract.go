package stocktest

import (
	"context"
	"errors"
	"maps"
	"testing"

	"github.com/steadfast-shop/steadfast/inventory-service/internal/stock"
)

// TestRepository runs the contract on repositories that open returns, an empty one for each call.
func TestRepository(t *testing.T, open func(t *testing.T) stock.Repository) {
	tests := []struct {
		name string
		run  func(t *testing.T, repository stock.Repository)
	}{
		{"an item is created once", testCreateItem},
		{"quantities tell the known SKUs", testQuantities},
		{"an adjustment is applied once", testAdjust},
		{"a refused adjustment leaves nothing", testRefusedAdjustment},
		{"a reservation takes all lines", testReserve},
		{"a refused reservation takes nothing, for ever", testRefusedReservation},
		{"a release gives back once", testRelease},
		{"a release of a refused reservation changes nothing", testReleaseOfRefused},
		{"a release of an unknown id bars it", testReleaseOfUnknown},
		{"a thousand lines are one reservation", testManyLines},
		{"ids and SKUs may hold any script", testUnicode},
		{"race for the last units", raceForLastUnits},
		{"race of one id", raceOfOneReservation},
		{"race of one id with other lines", raceOfOtherLines},
		{"race of reserve and release", raceOfReserveAndRelease},
		{"race over many SKUs", raceOverManySKUs},
		{"race of one adjustment", raceOfOneAdjustment},
		{"race of adjustments up and down", raceOfAdjustments},
		{"race of one adjustment id for two SKUs", raceOfOtherAdjustments},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
}

func testCreateItem(t *testing.T, repository stock.Repository) {
	item := stock.Item{SKUCode: "A", Quantity: 3}
	if err := repository.CreateItem(t.Context(), item); err != nil {
		t.Fatal(err)
	}
	if err := repository.CreateItem(t.Context(), stock.Item{SKUCode: "A", Quantity: 9}); !errors.Is(err, stock.ErrItemExists) {
		t.Errorf("second creation: got %v, want %v", err, stock.ErrItemExists)
	}
	wantStock(t, repository, map[string]int64{"A": 3})
}

func testQuantities(t *testing.T, repository stock.Repository) {
	create(t, repository, map[string]int64{"A": 1, "B": 2, "C": 3})
	got, err := repository.Quantities(t.Context(), []string{"C", "X", "A"})
	if want := map[string]int64{"A": 1, "C": 3}; err != nil || !maps.Equal(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
}

func testAdjust(t *testing.T, repository stock.Repository) {
	create(t, repository, map[string]int64{"A": 10, "B": 10})
	first, second := adjustment("A-1", "A", -3), adjustment("A-2", "A", 5)
	wantAdjusted(t, repository, first, first, 7)
	wantAdjusted(t, repository, second, second, 12)
	wantAdjusted(t, repository, first, first, 7)
	wantAdjusted(t, repository, adjustment("A-1", "A", 100), first, 7)
	wantAdjusted(t, repository, adjustment("A-1", "B", -3), first, 7)
	wantAdjusted(t, repository, adjustment("A-1", "X", -3), first, 7)
	wantStock(t, repository, map[string]int64{"A": 12, "B": 10})
}

func testRefusedAdjustment(t *testing.T, repository stock.Repository) {
	create(t, repository, map[string]int64{"A": 3, "B": stock.MaxQuantity})
	tests := []struct {
		adjustment stock.Adjustment
		want       error
	}{
		{adjustment("A-1", "X", 1), stock.ErrUnknownSKU},
		{adjustment("A-1", "A", -4), stock.ErrInsufficientStock},
		{adjustment("A-1", "B", 1), stock.ErrTooMuchStock},
	}
	for _, test := range tests {
		if got, err := repository.Adjust(t.Context(), test.adjustment); !errors.Is(err, test.want) {
			t.Errorf("Adjust(%v) = %v, %v, want %v", test.adjustment, got, err, test.want)
		}
	}
	wantStock(t, repository, map[string]int64{"A": 3, "B": stock.MaxQuantity})
	wantAdjusted(t, repository, adjustment("A-1", "A", -3), adjustment("A-1", "A", -3), 0)
}

func testReserve(t *testing.T, repository stock.Repository) {
	create(t, repository, map[string]int64{"A": 5, "B": 1})
	lines := demand("A", 2, "B", 1, "A", 1)
	for range 2 {
		wantReserved(t, repository, "R", lines, stock.Reservation{ID: "R", State: stock.Reserved, Lines: lines})
	}
	wantReserved(t, repository, "R", demand("A", 1), stock.Reservation{ID: "R", State: stock.Reserved, Lines: lines})
	wantStock(t, repository, map[string]int64{"A": 2, "B": 0})
}

func testRefusedReservation(t *testing.T, repository stock.Repository) {
	create(t, repository, map[string]int64{"A": 5, "B": 1})
	short, unknown := demand("A", 1, "B", 2), demand("A", 1, "X", 1)
	wantReserved(t, repository, "short", short, stock.Reservation{ID: "short", State: stock.Refused, Lines: short})
	wantReserved(t, repository, "unknown", unknown, stock.Reservation{ID: "unknown", State: stock.Refused, Lines: unknown})
	create(t, repository, map[string]int64{"X": 1})
	wantAdjusted(t, repository, adjustment("A-1", "B", 1), adjustment("A-1", "B", 1), 2)
	wantReserved(t, repository, "short", short, stock.Reservation{ID: "short", State: stock.Refused, Lines: short})
	wantReserved(t, repository, "unknown", unknown, stock.Reservation{ID: "unknown", State: stock.Refused, Lines: unknown})
	wantStock(t, repository, map[string]int64{"A": 5, "B": 2, "X": 1})
}

func testRelease(t *testing.T, repository stock.Repository) {
	create(t, repository, map[string]int64{"A": 5, "B": 1})
	lines := demand("A", 2, "B", 1)
	released := stock.Reservation{ID: "R", State: stock.Released, Lines: lines}
	wantReserved(t, repository, "R", lines, stock.Reservation{ID: "R", State: stock.Reserved, Lines: lines})
	for range 2 {
		wantReleased(t, repository, "R", released)
	}
	wantReserved(t, repository, "R", lines, released)
	wantStock(t, repository, map[string]int64{"A": 5, "B": 1})
}

func testReleaseOfRefused(t *testing.T, repository stock.Repository) {
	create(t, repository, map[string]int64{"A": 1})
	lines := demand("A", 2)
	refused := stock.Reservation{ID: "R", State: stock.Refused, Lines: lines}
	wantReserved(t, repository, "R", lines, refused)
	wantReleased(t, repository, "R", refused)
	wantReserved(t, repository, "R", lines, refused)
	wantStock(t, repository, map[string]int64{"A": 1})
}

func testReleaseOfUnknown(t *testing.T, repository stock.Repository) {
	create(t, repository, map[string]int64{"A": 1})
	released := stock.Reservation{ID: "R", State: stock.Released}
	for range 2 {
		wantReleased(t, repository, "R", released)
	}
	wantReserved(t, repository, "R", demand("A", 1), released)
	wantStock(t, repository, map[string]int64{"A": 1})
}

func testManyLines(t *testing.T, repository stock.Repository) {
	before, after := make(map[string]int64), make(map[string]int64)
	var lines []stock.Line
	for i := range stock.MaxLines {
		sku := numberedSKU(i)
		before[sku], after[sku] = 3, 2
		lines = append(lines, stock.Line{SKUCode: sku, Quantity: 1})
	}
	create(t, repository, before)
	want := stock.Reservation{ID: "R", State: stock.Reserved, Lines: stock.NewLines(lines...)}
	wantReserved(t, repository, "R", want.Lines, want)
	wantStock(t, repository, after)
	wantReleased(t, repository, "R", stock.Reservation{ID: "R", State: stock.Released, Lines: want.Lines})
	wantStock(t, repository, before)
}

func testUnicode(t *testing.T, repository stock.Repository) {
	create(t, repository, map[string]int64{"ß": 1, "ss": 1, "Ä'\"\\%_{}": 1, "a b": 1, "A": 1, "a": 1})
	lines := demand("ß", 1, "Ä'\"\\%_{}", 1, "a b", 1, "a", 1)
	wantReserved(t, repository, "№ 1/é", lines, stock.Reservation{ID: "№ 1/é", State: stock.Reserved, Lines: lines})
	wantStock(t, repository, map[string]int64{"ß": 0, "ss": 1, "Ä'\"\\%_{}": 0, "a b": 0, "A": 1, "a": 0})
	wantReleased(t, repository, "№ 1/é", stock.Reservation{ID: "№ 1/é", State: stock.Released, Lines: lines})
	wantStock(t, repository, map[string]int64{"ß": 1, "ss": 1, "Ä'\"\\%_{}": 1, "a b": 1, "A": 1, "a": 1})
}

func create(t *testing.T, repository stock.Repository, quantities map[string]int64) {
	t.Helper()
	for skuCode, quantity := range quantities {
		if err := repository.CreateItem(t.Context(), stock.Item{SKUCode: skuCode, Quantity: quantity}); err != nil {
			t.Fatalf("create %s: %v", skuCode, err)
		}
	}
}

func adjustment(id, skuCode string, delta int64) stock.Adjustment {
	return stock.Adjustment{ID: id, SKUCode: skuCode, Delta: delta}
}

// demand makes lines of pairs of a SKU and a number of units.
func demand(pairs ...any) stock.Lines {
	var lines []stock.Line
	for i := 0; i < len(pairs); i += 2 {
		lines = append(lines, stock.Line{SKUCode: pairs[i].(string), Quantity: int64(pairs[i+1].(int))})
	}
	return stock.NewLines(lines...)
}

func wantStock(t *testing.T, repository stock.Repository, want map[string]int64) {
	t.Helper()
	var skuCodes []string
	for skuCode := range want {
		skuCodes = append(skuCodes, skuCode)
	}
	if got, err := repository.Quantities(context.WithoutCancel(t.Context()), skuCodes); err != nil || !maps.Equal(got, want) {
		t.Errorf("stock: got %v, %v, want %v", got, err, want)
	}
}

func wantAdjusted(t *testing.T, repository stock.Repository, asked, want stock.Adjustment, quantity int64) {
	t.Helper()
	got, err := repository.Adjust(t.Context(), asked)
	if err != nil || got.Adjustment != want || got.Quantity != quantity {
		t.Errorf("Adjust(%v) = %v, %v, want %v and quantity %d", asked, got, err, want, quantity)
	}
}

func wantReserved(t *testing.T, repository stock.Repository, id string, asked stock.Lines, want stock.Reservation) {
	t.Helper()
	got, err := repository.Reserve(t.Context(), id, asked)
	wantReservation(t, got, err, want)
}

func wantReleased(t *testing.T, repository stock.Repository, id string, want stock.Reservation) {
	t.Helper()
	got, err := repository.Release(t.Context(), id)
	wantReservation(t, got, err, want)
}

func wantReservation(t *testing.T, got stock.Reservation, err error, want stock.Reservation) {
	t.Helper()
	if err != nil || got.ID != want.ID || got.State != want.State || !got.Lines.Equal(want.Lines) {
		t.Errorf("got reservation %v, %v, want %v", got, err, want)
	}
}
