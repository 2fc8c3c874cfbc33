package audit_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/steadfast-shop/steadfast/auditor/audit"
	"github.com/steadfast-shop/steadfast/shared-proto/topics"
)

// busyShop has orders in every state that is all right.
func busyShop() *shop {
	s := newShop()
	for i := range 20 {
		s.place(fmt.Sprint("O-", i))
	}
	s.adjustments = append(s.adjustments, audit.Adjustment{SKU: "A", Delta: -3}, audit.Adjustment{SKU: "A", Delta: 1})
	s.take("A", 2)
	s.decide("rejected", "REJECTED")
	s.reservations["rejected"] = audit.Reservation{ID: "rejected", State: "refused", Lines: []audit.Line{{SKU: "A", Quantity: 999}}}
	s.decide("cancelled", "CANCELLED")
	s.reservations["cancelled"] = audit.Reservation{ID: "cancelled", State: "released"}
	s.publish(topics.OrderPlaced, "O-3") // a repeated event
	s.write(topics.OrderPlaced, 0, audit.Record{Key: "poison"})
	return s
}

func TestCleanShop(t *testing.T) {
	t.Parallel()
	report := busyShop().audit(t, audit.Options{})
	if !report.Clean() {
		t.Errorf("got %q; want nothing", report.Names())
	}
	got := report.Counts
	want := audit.Counts{SKUs: 2, Adjustments: 2, Orders: 22, Placed: 20, Reservations: 22, Events: 21, NotEvents: 1, Mails: 20}
	if got != want {
		t.Errorf("got %+v; want %+v", got, want)
	}
}

// TestDamage does each damage and wants it found and named, and nothing else.
func TestDamage(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		damage func(*shop)
		want   []string
	}{
		"stock row changed":   {func(s *shop) { s.take("A", 1) }, []string{"stock-differs A"}},
		"stock row deleted":   {func(s *shop) { s.items = s.items[:1] }, []string{"stock-differs B"}},
		"adjustment deleted":  {func(s *shop) { s.adjustments = s.adjustments[1:] }, []string{"stock-differs A"}},
		"stock below zero":    {func(s *shop) { s.items = append(s.items, audit.Item{SKU: "C", Initial: -1, Quantity: -1}) }, []string{"stock-negative C"}},
		"reservation deleted": {func(s *shop) { delete(s.reservations, "O-1") }, []string{"order-without-reservation O-1"}},
		"reservation released, stock and all": {func(s *shop) {
			s.reservations["O-1"] = audit.Reservation{ID: "O-1", State: "released"}
			s.take("A", -2)
			s.take("B", -1)
		}, []string{"order-without-reservation O-1", "stock-differs A", "stock-differs B"}},
		"reservation with other lines":          {func(s *shop) { r := s.reservations["O-1"]; r.Lines = r.Lines[:1]; s.reservations["O-1"] = r }, []string{"reservation-differs O-1"}},
		"reservation added with its stock":      {func(s *shop) { s.reserve("ghost") }, []string{"reservation-without-order ghost", "stock-differs A", "stock-differs B"}},
		"order cancelled, and stock still held": {func(s *shop) { s.reserve("cancelled") }, []string{"closed-order-holds-stock cancelled", "stock-differs A", "stock-differs B"}},
		"order deleted": {func(s *shop) { delete(s.orders, "O-1") }, []string{
			"event-without-order O-1", "mail-without-order O-1", "reservation-without-order O-1", "stock-differs A", "stock-differs B"}},
		"event missing": {func(s *shop) { s.lose(topics.OrderPlaced, "O-1") }, []string{"order-without-event O-1"}},
		"event of another customer": {func(s *shop) {
			s.write(topics.OrderPlaced, s.PartitionOf("O-1", partitions), audit.Record{Key: "O-1", Event: &audit.Event{Number: "O-1", UserID: "v", Lines: lines()}})
		}, []string{"event-differs O-1"}},
		"event with other lines": {func(s *shop) {
			s.write(topics.OrderPlaced, s.PartitionOf("O-1", partitions), audit.Record{Key: "O-1", Event: &audit.Event{Number: "O-1", UserID: "u", Lines: lines()[1:]}})
		}, []string{"event-differs O-1"}},
		"event on another partition, and not sent on": {func(s *shop) {
			s.committed[topics.OrderPlaced] = 0
			s.lose(topics.OrderPlaced, "O-1")
			s.publishTo(topics.OrderPlaced, (s.PartitionOf("O-1", partitions)+1)%partitions, "O-1")
		}, []string{"event-misplaced O-1", "order-without-event O-1"}},
		"foreign event, mailed":     {func(s *shop) { s.publish(topics.OrderPlaced, "x"); s.mail("x") }, []string{"event-without-order x", "mail-without-order x"}},
		"event of a rejected order": {func(s *shop) { s.publish(topics.OrderPlaced, "rejected") }, []string{"event-without-order rejected"}},
		"ledger entry missing":      {func(s *shop) { s.lose(topics.NotificationLedger, "O-1") }, []string{"event-without-mail O-1"}},
		"ledger entry taken back": {func(s *shop) {
			s.write(topics.NotificationLedger, s.PartitionOf("O-1", partitions), audit.Record{Key: "O-1", Gone: true})
		}, []string{"event-without-mail O-1"}},
		"dead letter sent through again, and nothing came of it": {func(s *shop) {
			s.lose(topics.NotificationLedger, "O-1")
			s.publish(topics.OrderPlacedDLQ, "O-1")
			letter := s.end(topics.OrderPlacedDLQ, s.PartitionOf("O-1", partitions)) - 1
			s.write(topics.OrderPlacedDLQ, s.PartitionOf("O-1", partitions), audit.Record{Key: "O-1", Gone: true, Redriven: &letter})
		}, []string{"event-without-mail O-1"}},
		"retry released into nothing": {func(s *shop) { s.lose(topics.NotificationLedger, "O-1"); s.publish(topics.OrderPlacedRetry, "O-1") }, []string{"event-without-mail O-1"}},
		"aged journal entry": {func(s *shop) {
			s.journal["n"] = audit.JournalEntry{Number: "n", ReceivedAt: s.now.Add(-3 * time.Minute)}
		}, []string{"journal-old n"}},
		"decided entry lingers": {func(s *shop) {
			s.journal["O-1"] = audit.JournalEntry{Number: "O-1", ReceivedAt: s.now.Add(-3 * time.Minute)}
		}, []string{"journal-lingering O-1"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := busyShop()
			test.damage(s)
			if got := s.audit(t, audit.Options{}).Names(); !slices.Equal(got, test.want) {
				t.Errorf("got %q; want %q", got, test.want)
			}
		})
	}
}

// TestUnderWay has what looks like damage for a while, and is none.
func TestUnderWay(t *testing.T) {
	t.Parallel()
	inFlight := func(s *shop, number string) {
		s.journal[number] = audit.JournalEntry{Number: number, ReceivedAt: s.now.Add(-time.Minute)}
	}
	for name, change := range map[string]func(*shop){
		"reserved, not decided":   func(s *shop) { inFlight(s, "n"); s.reserve("n") },
		"cancelled, not released": func(s *shop) { inFlight(s, "n"); s.reserve("n"); s.decide("n", "CANCELLED") },
		"placed, not published":   func(s *shop) { inFlight(s, "n"); s.reserve("n"); s.decide("n", audit.Placed) },
		"published, not mailed": func(s *shop) {
			s.committed[topics.OrderPlaced] = 0
			s.reserve("n")
			s.decide("n", audit.Placed)
			s.publish(topics.OrderPlaced, "n")
		},
		"group never began": func(s *shop) { s.committed[topics.OrderPlaced] = -1; s.lose(topics.NotificationLedger, "O-1") },
		"dead letter":       func(s *shop) { s.lose(topics.NotificationLedger, "O-1"); s.publish(topics.OrderPlacedDLQ, "O-1") },
		"retry waits": func(s *shop) {
			s.lose(topics.NotificationLedger, "O-1")
			s.publish(topics.OrderPlacedRetry, "O-1")
			s.committed[topics.OrderPlacedRetry] = 0
		},
		"sent on to the right partition": func(s *shop) { s.publishTo(topics.OrderPlaced, (s.PartitionOf("O-1", partitions)+1)%partitions, "O-1") },
		"placed between snapshot and orders": func(s *shop) {
			s.at = once("orders", func() { s.place("n") })
		},
		"reserved before the snapshot, placed after the orders": func(s *shop) {
			s.reserve("n")
			s.at = once("journal", func() { s.decide("n", audit.Placed); s.publish(topics.OrderPlaced, "n"); s.mail("n") })
		},
		"event after the marks": func(s *shop) { s.at = once("journal", func() { s.place("n") }) },
		"released while it is looked at again": func(s *shop) {
			s.reserve("cancelled")
			looks := 0
			s.at = func(read string) {
				if looks++; read == "find" && looks > 1 {
					s.reservations["cancelled"] = audit.Reservation{ID: "cancelled", State: "released"}
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := busyShop()
			change(s)
			if got := s.audit(t, audit.Options{Grace: -1}).Names(); len(got) > 0 {
				t.Errorf("got %q; want nothing", got)
			}
		})
	}
}

// TestOrderOfReads lets an order take its next step before each read, and looks only once: the order of the reads alone must clear it.
func TestOrderOfReads(t *testing.T) {
	t.Parallel()
	placed := func(s *shop) {
		s.decide("n", audit.Placed)
		s.journal["n"] = audit.JournalEntry{Number: "n", ReceivedAt: s.now}
	}
	published := func(s *shop) { s.publish(topics.OrderPlaced, "n"); delete(s.journal, "n") }
	for name, steps := range map[string]map[string]func(*shop){
		"placed before the orders are read": {"orders": placed},
		"published after the orders":        {"orders": placed, "journal": published},
		"published after the journal":       {"orders": placed, "bounds of " + topics.OrderPlacedDLQ: published},
		"begun after the marks":             {"journal": func(s *shop) { s.place("later") }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := busyShop()
			s.reserve("n")
			if name == "begun after the marks" {
				placed(s)
			}
			s.at = func(read string) {
				if step := steps[read]; step != nil {
					delete(steps, read)
					step(s)
				}
			}
			if got := s.audit(t, audit.Options{Grace: -1, Rechecks: -1}).Names(); len(got) > 0 {
				t.Errorf("got %q; want nothing", got)
			}
		})
	}
}

func once(read string, change func()) func(string) {
	done := false
	return func(now string) {
		if now == read && !done {
			done = true
			change()
		}
	}
}

// TestRetention has orders and mails whose events are gone by age.
func TestRetention(t *testing.T) {
	t.Parallel()
	s := newShop()
	for i := range 9 {
		number := fmt.Sprint("old-", i)
		s.place(number)
		order := s.orders[number]
		order.DecidedAt = s.now.Add(-8 * 24 * time.Hour)
		s.orders[number] = order
	}
	s.records[topics.OrderPlaced] = make([][]audit.Record, partitions)
	s.starts[topics.OrderPlaced] = 9
	for i := range 9 {
		s.place(fmt.Sprint("O-", i))
	}
	report := s.audit(t, audit.Options{})
	if !report.Clean() || report.Counts.EventsExpired != 9 {
		t.Errorf("got %q and %d expired; want nothing and 9", report.Names(), report.Counts.EventsExpired)
	}
}

// TestBounds lists a few cases of many, and counts all.
func TestBounds(t *testing.T) {
	t.Parallel()
	for most, want := range map[int]int{5: 5, -1: 20} {
		s := busyShop()
		s.reservations = map[string]audit.Reservation{}
		report := s.audit(t, audit.Options{MaxCases: most})
		if len(report.Findings) == 0 || report.Findings[0].Kind != audit.OrderWithoutReservation || report.Findings[0].Count != 20 || len(report.Findings[0].Cases) != want {
			t.Errorf("at most %d: got %+v; want 20, %d listed", most, report.Findings, want)
		}
	}
}
