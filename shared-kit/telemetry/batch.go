package telemetry

import (
	"context"

	"go.opentelemetry.io/otel/trace"
)

// Recorded returns the spans of the contexts that are recorded: of the requests that a batch serves, those whose traces are to show it.
func Recorded(contexts []context.Context) []trace.Span {
	var spans []trace.Span
	for _, ctx := range contexts {
		if span := trace.SpanFromContext(ctx); span.IsRecording() {
			spans = append(spans, span)
		}
	}
	return spans
}
