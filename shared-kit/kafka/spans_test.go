package kafka_test

import (
	"context"
	"errors"
	"testing"

	"github.com/IBM/sarama"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/steadfast-shop/steadfast/shared-kit/kafka"
	"github.com/steadfast-shop/steadfast/shared-kit/telemetry/telemetrytest"
)

// received is a record as its reader gets it.
func received(headers []sarama.RecordHeader) *sarama.ConsumerMessage {
	record := &sarama.ConsumerMessage{Topic: "orders", Key: []byte("ORD-1"), Partition: 3, Offset: 7}
	for _, header := range headers {
		record.Headers = append(record.Headers, &header)
	}
	return record
}

// TestTraceGoesFromHandToHand publishes a record, reads it, sends it on, and reads it again: each step is the child of the one before.
func TestTraceGoesFromHandToHand(t *testing.T) {
	spans := telemetrytest.Record(t)
	headers := []sarama.RecordHeader{{Key: []byte("ce_id"), Value: []byte("ORD-1")}}
	publishing, publish := kafka.StartPublish(t.Context(), "orders", "ORD-1")
	kafka.InjectTrace(publishing, &headers)
	kafka.EndPublish(publish, 5, nil)
	processing, process := kafka.StartProcess(t.Context(), received(headers), "readers")
	sending, send := kafka.StartPublish(processing, "orders.retry", "ORD-1")
	kafka.MoveTrace(sending, headers)
	kafka.EndPublish(send, 1, errors.New("no leader"))
	process.End()
	_, again := kafka.StartProcess(t.Context(), received(headers), "readers")
	again.End()

	ended := spans.Ended() // publish, send, process, again
	for child, parent := range map[int]int{2: 0, 1: 2, 3: 1} {
		if ended[child].Parent().SpanID() != ended[parent].SpanContext().SpanID() {
			t.Errorf("%s is not the child of %s", ended[child].Name(), ended[parent].Name())
		}
	}
	if ended[0].SpanKind() != trace.SpanKindProducer || ended[2].SpanKind() != trace.SpanKindConsumer || ended[2].Name() != "process orders" {
		t.Errorf("got %s %s and %s %s", ended[0].SpanKind(), ended[0].Name(), ended[2].SpanKind(), ended[2].Name())
	}
	if ended[0].Status().Code != codes.Unset || ended[1].Status().Code != codes.Error {
		t.Errorf("the statuses are %v and %v", ended[0].Status(), ended[1].Status())
	}
	if len(headers) != 2 {
		t.Errorf("the record has %d headers; want its own and one trace", len(headers))
	}
}

// TestRecordWithoutATraceStaysSo sends on what came without a trace.
func TestRecordWithoutATraceStaysSo(t *testing.T) {
	headers := []sarama.RecordHeader{{Key: []byte("ce_id"), Value: []byte("ORD-1")}}
	kafka.MoveTrace(context.Background(), headers)
	if len(headers) != 1 || string(headers[0].Value) != "ORD-1" {
		t.Errorf("the headers are %s", headers)
	}
}
