package main

import (
	"time"

	"github.com/steadfast-shop/steadfast/shared-kit/settings"
)

// policies say how one upstream is shielded and its clients from it.
type policies struct {
	// TryTimeout bounds one try, up to the answer's headers, and to the end of an answer that is small.
	TryTimeout time.Duration `mapstructure:"try_timeout"`
	// Retry says when a failed try is repeated.
	Retry retryPolicy `mapstructure:"retry"`
	// Breaker says when the upstream is left alone.
	Breaker breakerPolicy `mapstructure:"breaker"`
	// Bulkhead is how many requests may be under way at a time, answers and waits included.
	Bulkhead uint `mapstructure:"bulkhead"`
}

type retryPolicy struct {
	// Max is how many tries may follow the first.
	Max int `mapstructure:"max"`
	// FirstWait is the wait before the first retry; each further one is twice as long, up to LastWait.
	FirstWait time.Duration `mapstructure:"first_wait"`
	LastWait  time.Duration `mapstructure:"last_wait"`
	// Jitter is how far a wait may be off, as a share of it.
	Jitter float64 `mapstructure:"jitter"`
	// Budget is the share of the calls under way that may be retries; Always is how many may be in any case.
	Budget float64 `mapstructure:"budget"`
	Always int     `mapstructure:"always"`
}

type breakerPolicy struct {
	// Failures among the last Window calls open the breaker.
	Failures uint `mapstructure:"failures"`
	Window   uint `mapstructure:"window"`
	// Open is how long no call passes.
	Open time.Duration `mapstructure:"open"`
	// Trials is how many calls at a time may then try; Successes among them close the breaker.
	Trials    uint `mapstructure:"trials"`
	Successes uint `mapstructure:"successes"`
}

const (
	longestWait = 10 * time.Minute
	mostCalls   = 100_000
)

// check rejects every value that cannot work. at is where the policies stand in the file.
func (p policies) check(at string, r *settings.Reader) {
	retry, breaker := p.Retry, p.Breaker
	for _, rule := range []struct {
		holds         bool
		name, message string
	}{
		{isSpan(p.TryTimeout), "try_timeout", "must be from 1ms to 10m"},
		{retry.Max >= 0 && retry.Max <= 10, "retry.max", "must be from 0 to 10"},
		{isSpan(retry.FirstWait), "retry.first_wait", "must be from 1ms to 10m"},
		{isSpan(retry.LastWait) && retry.LastWait >= retry.FirstWait, "retry.last_wait", "must be from first_wait to 10m"},
		{retry.Jitter >= 0 && retry.Jitter <= 1, "retry.jitter", "must be from 0 to 1"},
		{retry.Budget >= 0 && retry.Budget <= 1, "retry.budget", "must be from 0 to 1"},
		{retry.Always >= 0 && retry.Always <= mostCalls, "retry.always", "must be from 0 to 100000"},
		{breaker.Window >= 1 && breaker.Window <= mostCalls, "breaker.window", "must be from 1 to 100000"},
		{breaker.Failures >= 1 && breaker.Failures <= breaker.Window, "breaker.failures", "must be from 1 to window"},
		{isSpan(breaker.Open), "breaker.open", "must be from 1ms to 10m"},
		{breaker.Trials >= 1 && breaker.Trials <= mostCalls, "breaker.trials", "must be from 1 to 100000"},
		{breaker.Successes >= 1 && breaker.Successes <= breaker.Trials, "breaker.successes", "must be from 1 to trials"},
		{p.Bulkhead >= 1 && p.Bulkhead <= mostCalls, "bulkhead", "must be from 1 to 100000"},
	} {
		if !rule.holds {
			r.Reject(at+"."+rule.name, rule.message)
		}
	}
}

func isSpan(d time.Duration) bool { return d >= time.Millisecond && d <= longestWait }
