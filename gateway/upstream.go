package main

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/bulkhead"
	"github.com/failsafe-go/failsafe-go/retrypolicy"
)

// dialFunc opens connections; net.Dialer.DialContext is one.
type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// upstream is a service behind the gateway, with everything that all requests to it share.
type upstream struct {
	name       string
	uri        *url.URL
	tryTimeout time.Duration
	transport  *http.Transport
	reads      *breaker
	writes     *breaker
	bulkhead   bulkhead.Bulkhead[any]
	budget     *retryBudget
	retries    failsafe.Executor[any]
	metrics    *metrics
	log        *slog.Logger
}

func newUpstream(c upstreamConfig, deadline time.Duration, dial dialFunc, m *metrics, log *slog.Logger) *upstream {
	transport := &http.Transport{
		DialContext:            dial,
		MaxIdleConnsPerHost:    int(c.Policies.Bulkhead),
		IdleConnTimeout:        90 * time.Second, // less than the services' own, so that no request meets a connection that is being closed
		DisableCompression:     true,             // answers pass as they are
		MaxResponseHeaderBytes: 256 << 10,
	}
	retry := c.Policies.Retry
	return &upstream{
		name:       c.Name,
		uri:        c.URI,
		tryTimeout: c.Policies.TryTimeout,
		transport:  transport,
		reads:      m.breaker(c.Name, "reads", c.Policies.Breaker),
		writes:     m.breaker(c.Name, "writes", c.Policies.Breaker),
		bulkhead:   bulkhead.New[any](c.Policies.Bulkhead),
		budget:     &retryBudget{share: retry.Budget, always: retry.Always},
		retries: failsafe.With[any](retrypolicy.NewBuilder[any]().
			HandleIf(func(_ any, err error) bool { return isRepeatable(err) }).
			WithMaxRetries(retry.Max).
			WithBackoff(retry.FirstWait, retry.LastWait).
			WithJitterFactor(retry.Jitter).
			// A try that the deadline leaves less than a tenth of its time is not worth starting.
			WithMaxDuration(max(1, deadline-c.Policies.TryTimeout/10)).
			ReturnLastFailure().
			OnRetryScheduled(traceWait).
			Build()),
		metrics: m,
		log:     log,
	}
}

// breakerOf returns the breaker for a request's method. Reads and writes have one each, so that writes which fail do not take reads away.
func (u *upstream) breakerOf(method string) *breaker {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return u.reads
	}
	return u.writes
}

// exchange sends a request, which it changes. It gives it its body (from GetBody, so that each try has a fresh one) in a form that net/http does not replay by itself on a
// kept-alive connection that breaks: tries are ours to count, and some requests must not be made twice. net/http replays what it can rewind, and takes no body as rewound.
func (u *upstream) exchange(r *http.Request) (*http.Response, error) {
	switch {
	case r.ContentLength > 0:
		body, err := r.GetBody()
		if err != nil {
			return nil, err
		}
		r.Body = body
	case lacksBody(r.Method):
		// An empty body that net/http has to look into, and having looked cannot rewind. It leaves no trace on the wire for these methods.
		r.Body = io.NopCloser(bytes.NewReader(nil))
	}
	r.GetBody = nil
	return u.transport.RoundTrip(r)
}

// lacksBody tells the methods for which net/http sends an empty body of unknown length as none at all.
func lacksBody(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodDelete:
		return true
	}
	return false
}
