package main

import "errors"

// failure is why a request has no answer from its upstream, in the word that log and metrics use.
type failure string

// The first four are outcomes of a try, and may be followed by another one.
const (
	failedConnection  failure = "connection"
	failedTimeout     failure = "timeout"
	failedTruncated   failure = "truncated"
	failedUnavailable failure = "unavailable" // the upstream itself answered 502, 503 or 504

	failedBreakerOpen     failure = "breaker_open"
	failedBulkheadFull    failure = "bulkhead_full"
	failedBudgetExhausted failure = "retry_budget_exhausted"
	failedDeadline        failure = "deadline"
	failedClientGone      failure = "client_gone"
)

// Error implements error.
func (f failure) Error() string { return string(f) }

// isRepeatable tells whether err is the outcome of a try that another one may mend.
func isRepeatable(err error) bool {
	var f failure
	if !errors.As(err, &f) {
		return false
	}
	switch f {
	case failedConnection, failedTimeout, failedTruncated, failedUnavailable:
		return true
	default:
		return false
	}
}
