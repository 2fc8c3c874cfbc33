// Package batch lets concurrent calls go out together: while one batch is under way, the calls that come in wait and make the next one. A call that comes alone goes at once.
package batch

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// ErrStopped answers calls that come after the batcher's end.
var ErrStopped = errors.New("the batcher has stopped")

// Batcher joins calls with items of type T.
type Batcher[T any] struct {
	calls   chan call[T]
	stopped chan struct{}
	waiting atomic.Int64
	limit   int
	timeout time.Duration
	run     func(ctx context.Context, items []T) []error
}

// call is one waiting caller.
type call[T any] struct {
	ctx    context.Context //nolint:containedctx // the caller's: tells whether anybody still waits
	item   T
	result chan<- error
}

// New returns a batcher whose run does up to limit items at once, within timeout, and answers each item by its place.
func New[T any](limit int, timeout time.Duration, run func(ctx context.Context, items []T) []error) *Batcher[T] {
	return &Batcher[T]{calls: make(chan call[T]), stopped: make(chan struct{}), limit: limit, timeout: timeout, run: run}
}

// Do hands the item to the next batch and returns how it ended. Where ctx ends first the item may still be done.
func (b *Batcher[T]) Do(ctx context.Context, item T) error {
	result := make(chan error, 1)
	b.waiting.Add(1)
	select {
	case b.calls <- call[T]{ctx, item, result}:
	case <-ctx.Done():
		b.waiting.Add(-1)
		return fmt.Errorf("wait for a batch: %w", ctx.Err())
	case <-b.stopped:
		b.waiting.Add(-1)
		return ErrStopped
	}
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
		return fmt.Errorf("wait for the batch's answer: %w", ctx.Err())
	}
}

// Waiting returns how many calls have come and are in no batch yet.
func (b *Batcher[T]) Waiting() int { return int(b.waiting.Load()) }

// Run gathers and does batches, one after the other, until ctx ends.
func (b *Batcher[T]) Run(ctx context.Context) error {
	defer close(b.stopped)
	results := make(chan struct{}, 1)
	results <- struct{}{} // the right to start a batch
	var waiting []call[T]
	for {
		calls, start := b.calls, results
		if len(waiting) == 0 {
			start = nil
		}
		if len(waiting) >= b.limit {
			calls = nil
		}
		select {
		case c := <-calls:
			waiting = append(waiting, c)
		case <-start:
			batch := waiting
			waiting = nil
			b.waiting.Add(-int64(len(batch)))
			go func() {
				defer func() { results <- struct{}{} }()
				b.flush(ctx, batch)
			}()
		case <-ctx.Done():
			b.waiting.Add(-int64(len(waiting)))
			for _, c := range waiting {
				c.result <- ErrStopped
			}
			return nil
		}
	}
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
