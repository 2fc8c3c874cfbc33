package audit

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// lookAgain looks at everything that is in doubt until it is clear, a bounded number of times. What is left then is certain.
func (r *run) lookAgain(ctx context.Context, holds []suspect, old []JournalEntry, trails []suspect) error {
	var aged []suspect
	for _, entry := range old {
		aged = append(aged, suspect{kind: JournalOld, Case: Case{ID: entry.Number, Detail: "received " + formatTime(entry.ReceivedAt)}})
	}
	for range r.options.Rechecks {
		if len(holds)+len(aged)+len(trails) == 0 {
			return nil
		}
		if err := wait(ctx, r.options.Pause); err != nil {
			return err
		}
		var err error
		if holds, err = filter(holds, func(s suspect) (suspect, bool, error) { return r.holdAgain(ctx, s) }); err != nil {
			return err
		}
		if aged, err = filter(aged, func(s suspect) (suspect, bool, error) { return r.journalAgain(ctx, s) }); err != nil {
			return err
		}
		if trails, err = r.trailsAgain(ctx, trails); err != nil {
			return err
		}
	}
	for _, found := range slices.Concat(holds, aged, trails) {
		r.count(found)
	}
	return nil
}

// holdAgain looks at one order again: its reservation first, then the journal, then the decision.
func (r *run) holdAgain(ctx context.Context, s suspect) (suspect, bool, error) {
	reservation, err := r.sources.Inventory.Find(ctx, s.ID)
	if err != nil {
		return s, false, err
	}
	order, journaled, err := r.sources.Orders.Find(ctx, s.ID)
	if err != nil {
		return s, false, err
	}
	kind, detail := judgeHold(order, reservation, journaled)
	return suspect{kind: kind, Case: Case{s.ID, detail}, surplus: surplusOf(order, reservation)}, kind != "", nil
}

// journalAgain looks at one entry again, and at its decision.
func (r *run) journalAgain(ctx context.Context, s suspect) (suspect, bool, error) {
	order, journaled, err := r.sources.Orders.Find(ctx, s.ID)
	if order != nil && s.kind != JournalLingering {
		s.kind = JournalLingering
		s.Detail += fmt.Sprintf(", %s since %s", order.Status, formatTime(order.DecidedAt))
	}
	return s, journaled, err
}

// filter keeps the suspects that are still in doubt.
func filter(suspects []suspect, again func(suspect) (suspect, bool, error)) ([]suspect, error) {
	var left []suspect
	for _, s := range suspects {
		now, still, err := again(s)
		if err != nil {
			return nil, err
		}
		if still {
			left = append(left, now)
		}
	}
	return left, nil
}

func wait(ctx context.Context, pause time.Duration) error {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return fmt.Errorf("look again: %w", ctx.Err())
	case <-timer.C:
		return nil
	}
}
