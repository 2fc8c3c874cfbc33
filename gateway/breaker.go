package main

import (
	"sync"
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"
)

// outcome is how a call ended, as far as it tells something about the upstream.
type outcome int

const (
	outcomeUnknown outcome = iota // the client went away before the upstream could show itself
	outcomeSuccess
	outcomeFailure
)

// breaker leaves an upstream alone while it fails. It drives failsafe-go's circuit breaker by hand, because that one's executor has no neutral outcome: it would
// count a client that went away as a success. Its lock makes the state and the generation change together.
type breaker struct {
	mu         sync.Mutex
	circuit    circuitbreaker.CircuitBreaker[any]
	generation int // grows with every change of state
}

// newBreaker returns a closed breaker. changed is called with each new state.
func newBreaker(p breakerPolicy, changed func(circuitbreaker.State)) *breaker {
	b := &breaker{}
	b.circuit = circuitbreaker.NewBuilder[any]().
		WithFailureThresholdRatio(p.Failures, p.Window).
		WithDelay(p.Open).
		WithSuccessThresholdRatio(p.Successes, p.Trials).
		OnStateChanged(func(e circuitbreaker.StateChangedEvent) { // runs in acquire or settle, under b.mu
			b.generation++
			changed(e.NewState)
		}).
		Build()
	return b
}

// permit is the right to make one call. Its holder settles it once the outcome is known.
type permit struct {
	breaker    *breaker
	generation int
	settled    bool
	// trial says that the breaker is half-open and waits for this call's outcome, which therefore must not be unknown.
	trial bool
}

// acquire returns a permit, or false while the upstream is left alone.
func (b *breaker) acquire() (*permit, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.circuit.TryAcquirePermit() {
		return nil, false
	}
	return &permit{breaker: b, generation: b.generation, trial: b.circuit.IsHalfOpen()}, true
}

// settle records the outcome. A second one is ignored, and so is that of a call which began in an earlier state: it tells nothing about the present.
func (p *permit) settle(o outcome) {
	p.breaker.mu.Lock()
	defer p.breaker.mu.Unlock()
	if p.settled || p.generation != p.breaker.generation {
		return
	}
	p.settled = true
	switch o {
	case outcomeSuccess:
		p.breaker.circuit.RecordSuccess()
	case outcomeFailure:
		p.breaker.circuit.RecordFailure()
	case outcomeUnknown:
	}
}

// remaining returns how long the breaker stays open.
func (b *breaker) remaining() time.Duration { return b.circuit.RemainingDelay() }

// level returns the state as a number: 0 closed, 1 half-open, 2 open.
func (b *breaker) level() float64 {
	switch b.circuit.State() {
	case circuitbreaker.HalfOpenState:
		return 1
	case circuitbreaker.OpenState:
		return 2
	default:
		return 0
	}
}
