package mongodb

import (
	"context"
	"errors"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/steadfast-shop/steadfast/shared-kit/telemetry/telemetrytest"

	"github.com/steadfast-shop/steadfast/order-service/internal/order"
)

// unrecorded is the context of a request whose trace nobody records.
func unrecorded(ctx context.Context) context.Context {
	return trace.ContextWithRemoteSpanContext(ctx, trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{1}}))
}

// TestBatchTellsWhomItServes has one command serve three requests, of which the first is not recorded.
func TestBatchTellsWhomItServes(t *testing.T) {
	spans := telemetrytest.Record(t)
	var insertions []insertion
	var waits []trace.Span
	for _, ctx := range []context.Context{unrecorded(t.Context()), t.Context(), t.Context()} {
		ctx, wait := startWait(ctx, "inflight")
		waits, insertions = append(waits, wait), append(insertions, insertion{ctx: ctx})
	}
	_, batch := startBatch(t.Context(), "inflight", insertions)
	endBatch(batch, []error{nil, order.ErrDuplicate, nil})
	for _, wait := range waits {
		wait.End()
	}
	ended := spans.Ended()
	if len(ended) != 3 {
		t.Fatalf("%d spans; want the command's and those of two requests", len(ended))
	}
	command, first, second := ended[0], ended[1], ended[2]
	if command.Name() != "insert inflight" || command.SpanKind() != trace.SpanKindClient || command.Status().Code != codes.Unset {
		t.Errorf("the command's span is %s, %s, %s", command.Name(), command.SpanKind(), command.Status().Code)
	}
	if command.Parent().SpanID() != first.SpanContext().SpanID() {
		t.Error("the command is not a child of the first request that is recorded")
	}
	wantLinks(t, command, second)
	wantLinks(t, first)
	wantLinks(t, second, command)
	for _, span := range ended {
		if set := attribute.NewSet(span.Attributes()...); !set.HasValue("db.operation.batch.size") {
			t.Errorf("%s does not say how many were served", span.Name())
		} else if size, _ := set.Value("db.operation.batch.size"); size.AsInt64() != 3 {
			t.Errorf("%s says that %d were served; want 3", span.Name(), size.AsInt64())
		}
	}
}

func wantLinks(t *testing.T, span sdktrace.ReadOnlySpan, others ...sdktrace.ReadOnlySpan) {
	t.Helper()
	if len(span.Links()) != len(others) {
		t.Fatalf("%s has %d links; want %d", span.Name(), len(span.Links()), len(others))
	}
	for i, other := range others {
		if span.Links()[i].SpanContext.SpanID() != other.SpanContext().SpanID() {
			t.Errorf("%s is linked with another span than %s", span.Name(), other.Name())
		}
	}
}

func TestBatchFailsWithAnyOfItsDocuments(t *testing.T) {
	spans := telemetrytest.Record(t)
	ctx, wait := startWait(t.Context(), "orders")
	_, batch := startBatch(t.Context(), "orders", []insertion{{ctx: ctx}})
	endBatch(batch, []error{order.ErrDuplicate, unavailable(errors.New("no primary"))})
	wait.End()
	if got := spans.Ended()[0].Status(); got.Code != codes.Error {
		t.Errorf("the status is %v; want an error", got)
	}
}

// TestUnrecordedBatchHasNoSpan has nobody ask for a trace.
func TestUnrecordedBatchHasNoSpan(t *testing.T) {
	spans := telemetrytest.Record(t)
	_, batch := startBatch(t.Context(), "orders", []insertion{{ctx: unrecorded(t.Context())}})
	endBatch(batch, []error{unavailable(errors.New("no primary"))})
	if got := len(spans.Started()); got != 0 {
		t.Errorf("%d spans; want none", got)
	}
}
