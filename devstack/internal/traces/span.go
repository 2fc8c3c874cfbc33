package traces

import (
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// Attributes that tell which order a trace placed, and what became of it.
const (
	keyNumber = "steadfast.order.number"
	keyStatus = "steadfast.order.status"
)

// statusError is the status of a span whose work failed.
const statusError = "error"

// Span is one piece of work in a trace.
type Span struct {
	TraceID string `json:"-"`
	ID      string `json:"id"`
	Parent  string `json:"parent"` // "" for the trace's first
	Name    string `json:"name"`
	Service string `json:"service"`
	// Kind is server, client, producer, consumer or internal.
	Kind     string    `json:"kind"`
	Start    time.Time `json:"start"`
	Duration float64   `json:"durationMs"`
	// Status is ok, error or unset; Message says more about an error.
	Status     string         `json:"status"`
	Message    string         `json:"message,omitempty"`
	Attributes map[string]any `json:"attributes,omitempty"`
	Events     []Event        `json:"events,omitempty"`
	Links      []Link         `json:"links,omitempty"`
}

// Event is something that happened within a span.
type Event struct {
	Name       string         `json:"name"`
	Time       time.Time      `json:"time"`
	Attributes map[string]any `json:"attributes,omitempty"`
}

// Link points to a span, often of another trace, that had a part in the same work.
type Link struct {
	TraceID string `json:"traceId"`
	SpanID  string `json:"spanId"`
}

// read returns the spans of what a receiver was sent.
func read(received ptrace.Traces) []Span {
	spans := make([]Span, 0, received.SpanCount())
	for _, resource := range received.ResourceSpans().All() {
		service := "unknown"
		if name, ok := resource.Resource().Attributes().Get("service.name"); ok {
			service = name.AsString()
		}
		for _, scope := range resource.ScopeSpans().All() {
			for _, span := range scope.Spans().All() {
				spans = append(spans, readSpan(service, span))
			}
		}
	}
	return spans
}

func readSpan(service string, span ptrace.Span) Span {
	s := Span{
		TraceID: span.TraceID().String(), ID: span.SpanID().String(), Parent: span.ParentSpanID().String(),
		Name: span.Name(), Service: service, Kind: kindOf(span.Kind()),
		Start: span.StartTimestamp().AsTime(), Duration: milliseconds(span.EndTimestamp().AsTime().Sub(span.StartTimestamp().AsTime())),
		Status: statusOf(span.Status().Code()), Message: span.Status().Message(),
		Attributes: attributes(span.Attributes()),
	}
	for _, event := range span.Events().All() {
		s.Events = append(s.Events, Event{event.Name(), event.Timestamp().AsTime(), attributes(event.Attributes())})
	}
	for _, link := range span.Links().All() {
		s.Links = append(s.Links, Link{link.TraceID().String(), link.SpanID().String()})
	}
	return s
}

// attributes keeps texts, numbers and truth values as they are; what is nested becomes text, and so does a number that JSON has no word for.
func attributes(from pcommon.Map) map[string]any {
	to := make(map[string]any, from.Len())
	for name, value := range from.All() {
		switch value.Type() {
		case pcommon.ValueTypeInt:
			to[name] = value.Int()
		case pcommon.ValueTypeBool:
			to[name] = value.Bool()
		default:
			to[name] = value.AsString()
		}
	}
	return to
}

func kindOf(kind ptrace.SpanKind) string {
	switch kind {
	case ptrace.SpanKindServer:
		return "server"
	case ptrace.SpanKindClient:
		return "client"
	case ptrace.SpanKindProducer:
		return "producer"
	case ptrace.SpanKindConsumer:
		return "consumer"
	default:
		return "internal"
	}
}

func statusOf(code ptrace.StatusCode) string {
	switch code {
	case ptrace.StatusCodeOk:
		return "ok"
	case ptrace.StatusCodeError:
		return statusError
	default:
		return "unset"
	}
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
