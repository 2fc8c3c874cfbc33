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
	stop, err := telemetry.Start(t.Context(), "test", nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx := otel.GetTextMapPropagator().Extract(t.Context(), propagation.MapCarrier{"traceparent": parent})
	ctx, span := otel.Tracer("test").Start(ctx, "span")
	span.End()
	if got := trace.SpanContextFromContext(ctx).TraceID().String(); got != "0af7651916cd43dd8448eb211c80319c" {
		t.Errorf("the trace goes on as %s", got)
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
	stop, err := telemetry.Start(t.Context(), "test", endpoint, slog.New(slog.DiscardHandler))
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
