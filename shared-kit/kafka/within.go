package kafka

import (
	"context"
	"fmt"
	"time"
)

// Within makes a call of sarama, which takes no context, and waits for its end no longer than ctx and timeout. A call that outlives them goes on by itself.
func Within[T any](ctx context.Context, timeout time.Duration, call func() (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		value, err := call()
		done <- result{value, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		var none T
		return none, fmt.Errorf("the broker does not answer: %w", ctx.Err())
	}
}
