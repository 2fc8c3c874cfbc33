// Package poll waits for what gives no signal.
package poll

import (
	"context"
	"fmt"
	"time"
)

const interval = 50 * time.Millisecond

// Until calls check, with a short pause after each failure, until it returns nil. When ctx ends first, the error says what check missed last.
func Until(ctx context.Context, check func(context.Context) error) error {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		err := check(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w; last seen: %w", ctx.Err(), err)
		case <-ticker.C:
		}
	}
}
