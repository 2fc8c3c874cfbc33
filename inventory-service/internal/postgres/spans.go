package postgres

import (
	"context"

	"github.com/exaring/otelpgx"
	"github.com/jackc/pgx/v5"
	"go.opentelemetry.io/otel"
	semconv "go.opentelemetry.io/otel/semconv/v1.37.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/steadfast-shop/steadfast/shared-kit/telemetry"
)

const tracerName = "github.com/steadfast-shop/steadfast/inventory-service/internal/postgres"

// queryTracer makes a span of each statement, and of nothing else: that a new connection prepares a statement first is not worth one.
type queryTracer struct{ pgx.QueryTracer }

// newTracer returns a tracer whose spans have the statements, without values, and are named by what the call is for: the first word of most statements is WITH.
func newTracer() pgx.QueryTracer {
	return queryTracer{otelpgx.NewTracer(otelpgx.WithSpanNameCtxFunc(verbOf))}
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

// startWait begins the span of a call's part in a batch: from its wait for the batch before to its own answer.
func startWait(ctx context.Context, verb string) (context.Context, trace.Span) {
	return otel.Tracer(tracerName).Start(ctx, "batched "+verb)
}

// joinBatch returns ctx in the trace of the first call whose trace is recorded: the batch's statement is shown there. The others are linked with that one.
func joinBatch(ctx context.Context, verb string, demands []*demand) context.Context {
	calls := make([]context.Context, len(demands))
	for i, d := range demands {
		calls[i] = d.ctx
	}
	waits := telemetry.Recorded(calls)
	if len(waits) == 0 {
		return ctx
	}
	for i, wait := range waits {
		wait.SetAttributes(semconv.DBOperationBatchSize(len(demands)))
		if i > 0 {
			wait.AddLink(trace.Link{SpanContext: waits[0].SpanContext()})
			waits[0].AddLink(trace.Link{SpanContext: wait.SpanContext()})
		}
	}
	return withVerb(trace.ContextWithSpan(ctx, waits[0]), verb)
}
