package stocktest

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/steadfast-shop/steadfast/inventory-service/internal/stock"
)

// racers is how many goroutines run at once in each race.
const racers = 64

func raceForLastUnits(t *testing.T, repository stock.Repository) {
	create(t, repository, map[string]int64{"A": 10})
	states := race(t, func(i int) (stock.State, error) {
		reservation, err := repository.Reserve(t.Context(), fmt.Sprint("R", i), demand("A", 1))
		return reservation.State, err
	})
	want := map[stock.State]int{stock.Reserved: 10, stock.Refused: racers - 10}
	if got := count(states); !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	wantStock(t, repository, map[string]int64{"A": 0})
}

func raceOfOneReservation(t *testing.T, repository stock.Repository) {
	create(t, repository, map[string]int64{"A": racers, "B": racers})
	states := race(t, func(int) (stock.State, error) {
		reservation, err := repository.Reserve(t.Context(), "R", demand("B", 2, "A", 1))
		return reservation.State, err
	})
	if got, want := count(states), (map[stock.State]int{stock.Reserved: racers}); !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	wantStock(t, repository, map[string]int64{"A": racers - 1, "B": racers - 2})
}

// Every racer wants other units, and SKUs that do not overlap, so that only the id makes them meet.
func raceOfOtherLines(t *testing.T, repository stock.Repository) {
	before := map[string]int64{"A": racers, "B": racers, "C": racers}
	create(t, repository, before)
	skuCodes := []string{"A", "B", "C"}
	kept := race(t, func(i int) (stock.Lines, error) {
		lines := stock.NewLines(stock.Line{SKUCode: skuCodes[i%len(skuCodes)], Quantity: int64(i + 1)})
		reservation, err := repository.Reserve(t.Context(), "R", lines)
		return reservation.Lines, err
	})
	for _, lines := range kept {
		if !lines.Equal(kept[0]) {
			t.Fatalf("two fates: %v and %v", lines, kept[0])
		}
	}
	for line := range kept[0].All() {
		before[line.SKUCode] -= line.Quantity
	}
	wantStock(t, repository, before)
}

func raceOfReserveAndRelease(t *testing.T, repository stock.Repository) {
	create(t, repository, map[string]int64{"A": racers, "B": racers})
	race(t, func(i int) (stock.State, error) {
		id, lines := fmt.Sprint("R", i/4), demand("B", 1, "A", 1)
		if i%2 == 0 {
			reservation, err := repository.Release(t.Context(), id)
			return reservation.State, err
		}
		reservation, err := repository.Reserve(t.Context(), id, lines)
		return reservation.State, err
	})
	for i := range racers / 4 {
		reservation, err := repository.Release(t.Context(), fmt.Sprint("R", i))
		if err != nil || reservation.State != stock.Released {
			t.Errorf("R%d: got %v, %v, want it released", i, reservation.State, err)
		}
	}
	wantStock(t, repository, map[string]int64{"A": racers, "B": racers})
}

// Lines come in any order, and a third of the racers takes its reservation back at once: what is left on stock is what the others hold.
func raceOverManySKUs(t *testing.T, repository stock.Repository) {
	const skus = 8
	left := make(map[string]int64)
	for i := range skus {
		left[numberedSKU(i)] = racers / 2
	}
	create(t, repository, left)
	held := race(t, func(i int) (stock.Reservation, error) {
		var lines []stock.Line
		for _, sku := range rand.Perm(skus)[:skus/2] {
			lines = append(lines, stock.Line{SKUCode: numberedSKU(sku), Quantity: 1 + rand.Int64N(2)})
		}
		reservation, err := repository.Reserve(t.Context(), fmt.Sprint("R", i), stock.NewLines(lines...))
		if err == nil && i%3 == 0 {
			return repository.Release(t.Context(), reservation.ID)
		}
		return reservation, err
	})
	for _, reservation := range held {
		if reservation.State != stock.Reserved {
			continue
		}
		for line := range reservation.Lines.All() {
			left[line.SKUCode] -= line.Quantity
		}
	}
	for skuCode, quantity := range left {
		if quantity < 0 {
			t.Errorf("%s is oversold by %d", skuCode, -quantity)
		}
	}
	wantStock(t, repository, left)
}

func raceOfOneAdjustment(t *testing.T, repository stock.Repository) {
	create(t, repository, map[string]int64{"A": 10})
	quantities := race(t, func(int) (int64, error) {
		recorded, err := repository.Adjust(t.Context(), adjustment("A-1", "A", -6))
		return recorded.Quantity, err
	})
	if got, want := count(quantities), (map[int64]int{4: racers}); !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	wantStock(t, repository, map[string]int64{"A": 4})
}

// Each racer takes away what it has added, so that the stock comes near zero all the time and never below it.
func raceOfAdjustments(t *testing.T, repository stock.Repository) {
	create(t, repository, map[string]int64{"A": 1})
	if _, err := repository.Adjust(t.Context(), adjustment("A-0", "A", -1)); err != nil {
		t.Fatal(err)
	}
	race(t, func(i int) (stock.RecordedAdjustment, error) {
		if recorded, err := repository.Adjust(t.Context(), adjustment(fmt.Sprint("up", i), "A", 5)); err != nil {
			return recorded, err
		}
		return repository.Adjust(t.Context(), adjustment(fmt.Sprint("down", i), "A", -5))
	})
	wantStock(t, repository, map[string]int64{"A": 0})
}

func raceOfOtherAdjustments(t *testing.T, repository stock.Repository) {
	before := map[string]int64{"A": 10, "B": 20}
	create(t, repository, before)
	skuCodes := slices.Sorted(maps.Keys(before))
	recorded := race(t, func(i int) (stock.RecordedAdjustment, error) {
		return repository.Adjust(t.Context(), adjustment("A-1", skuCodes[i%2], -1))
	})
	if got := count(recorded); len(got) != 1 {
		t.Fatalf("several fates: %v", got)
	}
	before[recorded[0].SKUCode]--
	wantStock(t, repository, before)
}

// race calls run from all racers at once and returns what each got.
func race[T any](t *testing.T, run func(racer int) (T, error)) []T {
	t.Helper()
	results, errs := make([]T, racers), make([]error, racers)
	start := make(chan struct{})
	var finished sync.WaitGroup
	for i := range racers {
		finished.Go(func() {
			<-start
			results[i], errs[i] = run(i)
		})
	}
	close(start)
	finished.Wait()
	for i, err := range errs {
		if err != nil {
			t.Errorf("racer %d: %v", i, err)
		}
	}
	return results
}

func count[T comparable](values []T) map[T]int {
	counts := make(map[T]int)
	for _, value := range values {
		counts[value]++
	}
	return counts
}

func numberedSKU(i int) string { return fmt.Sprintf("SKU%03d", i) }
