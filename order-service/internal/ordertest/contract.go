package ordertest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/steadfast-shop/steadfast/order-service/internal/order"
)

// Stores are the two collections of an empty database.
type Stores struct {
	Journal   order.Journal
	Decisions order.Decisions
}

// RunContract checks that stores keep what the protocol needs of them; open returns those of an empty database.
func RunContract(t *testing.T, open func(t *testing.T) Stores) {
	for name, check := range map[string]func(*testing.T, Stores){
		"journal keeps an entry whole":             journalKeepsEntries,
		"journal takes a number once":              journalTakesNumberOnce,
		"journal gives one of 64 the number":       journalHasOneWinner,
		"journal tells each of a crowd its answer": journalAnswersEach,
		"journal shows what is abandoned":          journalShowsAbandoned,
		"journal deletes":                          journalDeletes,
		"decisions keep what was decided":          decisionsKeepDecisions,
		"decisions take a number once":             decisionsTakeNumberOnce,
		"decisions give one of 64 the number":      decisionsHaveOneWinner,
		"decisions list placed orders in pages":    decisionsListPlaced,
	} {
		t.Run(name, func(t *testing.T) { check(t, open(t)) })
	}
}

// At is a time in the precision that stores keep.
func At(second int) time.Time { return time.Date(2026, 5, 1, 12, 0, second, 123e6, time.UTC) }

// Buy returns a valid order of the user with the given lines.
func Buy(number, userID string, lines ...order.Line) order.Order {
	return order.Order{
		Number:   number,
		Customer: order.Customer{UserID: userID, Email: "user@example.com", FirstName: "Zoë", LastName: "O'Neil"},
		Lines:    lines,
	}
}

// Units returns a line of that many units at the price of 29.90.
func Units(sku string, quantity int64) order.Line {
	return order.Line{SKU: sku, Quantity: quantity, Price: Price("29.90")}
}

// Price parses a price that is known to be right.
func Price(text string) order.Price {
	price, err := order.ParsePrice(text)
	if err != nil {
		panic(err)
	}
	return price
}

// EntryOf returns the journal entry of an order received at the given second.
func EntryOf(o order.Order, second int) order.Entry {
	return order.Entry{Order: o, Fingerprint: o.Fingerprint(), ReceivedAt: At(second), TraceParent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
}

// DecisionOf returns a decision of an order, taken at the given second.
func DecisionOf(o order.Order, status order.Status, second int) order.Decision {
	return order.Decision{
		Number: o.Number, Status: status, UserID: o.Customer.UserID, Lines: o.Lines,
		Fingerprint: o.Fingerprint(), ReceivedAt: At(0), DecidedAt: At(second),
	}
}

func journalKeepsEntries(t *testing.T, s Stores) {
	ctx := t.Context()
	want := EntryOf(Buy("ORD/ü 1", "user", Units("A", 1), order.Line{SKU: "B", Quantity: order.MaxQuantity, Price: Price("0")}), 1)
	if err := s.Journal.Insert(ctx, want); err != nil {
		t.Fatalf("Insert: %v", err)
	}
	got, err := s.Journal.Find(ctx, want.Order.Number)
	if err != nil || !equalEntries(got, want) {
		t.Errorf("Find = %+v, %v; want %+v", got, err, want)
	}
	if _, err := s.Journal.Find(ctx, "unknown"); !errors.Is(err, order.ErrNotFound) {
		t.Errorf("Find of an unknown number: %v; want ErrNotFound", err)
	}
}

func equalEntries(a, b order.Entry) bool {
	return a.Order.Number == b.Order.Number && a.Order.Customer == b.Order.Customer && slices.Equal(a.Order.Lines, b.Order.Lines) &&
		a.Fingerprint == b.Fingerprint && a.ReceivedAt.Equal(b.ReceivedAt) && a.TraceParent == b.TraceParent
}

func journalTakesNumberOnce(t *testing.T, s Stores) {
	ctx := t.Context()
	first, second := EntryOf(Buy("N", "first", Units("A", 1)), 1), EntryOf(Buy("N", "second", Units("B", 2)), 2)
	if err := s.Journal.Insert(ctx, first); err != nil {
		t.Fatalf("Insert: %v", err)
	}
	if err := s.Journal.Insert(ctx, second); !errors.Is(err, order.ErrDuplicate) {
		t.Errorf("second Insert: %v; want ErrDuplicate", err)
	}
	if got, err := s.Journal.Find(ctx, "N"); err != nil || !equalEntries(got, first) {
		t.Errorf("Find = %+v, %v; want the first entry", got, err)
	}
}

func journalHasOneWinner(t *testing.T, s Stores) {
	oneWinner(t, func(ctx context.Context, user string) error {
		return s.Journal.Insert(ctx, EntryOf(Buy("N", user, Units("A", 1)), 1))
	})
}

func decisionsHaveOneWinner(t *testing.T, s Stores) {
	oneWinner(t, func(ctx context.Context, user string) error {
		return s.Decisions.Insert(ctx, DecisionOf(Buy("N", user, Units("A", 1)), order.Placed, 1))
	})
}

// oneWinner lets 64 insert one number at once.
func oneWinner(t *testing.T, insert func(ctx context.Context, user string) error) {
	t.Helper()
	var winners atomic.Int32
	crowd(64, func(i int) {
		err := insert(t.Context(), fmt.Sprintf("user-%d", i))
		if err == nil {
			winners.Add(1)
		} else if !errors.Is(err, order.ErrDuplicate) {
			t.Errorf("Insert: %v; want ErrDuplicate", err)
		}
	})
	if got := winners.Load(); got != 1 {
		t.Errorf("%d of 64 inserted one number; want 1", got)
	}
}

// journalAnswersEach inserts a crowd in which every third meets a number that is taken: those and no others must be told so.
func journalAnswersEach(t *testing.T, s Stores) {
	ctx := t.Context()
	number := func(i int) string { return fmt.Sprintf("N-%d", i) }
	for i := 0; i < 192; i += 3 {
		if err := s.Journal.Insert(ctx, EntryOf(Buy(number(i), "first", Units("A", 1)), 1)); err != nil {
			t.Fatalf("Insert: %v", err)
		}
	}
	crowd(192, func(i int) {
		err := s.Journal.Insert(ctx, EntryOf(Buy(number(i), "second", Units("A", 1)), 1))
		if taken := i%3 == 0; taken != errors.Is(err, order.ErrDuplicate) || !taken && err != nil {
			t.Errorf("Insert of %s: %v; taken: %v", number(i), err, taken)
		}
	})
	for i := range 192 {
		got, err := s.Journal.Find(ctx, number(i))
		if want := map[bool]string{true: "first", false: "second"}[i%3 == 0]; err != nil || got.Order.Customer.UserID != want {
			t.Errorf("Find of %s = user %q, %v; want %q", number(i), got.Order.Customer.UserID, err, want)
		}
	}
}

func crowd(n int, run func(i int)) {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { run(i) })
	}
	all.Wait()
}

func journalShowsAbandoned(t *testing.T, s Stores) {
	ctx := t.Context()
	for second, number := range []string{"oldest", "older", "limit", "younger"} {
		if err := s.Journal.Insert(ctx, EntryOf(Buy(number, "user", Units("A", 1)), second)); err != nil {
			t.Fatalf("Insert: %v", err)
		}
	}
	var got []string
	err := s.Journal.Abandoned(ctx, At(2), func(e order.Entry) error {
		got = append(got, e.Order.Number)
		return nil
	})
	slices.Sort(got)
	if want := []string{"older", "oldest"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("Abandoned visits %v, %v; want %v", got, err, want)
	}
	enough := errors.New("enough")
	if err := s.Journal.Abandoned(ctx, At(9), func(order.Entry) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("Abandoned with a failing visit: %v; want its error", err)
	}
}

func journalDeletes(t *testing.T, s Stores) {
	ctx := t.Context()
	for _, number := range []string{"a", "b", "c"} {
		if err := s.Journal.Insert(ctx, EntryOf(Buy(number, "user", Units("A", 1)), 1)); err != nil {
			t.Fatalf("Insert: %v", err)
		}
	}
	if err := s.Journal.Delete(ctx, []string{"a", "gone", "c", "a"}); err != nil {
		t.Fatalf("Delete: %v", err)
	}
	for number, left := range map[string]bool{"a": false, "b": true, "c": false} {
		if _, err := s.Journal.Find(ctx, number); (err == nil) != left {
			t.Errorf("after Delete, Find of %s: %v; left: %v", number, err, left)
		}
	}
	if err := s.Journal.Insert(ctx, EntryOf(Buy("a", "user", Units("A", 1)), 2)); err != nil {
		t.Errorf("Insert after Delete: %v", err)
	}
}

func decisionsKeepDecisions(t *testing.T, s Stores) {
	ctx := t.Context()
	for _, status := range []order.Status{order.Placed, order.Rejected, order.Cancelled} {
		want := DecisionOf(Buy(string(status), "user", Units("A", 1), order.Line{SKU: "B", Quantity: 2, Price: Price("1.5")}), status, 3)
		if err := s.Decisions.Insert(ctx, want); err != nil {
			t.Fatalf("Insert: %v", err)
		}
		got, err := s.Decisions.Find(ctx, want.Number)
		if err != nil || !equalDecisions(got, want) {
			t.Errorf("Find = %+v, %v; want %+v", got, err, want)
		}
	}
	if _, err := s.Decisions.Find(ctx, "unknown"); !errors.Is(err, order.ErrNotFound) {
		t.Errorf("Find of an unknown number: %v; want ErrNotFound", err)
	}
}

func equalDecisions(a, b order.Decision) bool {
	return a.Number == b.Number && a.Status == b.Status && a.UserID == b.UserID && a.Fingerprint == b.Fingerprint &&
		slices.Equal(a.Lines, b.Lines) && a.ReceivedAt.Equal(b.ReceivedAt) && a.DecidedAt.Equal(b.DecidedAt)
}

func decisionsTakeNumberOnce(t *testing.T, s Stores) {
	ctx := t.Context()
	first := DecisionOf(Buy("N", "user", Units("A", 1)), order.Cancelled, 1)
	if err := s.Decisions.Insert(ctx, first); err != nil {
		t.Fatalf("Insert: %v", err)
	}
	if err := s.Decisions.Insert(ctx, DecisionOf(Buy("N", "user", Units("A", 1)), order.Placed, 2)); !errors.Is(err, order.ErrDuplicate) {
		t.Errorf("second Insert: %v; want ErrDuplicate", err)
	}
	if got, err := s.Decisions.Find(ctx, "N"); err != nil || !equalDecisions(got, first) {
		t.Errorf("Find = %+v, %v; want the first decision", got, err)
	}
}

func decisionsListPlaced(t *testing.T, s Stores) {
	ctx := t.Context()
	add := func(number, user string, status order.Status, second int) {
		if err := s.Decisions.Insert(ctx, DecisionOf(Buy(number, user, Units("A", 1)), status, second)); err != nil {
			t.Fatalf("Insert: %v", err)
		}
	}
	add("e", "user", order.Placed, 5)
	add("d2", "user", order.Placed, 4) // two of one time: the number decides
	add("d1", "user", order.Placed, 4)
	add("c", "user", order.Rejected, 3)
	add("b", "other", order.Placed, 2)
	add("z", "user", order.Placed, 1)
	after, err := s.Decisions.Find(ctx, "d1")
	if err != nil {
		t.Fatalf("Find: %v", err)
	}
	for _, c := range []struct {
		name  string
		user  string
		after order.Decision
		limit int
		want  []string
	}{
		{"all", "user", order.Decision{}, 10, []string{"z", "d1", "d2", "e"}},
		{"first page", "user", order.Decision{}, 2, []string{"z", "d1"}},
		{"next page", "user", after, 10, []string{"d2", "e"}},
		{"another user", "other", order.Decision{}, 10, []string{"b"}},
		{"unknown user", "nobody", order.Decision{}, 10, nil},
	} {
		got, err := s.Decisions.Placed(ctx, c.user, c.after, c.limit)
		var numbers []string
		for _, d := range got {
			numbers = append(numbers, d.Number)
		}
		if err != nil || !slices.Equal(numbers, c.want) {
			t.Errorf("%s: Placed = %v, %v; want %v", c.name, numbers, err, c.want)
		}
	}
}
