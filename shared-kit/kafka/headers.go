package kafka

import (
	"context"

	"github.com/IBM/sarama"
	"go.opentelemetry.io/otel"
)

// InjectTrace appends the context's trace (W3C traceparent) to a record's headers.
func InjectTrace(ctx context.Context, headers *[]sarama.RecordHeader) {
	otel.GetTextMapPropagator().Inject(ctx, producedHeaders{headers})
}

// MoveTrace puts the context's trace in the place of the one that a record has brought along, so that what reads it next continues where it was sent on. A record without a
// trace gets none.
func MoveTrace(ctx context.Context, headers []sarama.RecordHeader) {
	if len(headers) == 0 {
		return
	}
	var own []sarama.RecordHeader
	InjectTrace(ctx, &own)
	for i := range headers {
		for _, header := range own {
			if string(headers[i].Key) == string(header.Key) {
				headers[i].Value = header.Value
			}
		}
	}
}

// ExtractTrace returns ctx with the trace that a record's headers carry.
func ExtractTrace(ctx context.Context, headers []*sarama.RecordHeader) context.Context {
	return otel.GetTextMapPropagator().Extract(ctx, consumedHeaders(headers))
}

// Header returns the value of a consumed record's header, "" where it has none.
func Header(headers []*sarama.RecordHeader, name string) string {
	return consumedHeaders(headers).Get(name)
}

// producedHeaders lets the propagator write to a record; it is never read.
type producedHeaders struct{ headers *[]sarama.RecordHeader }

// Get implements propagation.TextMapCarrier.
func (producedHeaders) Get(string) string { return "" }

// Set implements propagation.TextMapCarrier.
func (p producedHeaders) Set(name, value string) {
	*p.headers = append(*p.headers, sarama.RecordHeader{Key: []byte(name), Value: []byte(value)})
}

// Keys implements propagation.TextMapCarrier.
func (producedHeaders) Keys() []string { return nil }

// consumedHeaders lets the propagator read a record; it is never written.
type consumedHeaders []*sarama.RecordHeader

// Get implements propagation.TextMapCarrier.
func (c consumedHeaders) Get(name string) string {
	for _, header := range c {
		if string(header.Key) == name {
			return string(header.Value)
		}
	}
	return ""
}

// Set implements propagation.TextMapCarrier.
func (consumedHeaders) Set(string, string) {}

// Keys implements propagation.TextMapCarrier.
func (c consumedHeaders) Keys() []string {
	names := make([]string, len(c))
	for i, header := range c {
		names[i] = string(header.Key)
	}
	return names
}
