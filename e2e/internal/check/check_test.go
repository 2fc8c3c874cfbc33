package check

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/steadfast-shop/steadfast/auditor/audit"

	"github.com/steadfast-shop/steadfast/e2e/internal/history"
	"github.com/steadfast-shop/steadfast/e2e/internal/shop"
)

var began = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func order(number, sku string, quantity int64) *shop.Order {
	return &shop.Order{Number: number, SKU: sku, Price: "1.50", Quantity: quantity, User: shop.User{ID: "u", Email: number + "@example.com"}}
}

// at is a time of the databases, so many milliseconds into the run.
func at(ms int) time.Time { return began.Add(time.Duration(ms) * time.Millisecond) }

// kept returns a run in which every promise is kept: a is placed (after a 503), b refused, c cancelled after it had taken stock, d placed and its mail refused; there is a conflict with a, an
// adjustment, reads, a poison record, and a mail that came twice for a fault.
func kept() *Run {
	r := &Run{Began: began, Patience: time.Minute, Facts: Facts{
		Poison: map[string]bool{"p": true, "q": false}, Refused: map[string]bool{"d@example.com": true}, Dropped: map[string]int{},
		Disturbances: []Disturbance{{Name: "kill notification-service-1", From: 1500 * time.Millisecond, To: 2 * time.Second, Most: 1}},
		Seen:         map[string]time.Duration{"c": 9 * time.Second},
	}}
	call := func(from, to int, call history.Call) {
		call.ID, call.Called, call.Ended = int64(len(r.Calls)+1), time.Duration(from)*time.Millisecond, time.Duration(to)*time.Millisecond
		r.Calls = append(r.Calls, call)
	}
	place := func(from, to int, order *shop.Order, status int, body string) {
		call(from, to, history.Call{Kind: history.Place, Order: order, Number: order.Number, Answered: status, Body: body})
	}
	conflict := order("a", "S", 3)
	conflict.User.Email = "other-a@example.com"
	call(0, 10, history.Call{Kind: history.Create, SKUs: []string{"S"}, Quantity: 10, Answered: 201, Body: shop.TextStocked})
	place(1000, 1300, order("a", "S", 2), 503, shop.TextUnavailable)
	place(1400, 1450, order("a", "S", 2), 201, shop.TextPlaced)
	place(1500, 1550, conflict, 409, shop.TextNotPlaced)
	place(2000, 2050, order("b", "S", 50), 409, shop.TextNotPlaced)
	place(3000, 3100, order("c", "S", 1), 503, shop.TextUnavailable)
	call(3200, 3210, history.Call{Kind: history.Stock, SKUs: []string{"S"}, Answered: 200, Body: "[7]"})
	call(4000, 4010, history.Call{Kind: history.Adjust, SKUs: []string{"S"}, Adjustment: "A", Delta: 5, Answered: 200, Body: `{}`})
	call(5000, 5010, history.Call{Kind: history.Stock, SKUs: []string{"S"}, Answered: 200, Body: "[12]"})
	place(6000, 6050, order("d", "S", 1), 201, shop.TextPlaced)
	call(7000, 7010, history.Call{Kind: history.Status, User: "u", Number: "a", Answered: 200, Body: `{"status":"PLACED"}`})
	call(7100, 7110, history.Call{Kind: history.List, User: "u", Answered: 200, Body: `[{"orderNumber":"a"},{"orderNumber":"d"}]`})
	call(9500, 9510, history.Call{Kind: history.Stock, SKUs: []string{"S"}, Answered: 200, Body: "[12]"})
	lines := func(quantity int64) []audit.Line { return []audit.Line{{SKU: "S", Quantity: quantity}} }
	decided := func(number, status string, ms int, quantity int64) Order {
		return Order{Number: number, Status: status, UserID: "u", DecidedAt: at(ms), Lines: []audit.Line{{SKU: "S", Quantity: quantity, PriceMinor: 150}}}
	}
	r.State = State{
		Orders: map[string]Order{"a": decided("a", "PLACED", 1200, 2), "b": decided("b", "REJECTED", 2040, 50), "c": decided("c", "CANCELLED", 8000, 1), "d": decided("d", "PLACED", 6040, 1)},
		Reservations: map[string]Reservation{
			"a": {State: "reserved", Lines: lines(2), CreatedAt: at(1100)}, "b": {State: "refused", Lines: lines(50), CreatedAt: at(2020)},
			"c": {State: "released", Lines: lines(1), CreatedAt: at(3050), ReleasedAt: at(8100)}, "d": {State: "reserved", Lines: lines(1), CreatedAt: at(6020)},
		},
		Stock:       map[string]int64{"S": 12},
		Adjustments: map[string]Adjustment{"A": {SKU: "S", Delta: 5, CreatedAt: at(4005)}},
		Events:      map[string]int{"a": 2, "d": 1},
		Letters:     []Letter{{Key: "p", Reason: "unreadable", Place: "dlq/0/0"}, {Key: "d", Reason: "refused: 550", Place: "dlq/1/0"}},
		Mails:       map[string][]Mail{"a@example.com": {{"1", "order a", at(1600)}, {"1", "order a", at(9000)}}},
	}
	return r
}

func TestKept(t *testing.T) {
	verdict := Judge(*kept())
	for _, broken := range verdict.Broken {
		t.Errorf("%s %s: %s", broken.Invariant, broken.ID, broken.Detail)
	}
	if verdict.Placed != 2 || verdict.NotPlaced != 2 || verdict.Repeated != 1 || verdict.Letters != 2 || verdict.Excused != 1 || len(verdict.Undecided) != 0 {
		t.Errorf("got %+v", verdict)
	}
}

// TestBroken breaks each promise in turn, and wants it named.
func TestBroken(t *testing.T) {
	for _, c := range []struct {
		name   string
		damage func(*Run)
		want   Invariant
		id     string
	}{
		{"a 201 is lost", func(r *Run) { delete(r.State.Orders, "a") }, CreatedIsPlaced, "a"},
		{"a 201 is cancelled", func(r *Run) { set(r.State.Orders, "a", func(o *Order) { o.Status = "CANCELLED" }) }, CreatedIsPlaced, "a"},
		{"a 201 is placed with another price", func(r *Run) { r.State.Orders["a"].Lines[0].PriceMinor = 1 }, CreatedIsPlaced, "a"},
		{"a 201 is placed for another user", func(r *Run) { set(r.State.Orders, "a", func(o *Order) { o.UserID = "v" }) }, CreatedIsPlaced, "a"},
		{"a 201 is missing in a list", func(r *Run) { body(r, history.List, `[{"orderNumber":"d"}]`) }, CreatedIsPlaced, "a"},
		{"a 201 reads as pending", func(r *Run) { body(r, history.Status, `{"status":"PENDING"}`) }, CreatedIsPlaced, "a"},
		{"a 409 is placed", func(r *Run) { set(r.State.Orders, "b", func(o *Order) { o.Status = "PLACED" }) }, RefusedLeftNothing, "b"},
		{"a conflict is placed in place of the first", func(r *Run) { r.State.Orders["a"].Lines[0].Quantity = 3 }, RefusedLeftNothing, "a"},
		{"the same order has a 201 and a 409", func(r *Run) { answer(r, 2, 409, shop.TextNotPlaced); again(r, 3) }, OneFate, "a"},
		{"a decision changes", func(r *Run) {
			read := find(r, history.Status)
			again(r, int(read.ID))
			r.Calls[read.ID-1].Body = `{"status":"CANCELLED"}`
		}, OneFate, "a"},
		{"an order that nobody sent", func(r *Run) { r.State.Orders["x"] = Order{Number: "x", Status: "REJECTED"} }, OneFate, "x"},
		{"a list shows a cancelled order", func(r *Run) { body(r, history.List, `[{"orderNumber":"a"},{"orderNumber":"c"},{"orderNumber":"d"}]`) }, OneFate, "c"},
		{"a list shows an order twice", func(r *Run) { body(r, history.List, `[{"orderNumber":"a"},{"orderNumber":"a"},{"orderNumber":"d"}]`) }, OneFate, "a"},
		{"what was reserved is never decided", func(r *Run) { delete(r.State.Orders, "c") }, OneFate, "c"},
		{"what was pending is never decided", func(r *Run) {
			read := find(r, history.Status)
			r.Calls[read.ID-1].Number, r.Calls[read.ID-1].Body = "e", `{"status":"PENDING"}`
		}, OneFate, "e"},
		{"an answer of no API", func(r *Run) { answer(r, 2, 500, "oops") }, AnswersAsPromised, "a"},
		{"an answer with another text", func(r *Run) { answer(r, 2, 503, "later") }, AnswersAsPromised, "a"},
		{"stock has leaked", func(r *Run) { r.State.Stock["S"] = 11 }, StockBalances, "S"},
		{"stock was sold twice", func(r *Run) { r.State.Stock["S"] = 13 }, StockBalances, "S"},
		{"a SKU is gone", func(r *Run) { delete(r.State.Stock, "S") }, StockBalances, "S"},
		{"an adjustment is lost", func(r *Run) { delete(r.State.Adjustments, "A") }, StockBalances, "A"},
		{"an adjustment was refused and made", func(r *Run) { r.Calls[find(r, history.Adjust).ID-1].Answered = 409 }, StockBalances, "A"},
		{"a read below zero", func(r *Run) { body(r, history.Stock, "[-1]") }, StockNotNegative, "S"},
		{"stock below zero", func(r *Run) { r.State.Stock["S"] = -1 }, StockNotNegative, "S"},
		{"a read of what was never there", func(r *Run) { body(r, history.Stock, "[11]") }, ReadsLinearizable, "S"},
		{"a stale read", func(r *Run) { r.Calls[12].Body = "[7]" }, ReadsLinearizable, "S"},
		{"a reservation is seen too early", func(r *Run) { set(r.State.Reservations, "d", func(v *Reservation) { v.CreatedAt = at(9600) }) }, ReadsLinearizable, "S"},
		{"an order was refused what was there", func(r *Run) {
			set(r.State.Reservations, "b", func(v *Reservation) { v.Lines[0].Quantity = 3 })
		}, ReadsLinearizable, "S"},
		{"a refused order took stock for a moment", func(r *Run) { r.Calls[6].Body = "[6]" }, ReadsLinearizable, "S"},
		{"a cancelled order holds stock", func(r *Run) { set(r.State.Reservations, "c", func(v *Reservation) { v.State = "reserved" }) }, NoStrayReservation, "c"},
		{"stock is held for nobody", func(r *Run) {
			r.State.Reservations["x"] = Reservation{State: "reserved", Lines: []audit.Line{{SKU: "S", Quantity: 1}}, CreatedAt: at(20)}
		}, NoStrayReservation, "x"},
		{"a placed order holds nothing", func(r *Run) { delete(r.State.Reservations, "a") }, NoStrayReservation, "a"},
		{"a placed order holds other units", func(r *Run) { set(r.State.Reservations, "a", func(v *Reservation) { v.Lines[0].Quantity = 3 }) }, NoStrayReservation, "a"},
		{"something is in flight", func(r *Run) { r.State.Journal = []audit.JournalEntry{{Number: "a", ReceivedAt: at(1)}} }, JournalEmpty, "a"},
		{"an event is missing", func(r *Run) { delete(r.State.Events, "a") }, EventForEachPlaced, "a"},
		{"a refused order has an event", func(r *Run) { r.State.Events["b"] = 1 }, EventForEachPlaced, "b"},
		{"a mail is missing", func(r *Run) { delete(r.State.Mails, "a@example.com") }, OneMail, "a"},
		{"a mail was refused, and is no dead letter", func(r *Run) { r.State.Letters = r.State.Letters[:1] }, OneMail, "d"},
		{"a refused order has a mail", func(r *Run) { r.State.Mails["b@example.com"] = []Mail{{"2", "order b", at(2100)}} }, OneMail, "b"},
		{"a conflict has a mail", func(r *Run) { r.State.Mails["other-a@example.com"] = []Mail{{"1", "order a", at(2100)}} }, OneMail, "a"},
		{"a mail to nobody", func(r *Run) { r.State.Mails["x@example.com"] = []Mail{{"2", "order x", at(2100)}} }, OneMail, "x@example.com"},
		{"a mail came twice without a fault", func(r *Run) { r.Facts.Disturbances = nil }, RepeatsBounded, "a"},
		{"a mail came again long after the fault", func(r *Run) {
			r.State.Mails["a@example.com"][0].At, r.State.Mails["a@example.com"][1].At = at(60_000), at(70_000)
		}, RepeatsBounded, "a"},
		{"more mails came again than were under way", func(r *Run) {
			r.State.Mails["a@example.com"] = append(r.State.Mails["a@example.com"], Mail{"1", "order a", at(9100)})
		}, RepeatsBounded, "a"},
		{"a repeated mail has another Message-ID", func(r *Run) { r.State.Mails["a@example.com"][1].MessageID = "2" }, RepeatsBounded, "a"},
		{"a mail is about another order", func(r *Run) { r.State.Mails["a@example.com"][1].Subject = "order x" }, RepeatsBounded, "a"},
		{"a good event is a dead letter", func(r *Run) { r.State.Letters = append(r.State.Letters, Letter{Key: "a"}) }, DeadLettersExplained, "a"},
		{"a poison record is nowhere", func(r *Run) { r.State.Letters = r.State.Letters[1:] }, DeadLettersExplained, "p"},
		{"it does not settle", func(r *Run) { r.State.Unsettled = "2 orders are in flight" }, Settles, "system"},
		{"a process panics", func(r *Run) { r.State.Complaints = []string{"gateway-1: panic: oops"} }, NoPanic, "log"},
		{"the auditor finds what no check does", func(r *Run) {
			r.State.Findings = []audit.Finding{{Kind: audit.EventDiffers, Cases: []audit.Case{{ID: "a", Detail: "other lines"}}}}
		}, EventForEachPlaced, "a"},
	} {
		run := kept()
		c.damage(run)
		verdict := Judge(*run)
		if !slices.ContainsFunc(verdict.Broken, func(b Broken) bool { return b.Invariant == c.want && b.ID == c.id }) {
			var got []string
			for _, b := range verdict.Broken {
				got = append(got, fmt.Sprintf("%s %s: %s", b.Invariant, b.ID, b.Detail))
			}
			t.Errorf("%s: got %q; want %s of %s", c.name, got, c.want, c.id)
		}
	}
}

// TestEachPromiseCanBreak sees that the list of promises has all that can be broken.
func TestEachPromiseCanBreak(t *testing.T) {
	listed := make(map[Invariant]bool)
	for _, promise := range Promises() {
		if listed[promise.Invariant] || promise.Text == "" {
			t.Errorf("%s is listed twice, or without words", promise.Invariant)
		}
		listed[promise.Invariant] = true
	}
	run := kept()
	run.State = State{Unsettled: "x", Complaints: []string{"y"}}
	for _, name := range Judge(*run).Names() {
		if !listed[Invariant(name)] {
			t.Errorf("%s is not listed", name)
		}
	}
}

// TestUndecided gives the search no time: that decides nothing, and breaks nothing.
func TestUndecided(t *testing.T) {
	run := kept()
	run.Patience = -1
	if verdict := Judge(*run); len(verdict.Broken) != 0 || !slices.Equal(verdict.Undecided, []string{"S"}) {
		t.Errorf("got %v, undecided %v", verdict.Broken, verdict.Undecided)
	}
}

// TestExcuses: what looks broken, and is not.
func TestExcuses(t *testing.T) {
	for name, change := range map[string]func(*Run){
		"an answer that was lost repeats a mail": func(r *Run) { r.Facts.Disturbances, r.Facts.Dropped = nil, map[string]int{"a@example.com": 1} },
		"a poison record that was not acknowledged is there": func(r *Run) {
			r.State.Letters = append(r.State.Letters, Letter{Key: "q"})
		},
		"a cancelled order gives back at any time until it was seen": func(r *Run) {
			r.Calls[12].Body = "[11]"
			r.Facts.Seen["c"] = 10 * time.Second
			r.State.Orders["d"] = Order{Number: "d", Status: "PLACED", UserID: "u", Lines: r.State.Orders["d"].Lines, DecidedAt: at(6040)}
		},
		"no answer is no fate": func(r *Run) {
			call := r.Calls[1]
			call.ID, call.Answered, call.Error = 99, 0, "connection reset"
			r.Calls = append(r.Calls, call)
		},
	} {
		run := kept()
		change(run)
		for _, broken := range Judge(*run).Broken {
			t.Errorf("%s: %s %s: %s", name, broken.Invariant, broken.ID, broken.Detail)
		}
	}
}

// TestCallsAreTold: what is broken comes with the calls about it.
func TestCallsAreTold(t *testing.T) {
	run := kept()
	delete(run.State.Orders, "a")
	for _, broken := range Judge(*run).Broken {
		if broken.Invariant == CreatedIsPlaced && (len(broken.Calls) != 4 || !strings.Contains(broken.Detail, "not decided")) {
			t.Errorf("got %q with %d calls; want the three tries and the read", broken.Detail, len(broken.Calls))
		}
	}
}

// set changes an entry of a map.
func set[V any](all map[string]V, key string, change func(*V)) {
	value := all[key]
	change(&value)
	all[key] = value
}

// find returns the first call of a kind.
func find(r *Run, kind history.Kind) history.Call {
	return r.Calls[slices.IndexFunc(r.Calls, func(c history.Call) bool { return c.Kind == kind })]
}

// body changes what the first call of a kind was answered.
func body(r *Run, kind history.Kind, text string) { r.Calls[find(r, kind).ID-1].Body = text }

// answer changes what the i-th call was answered.
func answer(r *Run, i, status int, text string) { r.Calls[i].Answered, r.Calls[i].Body = status, text }

// again repeats the call with the id, later than all others.
func again(r *Run, id int) {
	call := r.Calls[id-1]
	call.ID, call.Called, call.Ended = int64(len(r.Calls)+1), 20*time.Second, 21*time.Second
	if call.Answered == 409 {
		call.Answered, call.Body = 201, shop.TextPlaced
	}
	r.Calls = append(r.Calls, call)
}
