package workload

import (
	"reflect"
	"testing"

	"github.com/steadfast-shop/steadfast/e2e/internal/history"
	"github.com/steadfast-shop/steadfast/e2e/internal/shop"
)

// TestActions: what a client does follows from the seed; all kinds of things come; what is replayed or read was ordered before, and a conflict differs from it.
func TestActions(t *testing.T) {
	c := chooser{seed: 7, client: 3}
	sent := make(map[string]shop.Order)
	kinds := make(map[string]int)
	known := SKUs()
	for n := range 3000 {
		a := c.at(n)
		if !reflect.DeepEqual(a, c.at(n)) {
			t.Fatalf("action %d is not the same twice", n)
		}
		first, isKnown := sent[a.order.Number]
		switch {
		case a.kind == history.Place && a.isNew:
			if isKnown {
				t.Fatalf("action %d: %s is not new", n, a.order.Number)
			}
			sent[a.order.Number] = a.order
			kinds["new"]++
			if len(a.order.Items) > 1 {
				kinds["several lines"]++
			}
			for _, line := range a.order.Lines() {
				if known[line.SKU] == 0 || line.Quantity < 1 {
					t.Fatalf("action %d orders %+v", n, line)
				}
			}
		case a.kind == history.Place && !isKnown, (a.kind == history.Status || a.kind == history.List) && !isKnown:
			t.Fatalf("action %d, %s: %s was never ordered", n, a.kind, a.order.Number)
		case a.kind == history.Place && reflect.DeepEqual(a.order, first):
			kinds["replay"]++
		case a.kind == history.Place:
			if a.order.User.Email == first.User.Email || reflect.DeepEqual(a.order.Lines(), first.Lines()) {
				t.Fatalf("action %d is hardly a conflict: %+v", n, a.order)
			}
			kinds["conflict"]++
		default:
			kinds[string(a.kind)]++
		}
	}
	for _, kind := range []string{"new", "several lines", "replay", "conflict", "adjust", "stock", "status", "list"} {
		if kinds[kind] < 30 {
			t.Errorf("%d of 3000 actions are %s", kinds[kind], kind)
		}
	}
	if reflect.DeepEqual(c.at(1), chooser{seed: 8, client: 3}.at(1)) || reflect.DeepEqual(c.at(1), chooser{seed: 7, client: 4}.at(1)) {
		t.Error("another seed, or another client, does the same")
	}
}
