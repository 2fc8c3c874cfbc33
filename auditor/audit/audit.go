// Package audit holds the rules by which the whole system is checked: what the databases and the topics hold must add up. It reads only.
//
// A live system changes while it is read, so that the order of the reads matters. What happens to an order happens in this order, and each step stays once it is there:
//
//	journal entry → reservation and stock (one statement) → decision → event → journal entry deleted → mail → ledger entry → offset committed
//
// An audit reads in this order:
//
//  1. the group's committed offsets and the topics' ends ("marks");
//  2. a snapshot of the inventory, and beside it the orders, which only grow;
//  3. the journal;
//  4. the committed offsets of the retry topic, and then the topics up to their ends now.
//
// Events and ledger entries before the marks must have an order, for that was there before the orders were read. Every order of step 2 must have an event in step 4 unless the
// journal of step 3 has it, for the event is out before its entry is deleted. Every event before the committed offsets must have its outcome in step 4: ledger entry, dead
// letter, or a retry that is not released yet; one that was released by step 4 is followed by a younger event, which is then the one that counts. The stock's own equation is
// checked within the snapshot, which is exact. What is left are orders that change between snapshot and step 2 or 3: those are suspects only, they are looked at again after a
// pause, reservation first, then journal, then order, and count if they are the same each time.
package audit

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/steadfast-shop/steadfast/auditor/internal/spool"
	"github.com/steadfast-shop/steadfast/shared-proto/topics"
)

// run is one audit under way.
type run struct {
	sources Sources
	options Options
	started time.Time
	counts  Counts
	certain *collector

	partitions int32
	marks      []marks // by partition
	accounts   accounts
	spool      *spool.Spool
	journal    map[hash]struct{}
}

// marks are what a partition had when the audit began.
type marks struct {
	events, ledger Bounds
	committed      int64
	// firstEvent is when the first event that is kept was written. Orders decided before may have lost theirs to the topic's retention; zero where nothing was deleted.
	firstEvent time.Time
	// firstMail is the same for the ledger.
	firstMail time.Time
}

// Run looks at everything once, and again at what may be under way. An error means that it could not look; nothing is known then.
func Run(ctx context.Context, sources Sources, options Options) (report Report, err error) {
	r := &run{sources: sources, options: options.withDefaults(), accounts: make(accounts)}
	r.started, r.certain = r.options.Now(), newCollector(r.options.MaxCases)
	if err := r.takeMarks(ctx); err != nil {
		return Report{}, err
	}
	if r.spool, err = spool.New(r.options.Dir, int(r.partitions)); err != nil {
		return Report{}, err
	}
	defer func() { err = errors.Join(err, r.spool.Close()) }()
	holds, err := r.compareHolds(ctx)
	if err != nil {
		return Report{}, err
	}
	old, err := r.readJournal(ctx, true)
	if err != nil {
		return Report{}, err
	}
	trails, err := r.followAll(ctx)
	if err != nil {
		return Report{}, err
	}
	if err := r.lookAgain(ctx, holds, old, trails); err != nil {
		return Report{}, err
	}
	r.accounts.judge(func(kind Kind, found Case) { r.certain.add(kind, found) })
	return Report{StartedAt: r.started.UTC(), Duration: r.options.Now().Sub(r.started), Counts: r.counts, Findings: r.certain.findings()}, nil
}

func (r *run) takeMarks(ctx context.Context) (err error) {
	records := r.sources.Records
	if r.partitions, err = records.Partitions(ctx); err != nil {
		return err
	}
	r.marks = make([]marks, r.partitions)
	for p := range r.partitions {
		m := &r.marks[p]
		if m.committed, err = records.Committed(ctx, topics.OrderPlaced, p); err != nil {
			return err
		}
		if m.events, err = records.Bounds(ctx, topics.OrderPlaced, p); err != nil {
			return err
		}
		if m.ledger, err = records.Bounds(ctx, topics.NotificationLedger, p); err != nil {
			return err
		}
		if m.firstEvent, err = r.firstKept(ctx, topics.OrderPlaced, p, m.events); err != nil {
			return err
		}
		if m.firstMail, err = r.firstKept(ctx, topics.NotificationLedger, p, m.ledger); err != nil {
			return err
		}
	}
	return nil
}

// clockMargin is how much the clocks of those who write may differ.
const clockMargin = time.Minute

// firstKept returns before which time orders may have lost their event to the retention: never, where nothing was deleted; now, where nothing is kept.
func (r *run) firstKept(ctx context.Context, topic string, partition int32, bounds Bounds) (time.Time, error) {
	if bounds.Start == 0 {
		return time.Time{}, nil
	}
	for record, err := range r.sources.Records.Read(ctx, topic, partition, bounds) {
		if err != nil {
			return time.Time{}, err
		}
		return record.At.Add(clockMargin), nil
	}
	return r.started, nil
}

// compareHolds reads the inventory and the orders, and returns the orders that do not agree with their reservations.
func (r *run) compareHolds(ctx context.Context) (suspects []suspect, err error) {
	snapshot, err := r.sources.Inventory.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, snapshot.Close(context.WithoutCancel(ctx))) }()
	for item, err := range snapshot.Items(ctx) {
		if err != nil {
			return nil, err
		}
		r.counts.SKUs++
		r.accounts.item(item)
	}
	for adjustment, err := range snapshot.Adjustments(ctx) {
		if err != nil {
			return nil, err
		}
		r.counts.Adjustments++
		r.accounts.adjustment(adjustment)
	}
	orders, stopOrders := iter.Pull2(r.sources.Orders.Orders(ctx))
	defer stopOrders()
	reservations, stopReservations := iter.Pull2(snapshot.Reservations(ctx))
	defer stopReservations()
	err = joinSorted(next[Order](orders), next[Reservation](reservations), func(order *Order, reservation *Reservation) error {
		if err := r.note(order, reservation); err != nil {
			return err
		}
		kind, detail := judgeHold(order, reservation, false)
		switch {
		case kind == "":
		case r.isYoung(order, reservation):
			r.counts.Young++
		default:
			suspects = r.suspect(suspects, suspect{kind: kind, Case: Case{numberOf(order, reservation), detail}, surplus: surplusOf(order, reservation)})
		}
		return nil
	})
	return suspects, err
}

// note counts both, and keeps what is needed later.
func (r *run) note(order *Order, reservation *Reservation) error {
	if reservation != nil {
		r.counts.Reservations++
		r.accounts.reservation(*reservation)
	}
	if order == nil {
		return nil
	}
	r.counts.Orders++
	if order.Status != Placed {
		return nil
	}
	r.counts.Placed++
	partition := r.sources.Records.PartitionOf(order.Number, r.partitions)
	return r.spool.Add(partition, spool.Entry{Number: order.Number, Digest: digest(order.UserID, order.Lines), DecidedAt: order.DecidedAt.UnixMilli()})
}

func numberOf(order *Order, reservation *Reservation) string {
	if order != nil {
		return order.Number
	}
	return reservation.ID
}

// isYoung tells what was under way when the audit began, or began later.
func (r *run) isYoung(order *Order, reservation *Reservation) bool {
	since := r.started.Add(-r.options.Grace)
	return order != nil && order.DecidedAt.After(since) || reservation != nil && reservation.CreatedAt.After(since)
}

// suspect keeps a suspect to be looked at again. Those of a kind that has too many count at once: nothing under way is that much.
func (r *run) suspect(suspects []suspect, found suspect) []suspect {
	if r.options.MaxCases > 0 && len(suspects) >= r.options.MaxCases {
		r.count(found)
		return suspects
	}
	return append(suspects, found)
}

func (r *run) count(found suspect) {
	r.certain.add(found.kind, found.Case)
	r.accounts.surplus(found.surplus)
}

// readJournal reads who is in flight. Where it counts, it also returns the entries that are too old.
func (r *run) readJournal(ctx context.Context, counting bool) (old []JournalEntry, err error) {
	r.journal = make(map[hash]struct{})
	for entry, err := range r.sources.Orders.Journal(ctx) {
		if err != nil {
			return nil, err
		}
		r.journal[hashOf(entry.Number)] = struct{}{}
		if !counting {
			continue
		}
		age := r.options.Now().Sub(entry.ReceivedAt)
		r.counts.Journal++
		r.counts.JournalOldest = max(r.counts.JournalOldest, age)
		switch {
		case age <= r.options.JournalAge:
		case r.options.MaxCases > 0 && len(old) >= r.options.MaxCases:
			r.certain.add(JournalOld, Case{entry.Number, "received " + formatTime(entry.ReceivedAt)})
		default:
			old = append(old, entry)
		}
	}
	return old, nil
}

func formatTime(t time.Time) string { return t.UTC().Format(time.RFC3339) }
