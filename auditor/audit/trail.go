package audit

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/steadfast-shop/steadfast/shared-proto/topics"
)

// What a trail has.
const (
	hasOrder   = 1 << iota // an order that is placed
	hasEvent               // an event on its own partition
	hasMail                // an entry in the ledger
	hasOutcome             // a dead letter, or a retry that waits
)

// trail is what one order number has on its partition's topics. The trails of one partition are all that an audit holds in memory of orders at a time.
type trail struct {
	digest uint64
	last   int64 // the offset of its last event
	has    uint8
}

// follower follows the trails of one partition.
type follower struct {
	*run
	partition int32
	marks     marks
	// first tells the first look, at which is counted.
	first    bool
	trails   map[hash]trail
	suspects []suspect
}

// followAll follows the trails of all partitions, one after the other, and returns what does not agree.
func (r *run) followAll(ctx context.Context) (suspects []suspect, err error) {
	for partition := range r.partitions {
		found, err := r.follow(ctx, partition, true)
		if err != nil {
			return nil, err
		}
		suspects = append(suspects, found...)
	}
	return suspects, nil
}

// trailsAgain follows the partitions of the suspects again, with the journal as it is now, and returns the suspects that are so still.
func (r *run) trailsAgain(ctx context.Context, suspects []suspect) (left []suspect, err error) {
	if len(suspects) == 0 {
		return nil, nil
	}
	if _, err := r.readJournal(ctx, false); err != nil {
		return nil, err
	}
	type key struct {
		kind Kind
		id   string
	}
	before, partitions := make(map[key]bool, len(suspects)), make(map[int32]bool)
	for _, s := range suspects {
		before[key{s.kind, s.ID}], partitions[s.partition] = true, true
	}
	for partition := range partitions {
		found, err := r.follow(ctx, partition, false)
		if err != nil {
			return nil, err
		}
		left = append(left, slices.DeleteFunc(found, func(s suspect) bool { return !before[key{s.kind, s.ID}] })...)
	}
	return left, nil
}

func (r *run) follow(ctx context.Context, partition int32, first bool) ([]suspect, error) {
	f := &follower{run: r, partition: partition, marks: r.marks[partition], first: first, trails: make(map[hash]trail)}
	if err := f.loadOrders(); err != nil {
		return nil, err
	}
	released, err := r.sources.Records.Committed(ctx, topics.OrderPlacedRetry, partition) // before the events: what was released by now is among them
	if err != nil {
		return nil, err
	}
	if err := f.readEvents(ctx); err != nil {
		return nil, err
	}
	if err := f.readOutcomes(ctx, released); err != nil {
		return nil, err
	}
	if err := f.readMails(ctx); err != nil {
		return nil, err
	}
	if err := f.judgeOrders(); err != nil {
		return nil, err
	}
	return filter(f.suspects, func(s suspect) (suspect, bool, error) { return r.orderAgain(ctx, s) })
}

// orderAgain clears what has no order among those that were loaded, but has one that is older.
func (r *run) orderAgain(ctx context.Context, s suspect) (suspect, bool, error) {
	if s.kind != EventWithoutOrder && s.kind != MailWithoutOrder {
		return s, true, nil
	}
	order, _, err := r.sources.Orders.Find(ctx, s.ID)
	if err != nil {
		return s, false, err
	}
	if order != nil {
		s.Detail += "; the order is " + order.Status
	}
	return s, order == nil || order.Status != Placed, nil
}

// loadOrders takes in the placed orders that an event or a ledger entry can be kept of.
func (f *follower) loadOrders() error {
	since := f.marks.firstEvent
	if f.marks.firstMail.Before(since) {
		since = f.marks.firstMail
	}
	horizon := since.Add(-2 * clockMargin).UnixMilli()
	for entry, err := range f.spool.Read(f.partition) {
		if err != nil {
			return err
		}
		if entry.DecidedAt >= horizon {
			f.trails[hashOf(entry.Number)] = trail{digest: entry.Digest, has: hasOrder}
		}
	}
	return nil
}

// doubt notes a suspect. At later looks those that are too many have been counted.
func (f *follower) doubt(kind Kind, number, format string, values ...any) {
	if !f.first && f.options.MaxCases > 0 && len(f.suspects) >= f.options.MaxCases {
		return
	}
	f.suspects = f.suspect(f.suspects, suspect{kind: kind, Case: Case{number, fmt.Sprintf(format, values...)}, partition: f.partition})
}

// tally counts at the first look.
func (f *follower) tally(count *int64) {
	if f.first {
		*count++
	}
}

// readAll visits a topic's records up to its end now.
func (f *follower) readAll(ctx context.Context, topic string, visit func(Record)) error {
	bounds, err := f.sources.Records.Bounds(ctx, topic, f.partition)
	if err != nil {
		return err
	}
	for record, err := range f.sources.Records.Read(ctx, topic, f.partition, bounds) {
		if err != nil {
			return err
		}
		visit(record)
	}
	return nil
}

func (f *follower) readEvents(ctx context.Context) error {
	handled, err := f.sources.Records.Committed(ctx, topics.OrderPlaced, f.partition)
	if err != nil {
		return err
	}
	return f.readAll(ctx, topics.OrderPlaced, func(record Record) {
		event := record.Event
		if event == nil {
			f.tally(&f.counts.NotEvents)
			return
		}
		f.tally(&f.counts.Events)
		if right := f.sources.Records.PartitionOf(event.Number, f.partitions); right != f.partition {
			if record.Offset >= handled && record.Offset < f.marks.events.End { // else it was sent on, and the other partition has it
				f.doubt(EventMisplaced, event.Number, "offset %d of partition %d; its partition is %d", record.Offset, f.partition, right)
			}
			return
		}
		f.addEvent(record)
	})
}

func (f *follower) addEvent(record Record) {
	event, key := record.Event, hashOf(record.Event.Number)
	t := f.trails[key]
	switch {
	case t.has&hasOrder != 0:
		if digest(event.UserID, event.Lines) != t.digest {
			f.doubt(EventDiffers, event.Number, "offset %d of partition %d; it has %s", record.Offset, f.partition, describe(event.Lines))
		}
	case t.has&hasEvent == 0 && record.Offset < f.marks.events.End: // once for each number
		f.doubt(EventWithoutOrder, event.Number, "offset %d of partition %d", record.Offset, f.partition)
	}
	t.last, t.has = record.Offset, t.has|hasEvent
	f.trails[key] = t
}

// readOutcomes reads the dead letters, and the retries that are not released yet.
func (f *follower) readOutcomes(ctx context.Context, released int64) error {
	letters := make(map[int64]hash) // by offset: a letter that was sent through again is no outcome any more
	err := f.readAll(ctx, topics.OrderPlacedDLQ, func(record Record) {
		if record.Redriven != nil {
			delete(letters, *record.Redriven)
			return
		}
		letters[record.Offset] = hashOf(numberOfRecord(record))
	})
	if err != nil {
		return err
	}
	for _, key := range letters {
		f.tally(&f.counts.DeadLetters)
		f.mark(key, hasOutcome)
	}
	return f.readAll(ctx, topics.OrderPlacedRetry, func(record Record) {
		if record.Offset >= released {
			f.tally(&f.counts.Retrying)
			f.mark(hashOf(numberOfRecord(record)), hasOutcome)
		}
	})
}

func (f *follower) mark(key hash, has uint8) {
	if t, known := f.trails[key]; known {
		t.has |= has
		f.trails[key] = t
	}
}

func numberOfRecord(record Record) string {
	if record.Event != nil {
		return record.Event.Number
	}
	return record.Key
}

func (f *follower) readMails(ctx context.Context) error {
	return f.readAll(ctx, topics.NotificationLedger, func(record Record) {
		key := hashOf(record.Key)
		t := f.trails[key]
		if record.Gone {
			t.has &^= hasMail
			f.trails[key] = t
			f.suspects = slices.DeleteFunc(f.suspects, func(s suspect) bool { return s.kind == MailWithoutOrder && s.ID == record.Key })
			return
		}
		f.tally(&f.counts.Mails)
		if t.has&(hasOrder|hasMail) == 0 && record.Offset < f.marks.ledger.End {
			f.doubt(MailWithoutOrder, record.Key, "offset %d of partition %d", record.Offset, f.partition)
		}
		t.has |= hasMail
		f.trails[key] = t
	})
}

// judgeOrders goes through the placed orders once more, now that the trails are complete.
func (f *follower) judgeOrders() error {
	for entry, err := range f.spool.Read(f.partition) {
		if err != nil {
			return err
		}
		key := hashOf(entry.Number)
		_, journaled := f.journal[key]
		switch judgeTrail(f.trails[key], entry.DecidedAt < f.marks.firstEvent.UnixMilli(), journaled, f.marks.committed) {
		case complete:
		case expired:
			f.tally(&f.counts.EventsExpired)
		case waiting:
			f.tally(&f.counts.Waiting)
		case eventMissing:
			f.doubt(OrderWithoutEvent, entry.Number, "placed %s, partition %d", formatTime(time.UnixMilli(entry.DecidedAt)), f.partition)
		case mailMissing:
			f.doubt(EventWithoutMail, entry.Number, "offset %d of partition %d; the group is at %d", f.trails[key].last, f.partition, f.marks.committed)
		}
	}
	return nil
}

// verdict is what a placed order's trail says.
type verdict int

const (
	complete verdict = iota
	waiting
	expired
	eventMissing
	mailMissing
)

// judgeTrail judges a placed order. old says that the topic's retention may have taken its event, journaled that its event may be owed, committed up to where the consumer has
// worked, -1 where it never began.
func judgeTrail(t trail, old, journaled bool, committed int64) verdict {
	switch {
	case t.has&hasEvent == 0 && journaled:
		return waiting
	case t.has&hasEvent == 0 && old:
		return expired
	case t.has&hasEvent == 0:
		return eventMissing
	case t.has&hasMail != 0:
		return complete
	case t.has&hasOutcome != 0, t.last >= committed: // never begun (-1) is below every offset
		return waiting
	default:
		return mailMissing
	}
}
