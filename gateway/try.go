package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/steadfast-shop/steadfast/shared-kit/httpserver"
)

// smallAnswer is the largest answer, in bytes, that is read whole within its try: one that is slow or breaks off can then still be replaced by another try.
// Larger ones, and those that do not tell their length, stream.
const smallAnswer = 64 << 10

// try is one exchange with an upstream: one call through its breaker, bounded by the try time-out.
type try struct {
	upstream *upstream
	permit   *permit
	span     trace.Span
	// request is the client's. Its context ends with context.Canceled when the client goes away, and otherwise at the request's deadline.
	request  *http.Request
	cancel   context.CancelCauseFunc
	timer    *time.Timer
	unfollow func() bool
	started  time.Time
}

// try makes one exchange, the number-th for its request. Its error is a failure.
func (u *upstream) try(r *http.Request, number int) (*http.Response, error) {
	limit := u.tryTimeout
	if deadline, bounded := r.Context().Deadline(); bounded {
		limit = min(limit, time.Until(deadline))
	}
	if limit < time.Millisecond {
		return nil, failedDeadline
	}
	permit, passes := u.breakerOf(r.Method).acquire()
	if !passes {
		u.metrics.rejections.WithLabelValues(u.name, policyBreaker).Inc()
		u.traceRejection(r.Context(), policyBreaker)
		return nil, failedBreakerOpen
	}
	// The exchange follows its client by hand: a trial of the half-open breaker runs to its end even when its client goes, because the breaker waits for what it finds.
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(r.Context()))
	t := &try{upstream: u, permit: permit, request: r, cancel: cancel, started: time.Now()}
	t.timer = time.AfterFunc(limit, func() { cancel(failedTimeout) })
	t.unfollow = func() bool { return true }
	if !permit.trial {
		t.follow()
	}
	ctx, t.span = u.startTry(ctx, r.Method, number)
	out := r.WithContext(ctx)
	if number > 1 { // an earlier try may still be reading the headers
		out.Header = r.Header.Clone()
	}
	passTrace(ctx, out.Header)
	out.Header.Set(httpserver.HeaderRequestTimeout, strconv.FormatInt(limit.Milliseconds(), 10))
	answer, err := u.exchange(out)
	if err != nil {
		return nil, t.fail(ctx, failedConnection, err)
	}
	return t.receive(ctx, answer)
}

// follow ends the exchange when its client's request ends.
func (t *try) follow() {
	client := t.request.Context()
	t.unfollow = context.AfterFunc(client, func() { t.cancel(context.Cause(client)) })
}

// receive takes the answer: refused where the status asks for another try, whole where it is small, else as a stream.
func (t *try) receive(ctx context.Context, answer *http.Response) (*http.Response, error) {
	switch {
	case isUnavailable(answer.StatusCode):
		// Read to the end, the connection can be used again. What cannot be read does not matter.
		_, _ = io.CopyN(io.Discard, answer.Body, smallAnswer)
		err := answer.Body.Close()
		traceAnswer(t.span, answer.StatusCode)
		return nil, t.fail(ctx, failedUnavailable, err)
	case answer.ContentLength >= 0 && answer.ContentLength <= smallAnswer:
		body, err := io.ReadAll(answer.Body)
		err = errors.Join(err, answer.Body.Close())
		if err != nil {
			return nil, t.fail(ctx, failedTruncated, err)
		}
		answer.Body = io.NopCloser(bytes.NewReader(body))
		t.record(answer.StatusCode)
		t.end()
		return answer, nil
	}
	if !t.timer.Stop() {
		err := answer.Body.Close()
		return nil, t.fail(ctx, failedTimeout, err)
	}
	if t.permit.trial {
		t.follow()
	}
	t.observe(statusClass(answer.StatusCode))
	traceAnswer(t.span, answer.StatusCode)
	if answer.StatusCode >= http.StatusInternalServerError {
		t.permit.settle(outcomeFailure)
	}
	answer.Body = &stream{body: answer.Body, try: t}
	return answer, nil
}

// fail ends a try that has no answer to give, and tells the breaker. kind is what it is taken for unless time or the client ended it.
func (t *try) fail(ctx context.Context, kind failure, err error) failure {
	if ctx.Err() != nil && kind != failedUnavailable {
		kind = failedTimeout
		if !t.permit.trial && hasLeft(t.request) {
			kind = failedClientGone
		}
	}
	t.upstream.log.DebugContext(ctx, "try failed", "upstream", t.upstream.name, "failure", string(kind), "error", err)
	t.observe(string(kind))
	traceFailure(t.span, kind)
	t.end()
	if kind == failedClientGone {
		t.permit.settle(outcomeUnknown)
	} else {
		t.permit.settle(outcomeFailure)
	}
	return kind
}

// record tells the breaker and the metrics about a whole answer.
func (t *try) record(status int) {
	t.observe(statusClass(status))
	traceAnswer(t.span, status)
	if status >= http.StatusInternalServerError {
		t.permit.settle(outcomeFailure)
	} else {
		t.permit.settle(outcomeSuccess)
	}
}

func (t *try) observe(outcome string) {
	traceOutcome(t.span, outcome)
	t.upstream.metrics.tries.WithLabelValues(t.upstream.name, outcome).Observe(time.Since(t.started).Seconds())
}

// end frees what the exchange holds.
func (t *try) end() {
	t.span.End()
	t.timer.Stop()
	t.unfollow()
	t.cancel(nil)
}

// hasLeft tells whether the client went away, as opposed to its request's time being over.
func hasLeft(r *http.Request) bool { return errors.Is(r.Context().Err(), context.Canceled) }

func isUnavailable(status int) bool {
	return status == http.StatusBadGateway || status == http.StatusServiceUnavailable || status == http.StatusGatewayTimeout
}

func statusClass(status int) string { return strconv.Itoa(status/100) + "xx" }

// stream is the body of an answer that goes to the client as it comes. The breaker learns how it ended.
type stream struct {
	body io.ReadCloser
	try  *try
}

// Read implements io.Reader.
func (s *stream) Read(p []byte) (int, error) {
	overdue := s.try.request.Context().Err() != nil // before the upstream was even asked: a slow client used the time up, or it went away
	n, err := s.body.Read(p)
	switch {
	case err == nil:
	case errors.Is(err, io.EOF):
		s.try.permit.settle(outcomeSuccess)
	case !overdue && !hasLeft(s.try.request):
		s.try.upstream.metrics.cutOff.WithLabelValues(s.try.upstream.name).Inc()
		traceFailure(s.try.span, failedTruncated)
		s.try.permit.settle(outcomeFailure)
	}
	return n, err
}

// Close implements io.Closer.
func (s *stream) Close() error {
	err := s.body.Close()
	s.try.end()
	if s.try.permit.trial { // the client left early, but the upstream did answer, and the breaker waits for that
		s.try.permit.settle(outcomeSuccess)
	}
	return err
}
