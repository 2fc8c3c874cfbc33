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
	var missed error
	for {
		err := check(ctx)
		if err == nil {
			return nil
		}
		if missed == nil || ctx.Err() == nil { // else check was cut off, and missed nothing of its own
			missed = err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w; last seen: %w", ctx.Err(), missed)
		case <-ticker.C:
		}
	}
}
