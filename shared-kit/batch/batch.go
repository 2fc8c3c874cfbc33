// Package batch lets concurrent calls go out together: while one batch is under way, the calls that come in wait and make the next one. A call that comes alone goes at once.
package batch

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// ErrStopped answers calls that come after the batcher's end.
var ErrStopped = errors.New("the batcher has stopped")

// Batcher joins calls with items of type T.
type Batcher[T any] struct {
	limit   int
	timeout time.Duration
	run     func(ctx context.Context, items []T) []error
	arrived chan struct{} // wakes Run

	mu      sync.Mutex
	waiting []call[T]
	stopped bool
}

// call is one waiting caller.
type call[T any] struct {
	ctx    context.Context //nolint:containedctx // the caller's: tells whether anybody still waits
	item   T
	result chan<- error
}

// New returns a batcher whose run does up to limit items at once, within timeout, and answers each item by its place.
func New[T any](limit int, timeout time.Duration, run func(ctx context.Context, items []T) []error) *Batcher[T] {
	return &Batcher[T]{limit: limit, timeout: timeout, run: run, arrived: make(chan struct{}, 1)}
}

// Do hands the item to the next batch and returns how it ended. Where ctx ends first the item may still be done.
func (b *Batcher[T]) Do(ctx context.Context, item T) error {
	result := make(chan error, 1)
	if !b.add(call[T]{ctx, item, result}) {
		return ErrStopped
	}
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
		return fmt.Errorf("wait for the batch's answer: %w", ctx.Err())
	}
}

// add lets the call wait, unless the batcher has stopped. Only the first that waits wakes Run: it finds the others by itself.
func (b *Batcher[T]) add(c call[T]) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stopped {
		return false
	}
	b.waiting = append(b.waiting, c)
	if len(b.waiting) == 1 {
		select {
		case b.arrived <- struct{}{}:
		default:
		}
	}
	return true
}

// take ends the wait of up to limit calls.
func (b *Batcher[T]) take() []call[T] {
	b.mu.Lock()
	defer b.mu.Unlock()
	batch := b.waiting[:min(len(b.waiting), b.limit)]
	b.waiting = append(make([]call[T], 0, len(batch)), b.waiting[len(batch):]...)
	return batch
}

// Waiting returns how many calls have come and are in no batch yet.
func (b *Batcher[T]) Waiting() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.waiting)
}

// Run does batches, one after the other, until ctx ends. One that is under way then is done to its end.
func (b *Batcher[T]) Run(ctx context.Context) error {
	defer b.stop()
	for {
		select {
		case <-b.arrived:
		case <-ctx.Done():
			return nil
		}
		// All in this goroutine, whose stack has grown to what a batch needs.
		for ctx.Err() == nil && b.Waiting() > 0 {
			b.flush(ctx, b.take())
		}
	}
}

// stop refuses the calls that still wait, and all that come later.
func (b *Batcher[T]) stop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stopped = true
	for _, c := range b.waiting {
		c.result <- ErrStopped
	}
	b.waiting = nil
}

// flush does one batch, without the calls whose callers have gone.
func (b *Batcher[T]) flush(ctx context.Context, batch []call[T]) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), b.timeout)
	defer cancel()
	var (
		items   []T
		results []chan<- error
	)
	for _, c := range batch {
		if c.ctx.Err() == nil {
			items, results = append(items, c.item), append(results, c.result)
		}
	}
	if len(items) == 0 {
		return
	}
	for i, err := range b.run(ctx, items) {
		results[i] <- err
	}
}
