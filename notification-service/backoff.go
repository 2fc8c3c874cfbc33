package main

import (
	"context"
	"math/rand/v2"
	"time"
)

// backoff is a pause that doubles from try to try, up to a bound.
type backoff struct{ next, longest time.Duration }

// wait pauses, up to a quarter more or less, so that partitions and replicas do not come back all at once. The clock is the chance, so that a test with a clock of its own repeats it.
func (b *backoff) wait(ctx context.Context) error {
	chance := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0)).Float64() //nolint:gosec // no secret
	pause := time.Duration(float64(b.next) * (0.75 + chance/2))
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
