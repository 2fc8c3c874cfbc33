package batch_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/steadfast-shop/steadfast/shared-kit/batch"
)

var errOdd = errors.New("odd")

// slow takes a second for each batch, whatever its size, and fails odd numbers.
func slow(sizes *[]int) func(context.Context, []int) []error {
	return func(_ context.Context, items []int) []error {
		<-time.After(time.Second)
		*sizes = append(*sizes, len(items))
		results := make([]error, len(items))
		for i, item := range items {
			if item%2 == 1 {
				results[i] = errOdd
			}
		}
		return results
	}
}

func TestConcurrentCallsGoOutTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sizes []int
		b := batch.New(10, time.Minute, slow(&sizes))
		ctx, stop := context.WithCancel(t.Context())
		go func() { _ = b.Run(ctx) }()
		var all sync.WaitGroup
		for i := range 16 {
			all.Go(func() {
				if i > 0 { // the first goes alone; the others come while it is under way
					<-time.After(100 * time.Millisecond)
				}
				if err := b.Do(t.Context(), i); (i%2 == 1) != errors.Is(err, errOdd) {
					t.Errorf("Do(%d): %v", i, err)
				}
			})
		}
		all.Wait()
		if want := []int{1, 10, 5}; !slices.Equal(sizes, want) {
			t.Errorf("batches of %v; want %v", sizes, want)
		}
		stop()
		synctest.Wait()
		if err := b.Do(t.Context(), 2); !errors.Is(err, batch.ErrStopped) {
			t.Errorf("Do after the end: %v; want ErrStopped", err)
		}
	})
}

func TestCallersWhoLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sizes []int
		b := batch.New(10, time.Minute, slow(&sizes))
		ctx, stop := context.WithCancel(t.Context())
		go func() { _ = b.Run(ctx) }()
		impatient, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		var all sync.WaitGroup
		for i := range 3 {
			all.Go(func() {
				<-time.After(time.Duration(i) * 100 * time.Millisecond)
				if err := b.Do(impatient, i); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("Do(%d): %v; want the caller's deadline", i, err)
				}
			})
		}
		all.Wait()
		<-time.After(5 * time.Second)
		synctest.Wait()
		if want := []int{1}; !slices.Equal(sizes, want) {
			t.Errorf("batches of %v; want only the one that was under way when its caller left", sizes)
		}
		stop()
	})
}

func TestBatchHasDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := batch.New(10, time.Second, func(ctx context.Context, _ []int) []error {
			<-ctx.Done()
			return []error{ctx.Err()}
		})
		ctx, stop := context.WithCancel(t.Context())
		go func() { _ = b.Run(ctx) }()
		if err := b.Do(t.Context(), 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Do: %v; want the batch's deadline", err)
		}
		stop()
	})
}

func TestCallsThatWaitAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sizes []int
		b := batch.New(10, time.Minute, slow(&sizes))
		ctx, stop := context.WithCancel(t.Context())
		go func() { _ = b.Run(ctx) }()
		var all sync.WaitGroup
		for i, want := range []error{nil, batch.ErrStopped, batch.ErrStopped} {
			all.Go(func() {
				<-time.After(time.Duration(i) * 100 * time.Millisecond)
				if err := b.Do(t.Context(), 0); !errors.Is(err, want) {
					t.Errorf("call %d: %v; want %v", i, err, want)
				}
			})
		}
		<-time.After(500 * time.Millisecond)
		if waiting := b.Waiting(); waiting != 2 {
			t.Errorf("%d calls wait; want 2", waiting)
		}
		stop()
		all.Wait()
		if waiting := b.Waiting(); waiting != 0 {
			t.Errorf("%d calls wait after the end", waiting)
		}
	})
}
