package logging_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"testing"

	"go.opentelemetry.io/otel/trace"

	"github.com/steadfast-shop/steadfast/shared-kit/logging"
)

func TestLinesCarryTheirTrace(t *testing.T) {
	var out bytes.Buffer
	log := logging.New(&out, "order-service", slog.LevelInfo).With("part", "relay").WithGroup("of")
	span := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}})
	ctx := trace.ContextWithSpanContext(t.Context(), span)

	log.DebugContext(ctx, "not at this level")
	log.InfoContext(ctx, "with a trace")
	log.InfoContext(t.Context(), "without one")

	lines := bytes.Split(bytes.TrimSpace(out.Bytes()), []byte("\n"))
	if len(lines) != 2 {
		t.Fatalf("%d lines; want 2: %s", len(lines), out.String())
	}
	for i, want := range []string{span.TraceID().String(), ""} {
		var line struct {
			Service, Part string
			Of            struct {
				TraceID string `json:"trace_id"`
			}
		}
		if err := json.Unmarshal(lines[i], &line); err != nil {
			t.Fatal(err)
		}
		if line.Service != "order-service" || line.Part != "relay" || line.Of.TraceID != want {
			t.Errorf("line %s; want the trace %q", lines[i], want)
		}
	}
}
