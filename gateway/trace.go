package main

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.37.0"
	"go.opentelemetry.io/otel/trace"
)

// Attributes of the gateway's own, on the spans of requests and of tries, and on the events of policies.
const (
	keyUpstream = attribute.Key("steadfast.gateway.upstream")
	keyTries    = attribute.Key("steadfast.gateway.tries")
	keyFailure  = attribute.Key("steadfast.gateway.failure")
	keyTry      = attribute.Key("steadfast.gateway.try")
	keyOutcome  = attribute.Key("steadfast.gateway.outcome")
	keyPolicy   = attribute.Key("steadfast.gateway.policy")
	keyWait     = attribute.Key("steadfast.gateway.wait_ms")
)

const tracerName = "github.com/steadfast-shop/steadfast/gateway"

// policyBudget names the retry budget where it allows no further try.
const policyBudget = "retry_budget"

// startTry begins the span of one try, the number-th of its request. Where nothing is recorded that costs no more than an id.
func (u *upstream) startTry(ctx context.Context, method string, number int) (context.Context, trace.Span) {
	ctx, span := otel.Tracer(tracerName).Start(ctx, method, trace.WithSpanKind(trace.SpanKindClient))
	if span.IsRecording() {
		span.SetAttributes(
			semconv.HTTPRequestMethodKey.String(method),
			semconv.ServerAddress(u.uri.Hostname()),
			// Without the path, which clients write into: the request's span has its route.
			semconv.URLFull(u.uri.Scheme+"://"+u.uri.Host),
			keyUpstream.String(u.name),
			keyTry.Int(number),
		)
		if port, err := strconv.Atoi(u.uri.Port()); err == nil {
			span.SetAttributes(semconv.ServerPort(port))
		}
		if number > 1 {
			span.SetAttributes(semconv.HTTPRequestResendCount(number - 1))
		}
	}
	return ctx, span
}

// passTrace writes the context's span into the headers that the upstream gets.
func passTrace(ctx context.Context, headers http.Header) {
	otel.GetTextMapPropagator().Inject(ctx, propagation.HeaderCarrier(headers))
}

// traceOutcome notes how a try ended, in the word of the metrics.
func traceOutcome(span trace.Span, outcome string) {
	if span.IsRecording() {
		span.SetAttributes(keyOutcome.String(outcome))
	}
}

// traceAnswer notes an answer of the upstream. One below 500 is no fault of a server, whatever the client makes of it.
func traceAnswer(span trace.Span, status int) {
	if !span.IsRecording() {
		return
	}
	span.SetAttributes(semconv.HTTPResponseStatusCode(status))
	if status >= http.StatusInternalServerError {
		span.SetAttributes(semconv.ErrorTypeKey.String(strconv.Itoa(status)))
		span.SetStatus(codes.Error, "")
	}
}

// traceFailure notes why a try has no answer to give. A client that went away is no fault.
func traceFailure(span trace.Span, kind failure) {
	if !span.IsRecording() || kind == failedClientGone {
		return
	}
	if kind != failedUnavailable { // which has the status as its type
		span.SetAttributes(semconv.ErrorTypeKey.String(string(kind)))
	}
	span.SetStatus(codes.Error, string(kind))
}

// traceRejection notes on the request's span that a policy let no call, or no further one, through to the upstream.
func (u *upstream) traceRejection(ctx context.Context, policy string) {
	if span := trace.SpanFromContext(ctx); span.IsRecording() {
		span.AddEvent("rejected", trace.WithAttributes(keyPolicy.String(policy), keyUpstream.String(u.name)))
	}
}

// traceWait notes on the request's span the pause before another try.
func traceWait(e failsafe.ExecutionScheduledEvent[any]) {
	if span := trace.SpanFromContext(e.Context()); span.IsRecording() {
		span.AddEvent("retry scheduled", trace.WithAttributes(keyTry.Int(e.Attempts()+1), keyWait.Int64(e.Delay.Round(time.Millisecond).Milliseconds())))
	}
}

// traceCall notes on the request's span what became of its call.
func traceCall(ctx context.Context, c *call) {
	span := trace.SpanFromContext(ctx)
	if !span.IsRecording() {
		return
	}
	span.SetAttributes(keyUpstream.String(c.upstream.name), keyTries.Int(c.tries))
	if c.failure != "" {
		span.SetAttributes(keyFailure.String(string(c.failure)))
	}
}
