package main

import (
	"bytes"
	"errors"
	"io"
	"math"
	"net/http"
	"net/http/httputil"
	"strconv"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/google/uuid"

	"github.com/steadfast-shop/steadfast/shared-kit/problem"
)

// Headers of the gateway's own.
const (
	// headerAttempts tells on every answer how many tries it took.
	headerAttempts = "Gateway-Attempts"
	// headerIdempotencyKey makes it safe to send a POST again.
	headerIdempotencyKey = "Idempotency-Key"
)

// statusClientGone is logged for a request whose client did not wait for the answer (nginx's number for it).
const statusClientGone = 499

// call is one client's request on its way to its upstream. It makes the tries (as the ReverseProxy's transport) and answers where they came to nothing.
type call struct {
	upstream *upstream
	trust    trust
	body     []byte
	// repeatable says that it is safe to try again.
	repeatable bool
	// addKey asks for an Idempotency-Key where the client sent none.
	addKey bool
	// isWhole says that the answer has been read to its end.
	isWhole bool
	// tries is how many were made; failure is why none brought an answer.
	tries   int
	failure failure
}

// rewrite makes the upstream's request of the client's. Path and query stay as they came.
func (c *call) rewrite(pr *httputil.ProxyRequest) {
	out := pr.Out
	out.URL.Scheme, out.URL.Host, out.Host = c.upstream.uri.Scheme, c.upstream.uri.Host, ""
	out.URL.RawQuery = pr.In.URL.RawQuery // ReverseProxy drops what it cannot parse, which is the upstream's to refuse
	out.Body, out.TransferEncoding, out.Trailer = nil, nil, nil
	out.ContentLength = int64(len(c.body))
	out.GetBody = c.getBody
	// ReverseProxy puts these back for protocol upgrades, which the gateway does not offer: they are asked for in vain, as HTTP allows. Expect has been met.
	for _, name := range []string{"Connection", "Upgrade", "Te", "Expect", headerAttempts} {
		out.Header.Del(name)
	}
	c.trust.setForwarded(pr)
	if c.addKey && out.Header.Get(headerIdempotencyKey) == "" {
		out.Header.Set(headerIdempotencyKey, uuid.Must(uuid.NewV7()).String())
	}
}

// RoundTrip implements http.RoundTripper: it tries until there is an answer that can be given to the client, or no further try is allowed.
func (c *call) RoundTrip(r *http.Request) (*http.Response, error) {
	u := c.upstream
	u.budget.begin()
	defer u.budget.end()
	if !c.repeatable {
		return c.try(r)
	}
	var answer *http.Response
	err := u.retries.WithContext(r.Context()).RunWithExecution(func(e failsafe.Execution[any]) (err error) {
		if !e.IsRetry() {
			answer, err = c.try(r) //nolint:bodyclose // the ReverseProxy closes it
			return err
		}
		if !u.budget.tryAcquire() {
			u.metrics.budgetExhausted.WithLabelValues(u.name).Inc()
			u.traceRejection(r.Context(), policyBudget)
			return failedBudgetExhausted
		}
		defer u.budget.release()
		u.metrics.retries.WithLabelValues(u.name).Inc()
		answer, err = c.try(r) //nolint:bodyclose // see above
		return err
	})
	if answer != nil { // failsafe-go would drop it, unclosed, for a client that left just now
		return answer, nil
	}
	return nil, err
}

func (c *call) try(r *http.Request) (*http.Response, error) {
	answer, err := c.upstream.try(r, c.tries+1)
	c.isWhole = err == nil && answer.ContentLength >= 0 && answer.ContentLength <= smallAnswer
	if !errors.Is(err, failedBreakerOpen) && !errors.Is(err, failedDeadline) {
		c.tries++
	}
	return answer, err
}

// fallBack answers in the upstream's place. It is the ReverseProxy's error handler.
func (c *call) fallBack(w http.ResponseWriter, r *http.Request, err error) {
	if !errors.As(err, &c.failure) {
		c.failure = failedDeadline
	}
	if hasLeft(r) {
		c.failure = failedClientGone
		c.upstream.metrics.clientsGone.WithLabelValues(c.upstream.name).Inc()
		w.WriteHeader(statusClientGone)
		return
	}
	wait := time.Second
	if c.failure == failedBreakerOpen {
		wait = c.upstream.breakerOf(r.Method).remaining()
	}
	c.upstream.metrics.fallbacks.WithLabelValues(c.upstream.name).Inc()
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Retry-After", wholeSeconds(wait))
	w.WriteHeader(http.StatusServiceUnavailable)
	// A failed write means that the client has gone: there is nobody left to tell.
	_, _ = w.Write([]byte(problem.Unavailable))
}

// wholeSeconds returns the time to wait for a Retry-After header: rounded up, and at least a second.
func wholeSeconds(wait time.Duration) string {
	return strconv.Itoa(max(1, int(math.Ceil(wait.Seconds()))))
}

// getBody returns the request's body anew for each try.
func (c *call) getBody() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(c.body)), nil }
