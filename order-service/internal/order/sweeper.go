package order

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"golang.org/x/sync/errgroup"

	"github.com/steadfast-shop/steadfast/shared-kit/telemetry"
)

// sweepers is how many entries one sweep ends at the same time.
const sweepers = 8

const tracerName = "github.com/steadfast-shop/steadfast/order-service/internal/order"

// sweepTimeout bounds the ending of one entry.
const sweepTimeout = 5 * time.Second

// Sweeper ends what was abandoned: it decides orders that nobody decided, releases the stock of cancelled ones, and sees to it that placed ones are published.
// Every replica runs one; they may work on the same entry.
type Sweeper struct {
	journal   Journal
	decisions Decisions
	inventory Inventory
	outbox    outbox
	after     time.Duration
	now       func() time.Time
	counts    *Counts
	log       *slog.Logger
}

// NewSweeper returns a sweeper of the service's stores. It takes entries older than after, which must be longer than any request lives, for requests to be left in peace:
// a shorter time would cancel orders under way, though it would not break a promise.
func NewSweeper(s *Service, after time.Duration, log *slog.Logger) *Sweeper {
	return &Sweeper{journal: s.journal, decisions: s.decisions, inventory: s.inventory, outbox: s.outbox, after: after, now: s.now, counts: s.counts, log: log}
}

// Run sweeps every sixth of the abandoning time, at most every 5 s, until ctx ends.
func (s *Sweeper) Run(ctx context.Context) error {
	ticker := time.NewTicker(min(s.after/6, 5*time.Second))
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		if err := s.Sweep(ctx); err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, "the sweep did not get through; the next one goes on", "error", err)
		}
	}
}

// Sweep ends every abandoned entry once. An entry that cannot be ended now does not keep the others from being ended.
func (s *Sweeper) Sweep(ctx context.Context) error {
	var (
		group  errgroup.Group
		mu     sync.Mutex
		failed []error
	)
	group.SetLimit(sweepers)
	now, found, oldest := s.now(), int64(0), time.Duration(0)
	err := s.journal.Abandoned(ctx, now.Add(-s.after), func(entry Entry) error {
		found, oldest = found+1, max(oldest, now.Sub(entry.ReceivedAt))
		group.Go(func() error {
			if err := s.end(ctx, entry); err != nil {
				mu.Lock()
				defer mu.Unlock()
				failed = append(failed, fmt.Errorf("end %s: %w", entry.Order, err))
			}
			return nil
		})
		return ctx.Err()
	})
	_ = group.Wait() // its functions return nil: failures are gathered above
	if err == nil {
		s.counts.abandoned.Store(found)
		s.counts.oldest.Store(int64(oldest))
	} else {
		s.counts.unread.Add(1)
	}
	if len(failed) > 0 {
		err = errors.Join(err, failed[0], fmt.Errorf("%d entries left in all", len(failed)))
	}
	return err
}

// end brings one abandoned entry to its end. The decision comes before the release: a Release under any other decision could free stock of a placed order.
func (s *Sweeper) end(ctx context.Context, entry Entry) error {
	ctx, cancel := context.WithTimeout(telemetry.Continue(ctx, entry.TraceParent), sweepTimeout)
	defer cancel()
	ctx, span := otel.Tracer(tracerName).Start(ctx, "end abandoned order")
	defer span.End()
	decision, err := s.decisions.Find(ctx, entry.Order.Number)
	if errors.Is(err, ErrNotFound) {
		// gofail: var faultSweeperWithoutFence struct{}
		// s.outbox.Owe(entry, entry.decide(Cancelled, s.now()))
		// return s.inventory.Release(ctx, entry.Order.Number)
		decision, err = s.cancel(ctx, entry)
	}
	if err != nil {
		span.SetStatus(codes.Error, err.Error())
		return fmt.Errorf("find the decision: %w", err)
	}
	if span.IsRecording() {
		span.SetAttributes(attribute.String("steadfast.order.number", entry.Order.Number), attribute.String("steadfast.order.status", string(decision.Status)))
	}
	if decision.Status == Cancelled {
		if err := s.inventory.Release(ctx, entry.Order.Number); err != nil {
			span.SetStatus(codes.Error, err.Error())
			return fmt.Errorf("release the stock: %w", err)
		}
	}
	s.outbox.Owe(entry, decision)
	return nil
}

// cancel decides against the entry, or returns the decision that somebody else wrote first.
func (s *Sweeper) cancel(ctx context.Context, entry Entry) (Decision, error) {
	decision := entry.decide(Cancelled, s.now().UTC().Truncate(time.Millisecond))
	// gofail: var cancelBefore struct{}
	err := s.decisions.Insert(ctx, decision)
	// gofail: var cancelAfter struct{}
	if errors.Is(err, ErrDuplicate) {
		return findDecided(ctx, s.decisions, entry.Order.Number)
	}
	if err != nil {
		return Decision{}, err
	}
	s.counts.add(Cancelled)
	s.log.InfoContext(ctx, "cancelled an abandoned order", "order", entry.Order.Number)
	return decision, nil
}
