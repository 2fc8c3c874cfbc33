// Package telemetry starts OpenTelemetry traces. W3C trace context is read and passed on whether or not traces are exported, so that logs of all services share trace ids.
package telemetry

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.37.0"
)

// flushTimeout bounds the sending of the last spans.
const flushTimeout = 2 * time.Second

// Settings say where traces go and which.
type Settings struct {
	// Endpoint takes OTLP/gRPC; nil means that nothing is recorded.
	Endpoint *url.URL
	// Ratio is the share of the traces begun here that are recorded, from 0 to 1.
	Ratio float64
	// Follow records what the caller records, whatever the ratio.
	Follow bool
}

// Start installs the tracer provider and the propagator that instrumentation libraries look up. Without an endpoint spans get ids but are not recorded.
// Trouble with the collector goes to the log. The returned function sends what is still held, for flushTimeout at most: traces must not hold up a stop.
func Start(ctx context.Context, service string, settings Settings, log *slog.Logger) (stop func(context.Context) error, err error) {
	otel.SetTextMapPropagator(propagation.TraceContext{})
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Warn("trouble with traces", "error", err) }))
	if settings.Endpoint == nil {
		otel.SetTracerProvider(unrecorded{})
		return func(context.Context) error { return nil }, nil
	}
	exporter, err := otlptracegrpc.New(ctx, otlptracegrpc.WithEndpointURL(settings.Endpoint.String()))
	if err != nil {
		return nil, fmt.Errorf("open the trace exporter: %w", err)
	}
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithResource(resource.NewSchemaless(semconv.ServiceName(service))),
		sdktrace.WithBatcher(exporter),
		sdktrace.WithSampler(settings.sampler()),
	)
	otel.SetTracerProvider(provider)
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, flushTimeout)
		defer cancel()
		return provider.Shutdown(ctx)
	}, nil
}

// sampler judges by the id of the trace, so that services with the same ratio record the same traces.
func (s Settings) sampler() sdktrace.Sampler {
	sampler := sdktrace.TraceIDRatioBased(s.Ratio)
	if s.Follow {
		return sdktrace.ParentBased(sampler)
	}
	return sampler
}

// traceParent is the one header of the W3C trace context that is kept where a trace waits to go on.
const traceParent = "traceparent"

// TraceParent returns the context's trace as text, for Continue to go on with it later or elsewhere.
func TraceParent(ctx context.Context) string {
	var text parentText
	propagation.TraceContext{}.Inject(ctx, &text)
	return string(text)
}

// Continue returns ctx within the trace that TraceParent gave; any other text leaves ctx as it is.
func Continue(ctx context.Context, text string) context.Context {
	carrier := parentText(text)
	return propagation.TraceContext{}.Extract(ctx, &carrier)
}

// parentText lets the propagator read and write the header traceparent alone.
type parentText string

// Get implements propagation.TextMapCarrier.
func (p *parentText) Get(name string) string {
	if name != traceParent {
		return ""
	}
	return string(*p)
}

// Set implements propagation.TextMapCarrier.
func (p *parentText) Set(name, value string) {
	if name == traceParent {
		*p = parentText(value)
	}
}

// Keys implements propagation.TextMapCarrier.
func (*parentText) Keys() []string { return []string{traceParent} }
