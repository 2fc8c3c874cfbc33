package main

import "sync"

// retryBudget keeps retries from multiplying the load on an upstream that fails. failsafe-go has a budget too, but it checks and counts in two steps, so that
// failures that come together all pass, and counts a call that is being repeated twice: it cannot keep to an exact share.
type retryBudget struct {
	share  float64
	always int

	mu      sync.Mutex
	calls   int // under way, whether in their first try, waiting, or in a retry
	retries int // those of them in a retry
}

// begin counts a call that goes under way, until end.
func (b *retryBudget) begin() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls++
}

func (b *retryBudget) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls--
}

// tryAcquire takes a place for one retry, where one is free, until release.
func (b *retryBudget) tryAcquire() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.retries >= max(b.always, int(b.share*float64(b.calls))) {
		return false
	}
	b.retries++
	return true
}

func (b *retryBudget) release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.retries--
}
