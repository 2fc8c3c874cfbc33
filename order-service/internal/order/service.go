package order

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	// reserveTimeout bounds one Reserve. What is left of the request's time is needed to write the decision or to tell of the time-out.
	reserveTimeout = 1500 * time.Millisecond
	// reportTime is the slice of a request's time that is kept to report that the rest has run out.
	reportTime = 100 * time.Millisecond
	// settlePause is how long to wait for a write of somebody else to become visible to majority reads.
	settlePause = 10 * time.Millisecond
)

// Journal is the collection of orders that still owe something.
type Journal interface {
	// Insert adds an entry; ErrDuplicate where the number is in flight already.
	Insert(ctx context.Context, entry Entry) error
	// Find returns the number's entry, or ErrNotFound.
	Find(ctx context.Context, number string) (Entry, error)
	// Abandoned calls visit for each entry received before the given time, until visit returns an error.
	Abandoned(ctx context.Context, before time.Time, visit func(Entry) error) error
	// Delete removes the entries of the numbers; one that is not there is no error.
	Delete(ctx context.Context, numbers []string) error
}

// Decisions is the collection of fates: each is inserted once and never changes.
type Decisions interface {
	// Insert writes a decision; ErrDuplicate where the number is decided already.
	Insert(ctx context.Context, decision Decision) error
	// Find returns the number's decision, or ErrNotFound.
	Find(ctx context.Context, number string) (Decision, error)
	// Placed returns up to limit placed orders of the user, oldest first, that follow after (the zero Decision: from the start).
	Placed(ctx context.Context, userID string, after Decision, limit int) ([]Decision, error)
}

// Inventory holds stock under order numbers; both calls may be repeated.
type Inventory interface {
	// Reserve takes the stock of all lines, or none, and tells whether it is held. ErrHeldOtherwise: the number is known with other lines.
	Reserve(ctx context.Context, number string, lines []Line) (held bool, err error)
	// Release gives back what the number holds, and keeps a late Reserve from holding anything.
	Release(ctx context.Context, number string) error
}

// outbox takes what a decided entry still owes.
type outbox interface {
	Owe(entry Entry, decision Decision)
}

// Service places orders and tells their fates. It is safe for concurrent use, and for several replicas on the same stores.
type Service struct {
	journal   Journal
	decisions Decisions
	inventory Inventory
	outbox    outbox
	now       func() time.Time
	counts    *Counts
}

// NewService returns a Service; now is the clock.
func NewService(journal Journal, decisions Decisions, inventory Inventory, owed outbox, now func() time.Time) *Service {
	return &Service{journal: journal, decisions: decisions, inventory: inventory, outbox: owed, now: now, counts: &Counts{}}
}

// Place decides the order, or joins in where the same order is under way, and returns its fate: Placed, Rejected or Cancelled.
// ErrTaken: the number belongs to a different order. Any other error leaves the fate open; asking again with the same number tells it.
func (s *Service) Place(ctx context.Context, o Order, traceParent string) (Status, error) {
	entry := Entry{Order: o, Fingerprint: o.Fingerprint(), ReceivedAt: s.timestamp(), TraceParent: traceParent}
	mine, err := s.journalOrder(ctx, entry)
	if err != nil {
		return "", err
	}
	if !mine {
		return s.answerTaken(ctx, entry)
	}
	// gofail: var faultPublishBeforeDecision struct{}
	// s.outbox.Owe(entry, entry.decide(Placed, s.timestamp()))
	held, err := s.reserve(ctx, o)
	if errors.Is(err, ErrHeldOtherwise) {
		return "", ErrTaken
	}
	if err != nil {
		return "", err
	}
	status := Rejected
	if held {
		status = Placed
	}
	// gofail: var faultAnswerBeforeDecision struct{}
	// go s.decide(context.WithoutCancel(ctx), entry, status)
	// return status, nil
	return s.decide(ctx, entry, status)
}

// journalOrder puts the entry into the journal. It returns false where the number is in flight with another fingerprint; with the same one the request joins in,
// for everybody may repeat every later step.
func (s *Service) journalOrder(ctx context.Context, entry Entry) (mine bool, err error) {
	for {
		// gofail: var journalBefore struct{}
		err := s.journal.Insert(ctx, entry)
		// gofail: var journalAfter struct{}
		if err == nil {
			return true, nil
		}
		if !errors.Is(err, ErrDuplicate) {
			return false, fmt.Errorf("journal the order: %w", err)
		}
		standing, err := s.journal.Find(ctx, entry.Order.Number)
		if err == nil {
			return standing.Fingerprint == entry.Fingerprint, nil
		}
		if !errors.Is(err, ErrNotFound) {
			return false, fmt.Errorf("read the journal: %w", err)
		}
		// It has just been ended, or is not visible to majority reads yet.
		if err := pause(ctx, settlePause); err != nil {
			return false, err
		}
	}
}

// answerTaken answers for a number that is in flight with another fingerprint: only a decision can speak for us.
func (s *Service) answerTaken(ctx context.Context, entry Entry) (Status, error) {
	decision, err := s.decisions.Find(ctx, entry.Order.Number)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return "", fmt.Errorf("read the decision: %w", err)
	}
	if err == nil && decision.Status == Placed && decision.Fingerprint == entry.Fingerprint {
		return Placed, nil
	}
	return "", ErrTaken
}

func (s *Service) reserve(ctx context.Context, o Order) (held bool, err error) {
	timeout := reserveTimeout
	if deadline, bounded := ctx.Deadline(); bounded {
		timeout = min(timeout, time.Until(deadline)-reportTime)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	held, err = s.inventory.Reserve(ctx, o.Number, o.Lines)
	if err != nil {
		return false, fmt.Errorf("reserve the stock: %w", err)
	}
	return held, nil
}

// decide writes the decision, or yields to the one that stands.
func (s *Service) decide(ctx context.Context, entry Entry, status Status) (Status, error) {
	decision := entry.decide(status, s.timestamp())
	// gofail: var decisionBefore struct{}
	err := s.decisions.Insert(ctx, decision)
	// gofail: var decisionAfter struct{}
	if err == nil {
		s.counts.add(status)
		s.outbox.Owe(entry, decision)
		return status, nil
	}
	if !errors.Is(err, ErrDuplicate) {
		// gofail: var faultReleaseWithoutDecision struct{}
		// _ = s.inventory.Release(context.WithoutCancel(ctx), entry.Order.Number)
		return "", fmt.Errorf("write the decision: %w", err)
	}
	standing, err := findDecided(ctx, s.decisions, entry.Order.Number)
	if err != nil {
		return "", err
	}
	if standing.Fingerprint != entry.Fingerprint {
		return "", ErrTaken
	}
	return standing.Status, nil
}

// Fate returns where the user's order stands: its decision, or a Pending one made of its journal entry. ErrNotFound: the user has no such order.
func (s *Service) Fate(ctx context.Context, userID, number string) (Decision, error) {
	decision, err := s.decisions.Find(ctx, number)
	if errors.Is(err, ErrNotFound) {
		entry, pendingErr := s.journal.Find(ctx, number)
		switch {
		case pendingErr == nil:
			decision, err = entry.decide(Pending, time.Time{}), nil
		case errors.Is(pendingErr, ErrNotFound):
			// An entry leaves the journal only after its decision is written, so a second look cannot miss it.
			decision, err = s.decisions.Find(ctx, number)
		default:
			return Decision{}, fmt.Errorf("read the journal: %w", pendingErr)
		}
	}
	if err != nil {
		return Decision{}, fmt.Errorf("read the decision: %w", err)
	}
	if decision.UserID != userID {
		return Decision{}, ErrNotFound
	}
	return decision, nil
}

// Placed returns up to limit placed orders of the user, oldest first, that follow the order with the number after ("": from the start), and whether more follow.
// ErrNotFound: after is no placed order of the user.
func (s *Service) Placed(ctx context.Context, userID, after string, limit int) (orders []Decision, more bool, err error) {
	var last Decision
	if after != "" {
		last, err = s.decisions.Find(ctx, after)
		if err == nil && (last.UserID != userID || last.Status != Placed) {
			err = ErrNotFound
		}
		if err != nil {
			return nil, false, fmt.Errorf("find the order to go on after: %w", err)
		}
	}
	orders, err = s.decisions.Placed(ctx, userID, last, limit+1)
	if err != nil {
		return nil, false, fmt.Errorf("list the orders: %w", err)
	}
	if len(orders) > limit {
		return orders[:limit], true, nil
	}
	return orders, false, nil
}

// timestamp returns the time in the precision that the stores keep.
func (s *Service) timestamp() time.Time { return s.now().UTC().Truncate(time.Millisecond) }

// findDecided returns the decision of a number that is known to be decided. A duplicate shows before majority reads do: they are asked again.
func findDecided(ctx context.Context, decisions Decisions, number string) (Decision, error) {
	for {
		decision, err := decisions.Find(ctx, number)
		if err == nil {
			return decision, nil
		}
		if !errors.Is(err, ErrNotFound) {
			return Decision{}, fmt.Errorf("read the decision: %w", err)
		}
		if err := pause(ctx, settlePause); err != nil {
			return Decision{}, err
		}
	}
}

// pause waits, unless the context ends first.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for the stores to settle: %w", ErrUnavailable)
	}
}
