package kafka

import (
	"context"
	"errors"
	"iter"
	"strconv"

	"github.com/IBM/sarama"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/steadfast-shop/steadfast/shared-kit/kafka"
	"github.com/steadfast-shop/steadfast/shared-kit/kafka/partition"
	eventsv1 "github.com/steadfast-shop/steadfast/shared-proto/events/v1"
	"github.com/steadfast-shop/steadfast/shared-proto/topics"

	"github.com/steadfast-shop/steadfast/auditor/audit"
)

// Bounds implements audit.Records.
func (r *Records) Bounds(ctx context.Context, topic string, number int32) (audit.Bounds, error) {
	span, err := partition.Bounds(ctx, r.client, topic, number)
	return audit.Bounds{Start: span.First, End: span.End}, err
}

// Read implements audit.Records.
func (r *Records) Read(ctx context.Context, topic string, number int32, within audit.Bounds) iter.Seq2[audit.Record, error] {
	return func(yield func(audit.Record, error) bool) {
		reader := partition.NewReader(r.client, topic, number, partition.Span{First: within.Start, End: within.End})
		for {
			record, err := reader.Next(ctx)
			if errors.Is(err, partition.ErrEnd) {
				return
			}
			if err != nil {
				yield(audit.Record{}, err)
				return
			}
			if !yield(recordOf(record), nil) {
				return
			}
		}
	}
}

func recordOf(record *sarama.ConsumerMessage) audit.Record {
	found := audit.Record{Offset: record.Offset, At: record.Timestamp, Key: string(record.Key), Gone: record.Value == nil}
	if record.Topic != topics.NotificationLedger { // whose key alone counts
		found.Event = eventOf(record.Value)
	}
	if record.Topic == topics.OrderPlacedDLQ {
		found.Redriven = redrivenOf(record)
	}
	return found
}

// redrivenOf returns the offset of the letter that a record marks as sent through again. It is a mark if it has no reason, and names an earlier offset of its own partition.
func redrivenOf(record *sarama.ConsumerMessage) *int64 {
	if kafka.Header(record.Headers, topics.HeaderDLQReason) != "" || kafka.Header(record.Headers, topics.HeaderRedrivenPartition) != strconv.Itoa(int(record.Partition)) {
		return nil
	}
	letter, err := strconv.ParseInt(kafka.Header(record.Headers, topics.HeaderRedrivenOffset), 10, 64)
	if err != nil || letter < 0 || letter >= record.Offset {
		return nil
	}
	return &letter
}

// eventOf reads an OrderPlaced; nil where the value is none.
func eventOf(value []byte) *audit.Event {
	message := &eventsv1.OrderPlaced{}
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(value, message); err != nil || message.GetOrderNumber() == "" {
		return nil
	}
	event := &audit.Event{Number: message.GetOrderNumber(), UserID: message.GetCustomer().GetUserId(), Lines: make([]audit.Line, len(message.GetLines()))}
	for i, line := range message.GetLines() {
		event.Lines[i] = audit.Line{SKU: line.GetSkuCode(), Quantity: line.GetQuantity(), PriceMinor: line.GetUnitPriceMinor()}
	}
	return event
}
