package promises

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/steadfast-shop/steadfast/e2e/internal/inbox"
	"github.com/steadfast-shop/steadfast/e2e/internal/shop"
)

// keptPromises is a history of a placed and a refused order, and what a system shows that has kept its word about them.
func keptPromises() (history, sight) {
	order := func(number string) shop.Order {
		return shop.Order{Number: number, SKU: "S", Price: "1.50", Quantity: 2, User: shop.User{ID: "u", Email: number + "@example.com"}}
	}
	h := history{
		attempts:  []attempt{{order("a"), 503}, {order("a"), 201}, {order("b"), 409}, {order("c"), 0}},
		stock:     map[string]int64{"S": 10},
		addresses: map[orderKey]string{{"u", "a"}: "a@example.com", {"u", "b"}: "b@example.com", {"u", "c"}: "c@example.com"},
	}
	seen := sight{
		fates: map[orderKey]shop.Fate{
			{"u", "a"}: {Status: "PLACED", Items: order("a").Lines()},
			{"u", "b"}: {Status: "REJECTED", Items: order("b").Lines()},
			{"u", "c"}: {Status: "CANCELLED", Items: order("c").Lines()},
		},
		stock: map[string]int64{"S": 8},
		mails: map[string][]inbox.Summary{"a@example.com": {{Subject: "order a", MessageID: "1"}, {Subject: "order a", MessageID: "1"}}},
	}
	return h, seen
}

// TestChecksFindWhatIsBroken breaks one promise at a time.
func TestChecksFindWhatIsBroken(t *testing.T) {
	a, b := orderKey{"u", "a"}, orderKey{"u", "b"}
	for _, c := range []struct {
		name   string
		damage func(*sight)
		want   string // in every fault, "" where there is none
	}{
		{"nothing", func(*sight) {}, ""},
		{"a 201 is lost", func(s *sight) { delete(s.fates, a); s.stock["S"] = 10; delete(s.mails, "a@example.com") }, "answered 201"},
		{"a 201 is another order", func(s *sight) {
			s.fates[a] = shop.Fate{Status: "PLACED", Items: []shop.Item{{SKU: "S", Price: "1.5", Quantity: 2}}}
		}, "answered 201"},
		{"a 409 is placed", func(s *sight) {
			s.fates[b] = shop.Fate{Status: "PLACED", Items: s.fates[b].Items}
			s.stock["S"], s.mails["b@example.com"] = 6, []inbox.Summary{{Subject: "b", MessageID: "2"}}
		}, "answered 409"},
		{"stock has leaked", func(s *sight) { s.stock["S"] = 7 }, "stock of S"},
		{"stock was sold twice", func(s *sight) { s.stock["S"] = 10 }, "stock of S"},
		{"a mail is missing", func(s *sight) { delete(s.mails, "a@example.com") }, "has 0 mails"},
		{"a refused order was mailed", func(s *sight) { s.mails["b@example.com"] = []inbox.Summary{{Subject: "b", MessageID: "2"}} }, "has 1 mails"},
		{"a repeated mail has another id", func(s *sight) { s.mails["a@example.com"][1].MessageID = "2" }, "Message-ID"},
		{"a mail is about another order", func(s *sight) { s.mails["a@example.com"][0].Subject = "order x" }, "Message-ID"},
	} {
		h, seen := keptPromises()
		c.damage(&seen)
		faults := slices.Concat(checkAnswers(h, seen), checkStock(h, seen), checkMails(h, seen))
		if (len(faults) > 0) != (c.want != "") {
			t.Errorf("%s: got %v", c.name, errors.Join(faults...))
		}
		for _, fault := range faults {
			if !strings.Contains(fault.Error(), c.want) {
				t.Errorf("%s: got %v; want %q", c.name, fault, c.want)
			}
		}
		if !maps.Equal(h.stock, map[string]int64{"S": 10}) {
			t.Errorf("%s: the history has changed", c.name)
		}
	}
}
