package stocktest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"pgregory.net/rapid"

	"github.com/steadfast-shop/steadfast/inventory-service/internal/stock"
	inventoryv1 "github.com/steadfast-shop/steadfast/shared-proto/inventory/v1"
	"github.com/steadfast-shop/steadfast/shared-proto/inventorytest"
)

// TestCalls gives the same drawn calls to the repository and to the inventory that tests of other services use, and wants the same answers and the same stock. Calls that run at
// the same time must be answered as if they had come one after the other, in whatever order. Each draw works on ids and SKUs of its own, so that one repository serves all.
func TestCalls(t rapid.TB, repository stock.Repository) {
	service, drawn, calls := stock.NewService(repository), 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		drawn++
		r := &rehearsal{ctx: context.Background(), service: service, prefix: fmt.Sprintf("draw %d ", drawn)}
		r.open(rt, map[string]int64{"A": rapid.Int64Range(0, 6).Draw(rt, "units of A"), "B": rapid.Int64Range(0, 3).Draw(rt, "units of B")})
		for _, together := range rapid.SliceOfN(rapid.SliceOfN(drawnCall(), 1, 3), 1, 25).Draw(rt, "calls") {
			calls += len(together)
			r.make(rt, together)
		}
	})
	t.Logf("%d histories with %d calls", drawn, calls)
}

// call is one call to the inventory.
type call struct {
	// Verb is reserve, release or adjust.
	Verb, ID string
	// Lines are what is reserved; of an adjustment the one SKU and its delta.
	Lines []inventorytest.Line
}

func drawnCall() *rapid.Generator[call] {
	sku := rapid.SampledFrom([]string{"A", "B", "unknown"})
	units := rapid.Int64Range(1, 4)
	return rapid.Custom(func(t *rapid.T) call {
		c := call{
			Verb: rapid.SampledFrom([]string{"reserve", "reserve", "release", "adjust"}).Draw(t, "verb"),
			ID:   fmt.Sprint("id ", rapid.IntRange(1, 4).Draw(t, "id")),
		}
		switch c.Verb {
		case "reserve":
			for range rapid.IntRange(1, 3).Draw(t, "lines") {
				c.Lines = append(c.Lines, inventorytest.Line{SKU: sku.Draw(t, "SKU"), Quantity: units.Draw(t, "units")})
			}
		case "adjust":
			delta := units.Draw(t, "units")
			if rapid.Bool().Draw(t, "down") {
				delta = -delta
			}
			c.Lines = []inventorytest.Line{{SKU: sku.Draw(t, "SKU"), Quantity: delta}}
		}
		return c
	})
}

// rehearsal gives calls to the repository and knows what its state may be.
type rehearsal struct {
	ctx     context.Context //nolint:containedctx // one for all calls of a test
	service *stock.Service
	prefix  string // of all ids and SKUs
	may     []*inventorytest.Inventory
}

// open puts the stock there.
func (r *rehearsal) open(t *rapid.T, units map[string]int64) {
	for sku, quantity := range units {
		if err := r.service.CreateItem(r.ctx, stock.Item{SKUCode: r.prefix + sku, Quantity: quantity}); err != nil {
			t.Fatal(err)
		}
	}
	r.may = []*inventorytest.Inventory{inventorytest.New(units)}
}

// make makes the calls at the same time and keeps those states in which some order of them leads to the answers, and to the stock.
func (r *rehearsal) make(t *rapid.T, together []call) {
	answers := make([]string, len(together))
	var all sync.WaitGroup
	for i, c := range together {
		all.Go(func() { answers[i] = r.call(c) })
	}
	all.Wait()
	left := r.stock(t)
	fit := make(map[string]*inventorytest.Inventory)
	for _, before := range r.may {
		for _, order := range permutations(len(together)) {
			after, fits := before.Clone(), true
			for _, i := range order {
				fits = fits && expected(after, together[i]) == answers[i]
			}
			if fits && fmt.Sprint(after.Stock()) == left {
				fit[after.String()] = after
			}
		}
	}
	if len(fit) == 0 {
		t.Fatalf("no order of the calls %+v leads from the state %v to the answers %q and the stock %s", together, r.may, answers, left)
	}
	r.may = r.may[:0]
	for _, state := range fit {
		r.may = append(r.may, state)
	}
}

// call returns the repository's answer.
func (r *rehearsal) call(c call) string {
	id := r.prefix + c.ID
	switch c.Verb {
	case "reserve":
		lines := make([]stock.Line, len(c.Lines))
		for i, line := range c.Lines {
			lines[i] = stock.Line{SKUCode: r.prefix + line.SKU, Quantity: line.Quantity}
		}
		state, err := r.service.Reserve(r.ctx, id, stock.NewLines(lines...))
		return textOf(state, err)
	case "release":
		state, err := r.service.Release(r.ctx, id)
		return textOf(state, err)
	}
	quantity, err := r.service.Adjust(r.ctx, stock.Adjustment{ID: id, SKUCode: r.prefix + c.Lines[0].SKU, Delta: c.Lines[0].Quantity})
	return textOf(quantity, err)
}

// expected returns the answer of the inventory that stands for the repository elsewhere.
func expected(i *inventorytest.Inventory, c call) string {
	switch c.Verb {
	case "reserve":
		state, err := i.Reserve(c.ID, c.Lines...)
		return textOf(nameOf(state), err)
	case "release":
		return textOf(nameOf(i.Release(c.ID)), nil)
	}
	quantity, err := i.Adjust(c.ID, c.Lines[0].SKU, c.Lines[0].Quantity)
	return textOf(quantity, err)
}

func nameOf(state inventoryv1.ReservationState) string {
	return strings.ToLower(strings.TrimPrefix(state.String(), "RESERVATION_STATE_"))
}

func textOf(answer any, err error) string {
	for text, errs := range map[string][]error{
		"other lines":      {stock.ErrOtherLines, inventorytest.ErrOtherLines},
		"unknown SKU":      {stock.ErrUnknownSKU, inventorytest.ErrUnknownSKU},
		"not enough":       {stock.ErrInsufficientStock, inventorytest.ErrInsufficientStock},
		"other adjustment": {stock.ErrOtherAdjustment, inventorytest.ErrOtherAdjustment},
	} {
		if errors.Is(err, errs[0]) || errors.Is(err, errs[1]) {
			return text
		}
	}
	if err != nil {
		return "error: " + err.Error()
	}
	return fmt.Sprint(answer)
}

// stock returns what is on stock, as inventorytest's Stock prints.
func (r *rehearsal) stock(t *rapid.T) string {
	units := make(map[string]int64)
	skus := []string{"A", "B"}
	quantities, err := r.service.Quantities(r.ctx, []string{r.prefix + skus[0], r.prefix + skus[1]})
	if err != nil {
		t.Fatal(err)
	}
	for i, quantity := range quantities {
		units[skus[i]] = *quantity
	}
	return fmt.Sprint(units)
}

// permutations returns all orders of n things.
func permutations(n int) [][]int {
	if n == 0 {
		return [][]int{nil}
	}
	var all [][]int
	for _, shorter := range permutations(n - 1) {
		for at := range n {
			longer := append([]int{}, shorter[:at]...)
			longer = append(longer, n-1)
			all = append(all, append(longer, shorter[at:]...))
		}
	}
	return all
}
