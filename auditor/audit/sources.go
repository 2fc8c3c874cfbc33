package audit

import (
	"context"
	"iter"
	"time"
)

// Orders reads order-service's database. Streams end with their first error.
type Orders interface {
	// Orders yields all decisions, sorted by number, byte by byte.
	Orders(ctx context.Context) iter.Seq2[Order, error]
	// Journal yields the entries in flight, in any order.
	Journal(ctx context.Context) iter.Seq2[JournalEntry, error]
	// Find returns the decision of a number and whether it is in flight; nil where it is not decided. It looks into the journal first.
	Find(ctx context.Context, number string) (order *Order, journaled bool, err error)
}

// Inventory reads inventory-service's database.
type Inventory interface {
	// Snapshot freezes the inventory as it is now for reading. The caller closes it.
	Snapshot(ctx context.Context) (Snapshot, error)
	// Find returns the reservation of an order number, nil where there is none.
	Find(ctx context.Context, number string) (*Reservation, error)
}

// Snapshot is the inventory at one moment. One stream at a time is read.
type Snapshot interface {
	// Items yields all rows of stock.
	Items(ctx context.Context) iter.Seq2[Item, error]
	// Adjustments yields all changes by hand.
	Adjustments(ctx context.Context) iter.Seq2[Adjustment, error]
	// Reservations yields all reservations, sorted by id, byte by byte.
	Reservations(ctx context.Context) iter.Seq2[Reservation, error]
	// Close ends the snapshot.
	Close(ctx context.Context) error
}

// Bounds are where the records of a partition begin and end.
type Bounds struct {
	// Start is the offset of the first record that is kept, End that of the next one to be written.
	Start, End int64
}

// Records reads the topics of shared-proto/topics.
type Records interface {
	// Partitions returns how many partitions the topics have; that they do not have equally many is an error.
	Partitions(ctx context.Context) (int32, error)
	// PartitionOf returns where the records of an order number belong.
	PartitionOf(number string, partitions int32) int32
	// Bounds returns where a partition begins and ends now.
	Bounds(ctx context.Context, topic string, partition int32) (Bounds, error)
	// Committed returns up to where notification-service has worked on a partition, -1 where it never began.
	Committed(ctx context.Context, topic string, partition int32) (int64, error)
	// Read yields the records within the bounds, whichever of them are kept.
	Read(ctx context.Context, topic string, partition int32, within Bounds) iter.Seq2[Record, error]
}

// Sources is where an audit looks.
type Sources struct {
	Orders    Orders
	Inventory Inventory
	Records   Records
}

// Options says how to look. The zero value of a field means its default.
type Options struct {
	// JournalAge is how old a journal entry may be. Default 2 minutes.
	JournalAge time.Duration
	// Grace is how old an order or a reservation must be for the two to be compared. It covers clocks that differ. Default 10 s; negative for none.
	Grace time.Duration
	// Rechecks is how often a suspect is looked at again before it counts, and Pause is the time before each look. Defaults 3 and 2 s; negative Rechecks for
	// none, so that every suspect counts.
	Rechecks int
	Pause    time.Duration
	// MaxCases is how many cases of each kind are listed, and checked again; more are only counted. Default 1,000; negative for all, which takes memory for each.
	MaxCases int
	// Dir is the folder for the files that one audit writes and deletes: about 60 bytes for each placed order. Default: the system's.
	Dir string
	// Now tells the time. Default time.Now.
	Now func() time.Time
}

func (o Options) withDefaults() Options {
	if o.JournalAge == 0 {
		o.JournalAge = 2 * time.Minute
	}
	if o.Grace == 0 {
		o.Grace = 10 * time.Second
	}
	o.Grace = max(o.Grace, 0)
	if o.Rechecks == 0 {
		o.Rechecks = 3
	}
	o.Rechecks = max(o.Rechecks, 0)
	if o.Pause == 0 {
		o.Pause = 2 * time.Second
	}
	if o.MaxCases == 0 {
		o.MaxCases = 1000
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}
