package mongodb

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.37.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/steadfast-shop/steadfast/order-service/internal/order"
)

const tracerName = "github.com/steadfast-shop/steadfast/order-service/internal/mongodb"

// startCall begins the span of one command to the database.
func startCall(ctx context.Context, operation, collection string, options ...trace.SpanStartOption) (context.Context, trace.Span) {
	ctx, span := otel.Tracer(tracerName).Start(ctx, operation+" "+collection, append(options, trace.WithSpanKind(trace.SpanKindClient))...)
	if span.IsRecording() {
		span.SetAttributes(semconv.DBSystemNameMongoDB, semconv.DBOperationName(operation), semconv.DBCollectionName(collection))
	}
	return ctx, span
}

// startWait begins the span of a request's part in a batch: from its wait for the batch before to its own answer. The command to the database has a span of its own.
func startWait(ctx context.Context, collection string) (context.Context, trace.Span) {
	return otel.Tracer(tracerName).Start(ctx, "batched insert "+collection)
}

// startBatch begins the span of a command that serves several requests. It is a child of the first of them whose trace is recorded, and linked with the others: from each of
// these one gets to it, and from it to them. ctx is the batch's own.
func startBatch(ctx context.Context, collection string, insertions []insertion) (context.Context, trace.Span) {
	var waits []trace.Span
	for _, insertion := range insertions {
		if wait := trace.SpanFromContext(insertion.ctx); wait.IsRecording() {
			waits = append(waits, wait)
		}
	}
	if len(waits) == 0 {
		return ctx, trace.SpanFromContext(ctx) // which records nothing
	}
	links := make([]trace.Link, len(waits)-1)
	for i, other := range waits[1:] {
		links[i].SpanContext = other.SpanContext()
	}
	ctx, span := startCall(trace.ContextWithSpan(ctx, waits[0]), "insert", collection, trace.WithLinks(links...))
	size := semconv.DBOperationBatchSize(len(insertions))
	span.SetAttributes(size)
	for i, wait := range waits {
		wait.SetAttributes(size)
		if i > 0 {
			wait.AddLink(trace.Link{SpanContext: span.SpanContext()})
		}
	}
	return ctx, span
}

// endBatch ends the span of a batch. It failed if any of its documents did; a duplicate is an answer.
func endBatch(span trace.Span, results []error) {
	for _, err := range results {
		if err != nil && !errors.Is(err, order.ErrDuplicate) {
			fail(span, err)
			break
		}
	}
	span.End()
}

// fail notes that the database did not do what it was asked for.
func fail(span trace.Span, err error) {
	if span.IsRecording() {
		span.SetAttributes(semconv.ErrorType(err))
		span.SetStatus(codes.Error, err.Error())
	}
}

// endCall ends the span of a call that was translated already.
func endCall(span trace.Span, err error) {
	if err != nil && !errors.Is(err, order.ErrNotFound) {
		fail(span, err)
	}
	span.End()
}
