// Package traces collects what the services send over OTLP, as any collector would.
package traces

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"

	collectorv1 "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonv1 "go.opentelemetry.io/proto/otlp/common/v1"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
)

// keyNumber is the attribute by which an order's trace is found.
const keyNumber = "steadfast.order.number"

// Span is a span with the service that sent it.
type Span struct {
	*tracev1.Span
	Service string
}

// Attribute returns the attribute as text, "" where the span has none of the name.
func (s Span) Attribute(name string) string { return attribute(s.GetAttributes(), name) }

// Failed tells whether the span's status is an error.
func (s Span) Failed() bool { return s.GetStatus().GetCode() == tracev1.Status_STATUS_CODE_ERROR }

func attribute(attributes []*commonv1.KeyValue, name string) string {
	for _, a := range attributes {
		if a.GetKey() != name {
			continue
		}
		if number, ok := a.GetValue().GetValue().(*commonv1.AnyValue_IntValue); ok {
			return fmt.Sprint(number.IntValue)
		}
		return a.GetValue().GetStringValue()
	}
	return ""
}

// Trace is all spans of one trace id.
type Trace []Span

// Collector is an OTLP/gRPC server that keeps every span.
type Collector struct {
	collectorv1.UnimplementedTraceServiceServer

	address string
	server  *grpc.Server
	served  chan error

	mu    sync.Mutex
	spans map[string]Trace // by trace id
}

// Start starts a collector on a port that is free.
func Start(ctx context.Context) (*Collector, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for traces: %w", err)
	}
	c := &Collector{address: listener.Addr().String(), server: grpc.NewServer(), served: make(chan error, 1), spans: map[string]Trace{}}
	collectorv1.RegisterTraceServiceServer(c.server, c)
	go func() { c.served <- c.server.Serve(listener) }()
	return c, nil
}

// Endpoint is where traces are sent.
func (c *Collector) Endpoint() string { return "http://" + c.address }

// Stop ends the server.
func (c *Collector) Stop() error {
	c.server.Stop()
	return <-c.served
}

// Export implements collectorv1.TraceServiceServer.
func (c *Collector) Export(_ context.Context, request *collectorv1.ExportTraceServiceRequest) (*collectorv1.ExportTraceServiceResponse, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, resource := range request.GetResourceSpans() {
		service := attribute(resource.GetResource().GetAttributes(), "service.name")
		for _, scope := range resource.GetScopeSpans() {
			for _, span := range scope.GetSpans() {
				id := hex.EncodeToString(span.GetTraceId())
				c.spans[id] = append(c.spans[id], Span{span, service})
			}
		}
	}
	return &collectorv1.ExportTraceServiceResponse{}, nil
}

// OfOrder returns the one trace in which the order was placed, as far as it has come.
func (c *Collector) OfOrder(number string) (Trace, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var found []Trace
	for _, trace := range c.spans {
		if slices.ContainsFunc(trace, func(s Span) bool { return s.Attribute(keyNumber) == number }) {
			found = append(found, slices.Clone(trace))
		}
	}
	switch len(found) {
	case 0:
		return nil, errors.New("no trace of the order has come yet")
	case 1:
		return found[0], nil
	default:
		return nil, fmt.Errorf("the order is in %d traces; want one", len(found))
	}
}

// Orphans returns the spans that have a parent which is not in the trace.
func (t Trace) Orphans() []Span {
	var orphans []Span
	for _, span := range t {
		if len(span.GetParentSpanId()) > 0 && !slices.ContainsFunc(t, func(s Span) bool { return string(s.GetSpanId()) == string(span.GetParentSpanId()) }) {
			orphans = append(orphans, span)
		}
	}
	return orphans
}

// String draws the trace as a tree: a line for each span, with service, kind and name, siblings by their start. A span without its parent in the trace stands at the left.
func (t Trace) String() string {
	var tree strings.Builder
	orphans := t.Orphans()
	var draw func(spans []Span, indent string)
	draw = func(spans []Span, indent string) {
		slices.SortFunc(spans, func(a, b Span) int { return int(a.GetStartTimeUnixNano() - b.GetStartTimeUnixNano()) }) //nolint:gosec // close to each other
		for _, span := range spans {
			kind := strings.ToLower(strings.TrimPrefix(span.GetKind().String(), "SPAN_KIND_"))
			fmt.Fprintf(&tree, "%s%s %s %s\n", indent, span.Service, kind, span.GetName())
			draw(t.children(span.GetSpanId()), indent+"  ")
		}
	}
	draw(append(t.children(nil), orphans...), "")
	return tree.String()
}

func (t Trace) children(parent []byte) []Span {
	var children []Span
	for _, span := range t {
		if string(span.GetParentSpanId()) == string(parent) {
			children = append(children, span)
		}
	}
	return children
}
