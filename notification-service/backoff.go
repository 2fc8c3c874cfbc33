package main

import (
	"context"
	"math/rand/v2"
	"time"
)

// backoff is a pause that doubles from try to try, up to a bound.
type backoff struct{ next, longest time.Duration }

// wait pauses, up to a quarter more or less, so that partitions and replicas do not come back all at once.
func (b *backoff) wait(ctx context.Context) error {
	pause := time.Duration(float64(b.next) * (0.75 + rand.Float64()/2)) //nolint:gosec // no secret
	b.next = min(2*b.next, b.longest)
	return waitFor(ctx, pause)
}

func waitFor(ctx context.Context, pause time.Duration) error {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// outlive returns a context that ends later than ctx, by grace: for what has begun and had better be finished.
func outlive(ctx context.Context, grace time.Duration) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(grace, cancel) })
	return longer, func() {
		stop()
		cancel()
	}
}
