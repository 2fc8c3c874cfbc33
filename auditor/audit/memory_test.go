package audit_test

import (
	"cmp"
	"context"
	"hash/fnv"
	"iter"
	"slices"
	"testing"
	"time"

	"github.com/steadfast-shop/steadfast/auditor/audit"
	"github.com/steadfast-shop/steadfast/shared-proto/topics"
)

const partitions = 3

// shop is a whole system in memory: all sources of an audit.
type shop struct {
	now          time.Time
	items        []audit.Item
	adjustments  []audit.Adjustment
	orders       map[string]audit.Order
	reservations map[string]audit.Reservation
	journal      map[string]audit.JournalEntry
	records      map[string][][]audit.Record // by topic and partition
	starts       map[string]int64            // first offsets that are kept, for all partitions of a topic
	committed    map[string]int64            // for all partitions of a topic; missing: its end
	// at is called with the name of each read before it starts, so that the system can change under it.
	at func(read string)
}

func newShop() *shop {
	s := &shop{
		now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), orders: map[string]audit.Order{}, reservations: map[string]audit.Reservation{},
		journal: map[string]audit.JournalEntry{}, records: map[string][][]audit.Record{}, starts: map[string]int64{}, committed: map[string]int64{},
		at: func(string) {},
	}
	for _, topic := range topics.All(1) {
		s.records[topic.Name] = make([][]audit.Record, partitions)
	}
	s.items = []audit.Item{{SKU: "A", Initial: 100, Quantity: 100}, {SKU: "B", Initial: 50, Quantity: 50}}
	return s
}

// take moves stock.
func (s *shop) take(sku string, quantity int64) {
	for i := range s.items {
		if s.items[i].SKU == sku {
			s.items[i].Quantity -= quantity
		}
	}
}

func lines() []audit.Line {
	return []audit.Line{{SKU: "B", Quantity: 1, PriceMinor: 150}, {SKU: "A", Quantity: 1, PriceMinor: 2999}, {SKU: "A", Quantity: 1, PriceMinor: 1999}}
}

// reserve holds an order's stock.
func (s *shop) reserve(number string) {
	s.reservations[number] = audit.Reservation{ID: number, State: audit.Reserved, Lines: []audit.Line{{SKU: "A", Quantity: 2}, {SKU: "B", Quantity: 1}}, CreatedAt: s.now.Add(-time.Hour)}
	s.take("A", 2)
	s.take("B", 1)
}

func (s *shop) decide(number, status string) {
	s.orders[number] = audit.Order{Number: number, Status: status, UserID: "u", Lines: lines(), DecidedAt: s.now.Add(-time.Hour)}
}

func (s *shop) publish(topic, number string) {
	s.publishTo(topic, s.PartitionOf(number, partitions), number)
}

func (s *shop) publishTo(topic string, partition int32, number string) {
	s.write(topic, partition, audit.Record{Key: number, Event: &audit.Event{Number: number, UserID: "u", Lines: lines()}})
}

func (s *shop) write(topic string, partition int32, record audit.Record) {
	record.Offset, record.At = s.end(topic, partition), s.now.Add(-time.Hour)
	s.records[topic][partition] = append(s.records[topic][partition], record)
}

// end is behind the last record: records that are lost leave gaps.
func (s *shop) end(topic string, partition int32) int64 {
	if kept := s.records[topic][partition]; len(kept) > 0 {
		return kept[len(kept)-1].Offset + 1
	}
	return s.starts[topic]
}

func (s *shop) mail(number string) {
	s.write(topics.NotificationLedger, s.PartitionOf(number, partitions), audit.Record{Key: number})
}

// place lets a whole order happen.
func (s *shop) place(number string) {
	s.reserve(number)
	s.decide(number, audit.Placed)
	s.publish(topics.OrderPlaced, number)
	s.mail(number)
}

// lose removes a number's records from a topic.
func (s *shop) lose(topic, number string) {
	p := s.PartitionOf(number, partitions)
	s.records[topic][p] = slices.DeleteFunc(s.records[topic][p], func(r audit.Record) bool { return r.Key == number })
}

// audit runs an audit of the shop.
func (s *shop) audit(t *testing.T, options audit.Options) audit.Report {
	t.Helper()
	options.Now, options.Pause, options.Dir = func() time.Time { return s.now }, time.Nanosecond, t.TempDir()
	report, err := audit.Run(t.Context(), audit.Sources{Orders: orders{s}, Inventory: inventory{s}, Records: s}, options)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

type orders struct{ *shop }

func (o orders) Orders(context.Context) iter.Seq2[audit.Order, error] {
	return func(yield func(audit.Order, error) bool) {
		o.at("orders")
		sorted := sortedValues(o.orders, func(order audit.Order) string { return order.Number })
		all(sorted)(yield)
	}
}

func (o orders) Journal(context.Context) iter.Seq2[audit.JournalEntry, error] {
	o.at("journal")
	return all(sortedValues(o.journal, func(e audit.JournalEntry) string { return e.Number }))
}

func (o orders) Find(_ context.Context, number string) (*audit.Order, bool, error) {
	_, journaled := o.journal[number]
	if order, found := o.orders[number]; found {
		return &order, journaled, nil
	}
	return nil, journaled, nil
}

type inventory struct{ *shop }

func (i inventory) Find(_ context.Context, number string) (*audit.Reservation, error) {
	i.at("find")
	if reservation, found := i.reservations[number]; found {
		return &reservation, nil
	}
	return nil, nil
}

func (i inventory) Snapshot(context.Context) (audit.Snapshot, error) {
	i.at("snapshot")
	return snapshot{
		items: slices.Clone(i.items), adjustments: slices.Clone(i.adjustments),
		reservations: sortedValues(i.reservations, func(r audit.Reservation) string { return r.ID }),
	}, nil
}

type snapshot struct {
	items        []audit.Item
	adjustments  []audit.Adjustment
	reservations []audit.Reservation
}

func (s snapshot) Items(context.Context) iter.Seq2[audit.Item, error] { return all(s.items) }
func (s snapshot) Adjustments(context.Context) iter.Seq2[audit.Adjustment, error] {
	return all(s.adjustments)
}
func (s snapshot) Reservations(context.Context) iter.Seq2[audit.Reservation, error] {
	return all(s.reservations)
}
func (s snapshot) Close(context.Context) error { return nil }

func (s *shop) Partitions(context.Context) (int32, error) { return partitions, nil }

func (s *shop) PartitionOf(number string, n int32) int32 {
	sum := fnv.New32a()
	_, _ = sum.Write([]byte(number))
	return int32(sum.Sum32() % uint32(n))
}

func (s *shop) Bounds(_ context.Context, topic string, partition int32) (audit.Bounds, error) {
	s.at("bounds of " + topic)
	return audit.Bounds{Start: s.starts[topic], End: s.end(topic, partition)}, nil
}

func (s *shop) Committed(_ context.Context, topic string, partition int32) (int64, error) {
	if committed, set := s.committed[topic]; set {
		return committed, nil
	}
	return s.end(topic, partition), nil
}

func (s *shop) Read(_ context.Context, topic string, partition int32, bounds audit.Bounds) iter.Seq2[audit.Record, error] {
	var within []audit.Record
	for _, record := range s.records[topic][partition] {
		if record.Offset >= bounds.Start && record.Offset < bounds.End {
			within = append(within, record)
		}
	}
	return all(within)
}

func all[T any](elements []T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, element := range elements {
			if !yield(element, nil) {
				return
			}
		}
	}
}

func sortedValues[T any](from map[string]T, id func(T) string) []T {
	var values []T
	for _, value := range from {
		values = append(values, value)
	}
	slices.SortFunc(values, func(a, b T) int { return cmp.Compare(id(a), id(b)) })
	return values
}
