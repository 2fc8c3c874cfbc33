package kafka

import (
	"context"
	"strconv"

	"github.com/IBM/sarama"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.37.0"
	"go.opentelemetry.io/otel/trace"
)

const tracerName = "github.com/steadfast-shop/steadfast/shared-kit/kafka"

// StartPublish begins the span of a record's way to the brokers.
func StartPublish(ctx context.Context, topic, key string) (context.Context, trace.Span) {
	ctx, span := otel.Tracer(tracerName).Start(ctx, "publish "+topic, trace.WithSpanKind(trace.SpanKindProducer))
	if span.IsRecording() {
		span.SetAttributes(append(operation("publish", semconv.MessagingOperationTypeSend),
			semconv.MessagingDestinationName(topic), semconv.MessagingKafkaMessageKey(key))...)
	}
	return ctx, span
}

// EndPublish ends the span of a record that was sent together with others, batch records in all. err is what became of it.
func EndPublish(span trace.Span, batch int, err error) {
	if span.IsRecording() {
		if batch > 1 {
			span.SetAttributes(semconv.MessagingBatchMessageCount(batch))
		}
		if err != nil {
			span.SetAttributes(semconv.ErrorType(err))
			span.SetStatus(codes.Error, err.Error())
		}
	}
	span.End()
}

// StartProcess begins the span of a record's handling, in the trace of whoever published the record.
func StartProcess(ctx context.Context, record *sarama.ConsumerMessage, group string) (context.Context, trace.Span) {
	ctx, span := otel.Tracer(tracerName).Start(ExtractTrace(ctx, record.Headers), "process "+record.Topic, trace.WithSpanKind(trace.SpanKindConsumer))
	if span.IsRecording() {
		span.SetAttributes(append(operation("process", semconv.MessagingOperationTypeProcess),
			semconv.MessagingDestinationName(record.Topic),
			semconv.MessagingDestinationPartitionID(strconv.Itoa(int(record.Partition))),
			semconv.MessagingKafkaOffset(int(record.Offset)),
			semconv.MessagingKafkaMessageKey(string(record.Key)),
			semconv.MessagingConsumerGroupName(group))...)
	}
	return ctx, span
}

func operation(name string, kind attribute.KeyValue) []attribute.KeyValue {
	return []attribute.KeyValue{semconv.MessagingSystemKafka, semconv.MessagingOperationName(name), kind}
}
