package telemetry_test

import (
	"context"
	"log/slog"
	"net"
	"net/url"
	"testing"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/steadfast-shop/steadfast/shared-kit/telemetry"
)

const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

// TestTracesPassWithoutCollector looks at what happens where no traces are wanted: ids are taken over and passed on all the same.
func TestTracesPassWithoutCollector(t *testing.T) {
	stop, err := telemetry.Start(t.Context(), "test", telemetry.Settings{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx := otel.GetTextMapPropagator().Extract(t.Context(), propagation.MapCarrier{"traceparent": parent})
	if telemetry.Records() {
		t.Error("spans are said to be recorded")
	}
	ctx, span := otel.Tracer("test").Start(ctx, "span")
	span.End()
	ids := trace.SpanContextFromContext(ctx)
	if got := ids.TraceID().String(); got != "0af7651916cd43dd8448eb211c80319c" {
		t.Errorf("the trace goes on as %s", got)
	}
	if got := ids.SpanID().String(); !ids.IsValid() || got == "b7ad6b7169203331" || ids.IsSampled() || ids.IsRemote() || !span.SpanContext().Equal(ids) {
		t.Errorf("the span is %+v of %s; want one of its own, not sampled", ids, got)
	}
	if _, first := otel.Tracer("test").Start(t.Context(), "span"); !first.SpanContext().IsValid() || first.SpanContext().TraceID() == ids.TraceID() {
		t.Errorf("a trace begins as %+v", first.SpanContext())
	}
	if err := stop(t.Context()); err != nil {
		t.Errorf("stop: %v", err)
	}
}

// TestSilentCollectorHoldsNothingUp stops beside a collector that takes connections and never answers.
func TestSilentCollectorHoldsNothingUp(t *testing.T) {
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close() //nolint:errcheck // the end of the test
	endpoint := &url.URL{Scheme: "http", Host: listener.Addr().String()}
	stop, err := telemetry.Start(t.Context(), "test", telemetry.Settings{Endpoint: endpoint, Ratio: 1}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	_, span := otel.Tracer("test").Start(t.Context(), "span")
	span.End()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := stop(ctx); err == nil {
		t.Error("stop: no error, though nothing can have been sent")
	}
	if ctx.Err() != nil {
		t.Error("stop took all the time that it was given")
	}
}

// TestSampling asks which traces are recorded: those begun here by the ratio, and a caller's as the caller says where it is followed.
func TestSampling(t *testing.T) {
	recorded, dropped := telemetry.Continue(t.Context(), parent), telemetry.Continue(t.Context(), parent[:len(parent)-1]+"0")
	for name, test := range map[string]struct {
		settings telemetry.Settings
		parent   context.Context //nolint:containedctx // the case
		want     bool
	}{
		"all":                             {telemetry.Settings{Ratio: 1}, t.Context(), true},
		"none":                            {telemetry.Settings{Ratio: 0}, t.Context(), false},
		"none, caller records":            {telemetry.Settings{Ratio: 0}, recorded, false},
		"none, but follow who records":    {telemetry.Settings{Ratio: 0, Follow: true}, recorded, true},
		"all, but follow who does not":    {telemetry.Settings{Ratio: 1, Follow: true}, dropped, false},
		"all, though the caller drops it": {telemetry.Settings{Ratio: 1}, dropped, true},
		"follow nobody, by the ratio":     {telemetry.Settings{Ratio: 1, Follow: true}, t.Context(), true},
		"a millionth, of a trace with a low id": {telemetry.Settings{Ratio: 1e-6},
			telemetry.Continue(t.Context(), "00-00000000000000000000000000000001-b7ad6b7169203331-00"), true},
	} {
		t.Run(name, func(t *testing.T) {
			test.settings.Endpoint = &url.URL{Scheme: "http", Host: "127.0.0.1:1"}
			stop, err := telemetry.Start(t.Context(), "test", test.settings, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			_, span := otel.Tracer("test").Start(test.parent, "span") // not ended: nothing has to be sent
			if got := span.IsRecording(); got != test.want {
				t.Errorf("recorded: %v, want %v", got, test.want)
			}
			if err := stop(t.Context()); err != nil {
				t.Errorf("stop: %v", err)
			}
		})
	}
}

// TestContinue brings a trace through text.
func TestContinue(t *testing.T) {
	if got := telemetry.TraceParent(telemetry.Continue(t.Context(), parent)); got != parent {
		t.Errorf("the trace %s goes on as %q", parent, got)
	}
	for _, text := range []string{"", "nonsense", parent[:50]} {
		if got := telemetry.TraceParent(telemetry.Continue(t.Context(), text)); got != "" {
			t.Errorf("%q becomes the trace %q", text, got)
		}
	}
}
