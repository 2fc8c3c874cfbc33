package order

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

const (
	// relayBatch is the most entries that are published, or deleted, together.
	relayBatch = 1024
	// relayCapacity is how many entries a relay holds. What does not fit stays in the journal, where the sweeper finds it.
	relayCapacity = 16 * 1024
	relayTimeout  = 5 * time.Second
	// What is owed gathers for a moment, for batches cost little more than what is in them. A mail may be that much later; a deletion keeps nobody waiting.
	publishLinger = 20 * time.Millisecond
	deleteLinger  = 500 * time.Millisecond
	firstPause    = 100 * time.Millisecond
	longestPause  = 5 * time.Second
)

// Event says that an order was placed.
type Event struct {
	Order Order
	// PlacedAt is when the order was decided.
	PlacedAt time.Time
	// TraceParent is the W3C trace of the request that placed it.
	TraceParent string
}

// Publisher brings events to the broker. It returns how each ended: nil only once the broker has acknowledged it.
type Publisher interface {
	Publish(ctx context.Context, events []Event) []error
}

// Relay pays what decided entries owe, behind the answers and in batches: an event for each placed order, and then the journal entry's deletion. The journal is the outbox;
// the relay only hurries: whatever it loses, the sweeper brings again.
type Relay struct {
	journal   Journal
	publisher Publisher
	log       *slog.Logger

	unpublished chan debt
	settled     chan string // entries that owe nothing but their deletion
	brokerAway  bool        // how the last try to publish ended; only the publishing goroutine touches it

	mu      sync.Mutex
	pending map[string]bool
}

// debt is an entry whose event is owed.
type debt struct {
	number string
	event  Event
}

// NewRelay returns a relay; nothing is paid before Run.
func NewRelay(journal Journal, publisher Publisher, log *slog.Logger) *Relay {
	return &Relay{
		journal:     journal,
		publisher:   publisher,
		log:         log,
		unpublished: make(chan debt, relayCapacity),
		settled:     make(chan string, relayCapacity),
		pending:     make(map[string]bool),
	}
}

// Owe takes over what the decided entry owes: its event if it is the order that was placed, and its deletion. It never waits.
func (r *Relay) Owe(entry Entry, decision Decision) {
	number := entry.Order.Number
	r.mu.Lock()
	defer r.mu.Unlock()
	// The bound keeps both channels from ever filling up.
	if r.pending[number] || len(r.pending) >= relayCapacity {
		return
	}
	r.pending[number] = true
	if decision.Status == Placed && decision.Fingerprint == entry.Fingerprint {
		r.unpublished <- debt{number, Event{Order: entry.Order, PlacedAt: decision.DecidedAt, TraceParent: entry.TraceParent}}
		return
	}
	r.settled <- number
}

// Pending returns how many entries the relay holds.
func (r *Relay) Pending() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.pending)
}

// Run pays until ctx ends; then it makes one last try for what it holds, unless the broker is away.
func (r *Relay) Run(ctx context.Context) error {
	var publishing sync.WaitGroup
	published := make(chan struct{})
	publishing.Go(func() {
		defer close(published)
		forBatches(ctx.Done(), r.unpublished, publishLinger, func(batch []debt) { r.publish(ctx, batch) })
	})
	forBatches(published, r.settled, deleteLinger, func(numbers []string) { r.deleteEntries(ctx, numbers) })
	publishing.Wait()
	return nil
}

// publish brings a batch to the broker, as often as it takes, until ctx ends.
func (r *Relay) publish(ctx context.Context, batch []debt) {
	for wait := firstPause; ctx.Err() == nil || !r.brokerAway; wait = min(2*wait, longestPause) {
		batch = r.tryPublish(ctx, batch)
		r.brokerAway = len(batch) > 0
		if !r.brokerAway {
			return
		}
		_ = pause(ctx, wait) // where ctx ends, the loop does
	}
	for _, d := range batch {
		r.forget(d.number)
	}
}

// tryPublish publishes once, hands what was acknowledged on to be deleted, and returns the rest.
func (r *Relay) tryPublish(ctx context.Context, batch []debt) []debt {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), relayTimeout)
	defer cancel()
	events := make([]Event, len(batch))
	for i, d := range batch {
		events[i] = d.event
	}
	var (
		left    []debt
		failure error
	)
	for i, err := range r.publisher.Publish(ctx, events) {
		if err != nil {
			left, failure = append(left, batch[i]), err
			continue
		}
		r.settled <- batch[i].number
	}
	if len(left) > 0 {
		r.log.WarnContext(ctx, "events wait for the broker", "waiting", len(left), "error", failure)
	}
	return left
}

// deleteEntries removes entries that owe nothing any more. What fails stays for the sweeper.
func (r *Relay) deleteEntries(ctx context.Context, numbers []string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), relayTimeout)
	defer cancel()
	if err := r.journal.Delete(ctx, numbers); err != nil {
		r.log.WarnContext(ctx, "journal entries stay for the sweeper", "entries", len(numbers), "error", fmt.Errorf("delete journal entries: %w", err))
	}
	for _, number := range numbers {
		r.forget(number)
	}
}

func (r *Relay) forget(number string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.pending, number)
}

// forBatches hands what comes from source to handle, all that comes within linger of the first, up to relayBatch. When done closes it hands over what is left and returns.
func forBatches[T any](done <-chan struct{}, source <-chan T, linger time.Duration, handle func([]T)) {
	for {
		var first T
		select {
		case first = <-source:
		case <-done:
			select {
			case first = <-source:
			default:
				return
			}
		}
		handle(gather(done, source, linger, first))
	}
}

// gather makes a batch of the first one and what comes within linger of it.
func gather[T any](done <-chan struct{}, source <-chan T, linger time.Duration, first T) []T {
	batch := []T{first}
	timer := time.NewTimer(linger)
	defer timer.Stop()
	for len(batch) < relayBatch {
		select {
		case next := <-source:
			batch = append(batch, next)
			continue
		case <-timer.C:
		case <-done:
		}
		for len(batch) < relayBatch { // what is there already
			select {
			case next := <-source:
				batch = append(batch, next)
			default:
				return batch
			}
		}
	}
	return batch
}
