package postgres

import (
	"context"

	"github.com/exaring/otelpgx"
	"github.com/jackc/pgx/v5"
	semconv "go.opentelemetry.io/otel/semconv/v1.37.0"
	"go.opentelemetry.io/otel/trace"
)

// queryTracer makes a span of each statement, and of nothing else: that a new connection prepares a statement first is not worth one.
type queryTracer struct{ pgx.QueryTracer }

// newTracer returns a tracer whose spans have the statements, without values, and are named by what the call is for: the first word of most statements is WITH.
func newTracer() pgx.QueryTracer {
	return queryTracer{otelpgx.NewTracer(otelpgx.WithSpanNameCtxFunc(verbOf))}
}

const (
	tracerName  = "github.com/steadfast-shop/steadfast/inventory-service/internal/postgres"
	verbReserve = "reserve stock"
)

// joinTraces puts the statement of a batch into the trace of the first request that is recorded, and links the others' spans with that request's. ctx is the batch's own.
func joinTraces(ctx context.Context, demands []*demand) context.Context {
	var first trace.Span
	for _, d := range demands {
		if d.wait == nil || !d.wait.IsRecording() {
			continue
		}
		d.wait.SetAttributes(semconv.DBOperationBatchSize(len(demands)))
		if first == nil {
			first = d.wait
			continue
		}
		d.wait.AddLink(trace.Link{SpanContext: first.SpanContext()})
	}
	if first == nil {
		return ctx
	}
	return withVerb(trace.ContextWithSpan(ctx, first), verbReserve)
}

type verbKey struct{}

// withVerb says in a call's context what it is for, where somebody asks for it.
func withVerb(ctx context.Context, verb string) context.Context {
	if !trace.SpanFromContext(ctx).IsRecording() {
		return ctx
	}
	return context.WithValue(ctx, verbKey{}, verb)
}

func verbOf(ctx context.Context, statement string) string {
	if verb, ok := ctx.Value(verbKey{}).(string); ok {
		return verb
	}
	return otelpgx.SQLOperationName(ctx, statement)
}
