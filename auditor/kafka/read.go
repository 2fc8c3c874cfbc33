package kafka

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"time"

	"github.com/IBM/sarama"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/steadfast-shop/steadfast/shared-kit/kafka"
	eventsv1 "github.com/steadfast-shop/steadfast/shared-proto/events/v1"
	"github.com/steadfast-shop/steadfast/shared-proto/topics"

	"github.com/steadfast-shop/steadfast/auditor/audit"
)

const (
	// fetchVersion is KIP-516's predecessor, the highest that names topics by their names; every broker since 2.7 speaks it.
	fetchVersion = 12
	fetchBytes   = 4 << 20
	fetchWait    = 500 * time.Millisecond
	// fetchTries is how many fetches in a row may fail or bring nothing, a fetchWait each, before the partition counts as unreadable.
	fetchTries = 20
)

// Bounds implements audit.Records.
func (r *Records) Bounds(ctx context.Context, topic string, partition int32) (audit.Bounds, error) {
	var bounds audit.Bounds
	for where, offset := range map[int64]*int64{sarama.OffsetOldest: &bounds.Start, sarama.OffsetNewest: &bounds.End} {
		found, err := within(ctx, func() (int64, error) { return r.client.GetOffset(topic, partition, where) })
		if err != nil {
			return bounds, fmt.Errorf("find the bounds of %s, partition %d: %w", topic, partition, err)
		}
		*offset = found
	}
	return bounds, nil
}

// Read implements audit.Records. It fetches batch by batch and follows the batches' own offsets: compaction, transaction markers and retention leave gaps, also at the end, for
// which a consumer that waits for the last record would wait for ever.
func (r *Records) Read(ctx context.Context, topic string, partition int32, within audit.Bounds) iter.Seq2[audit.Record, error] {
	return func(yield func(audit.Record, error) bool) {
		fail := func(err error) { yield(audit.Record{}, fmt.Errorf("read %s, partition %d: %w", topic, partition, err)) }
		position, idle := within.Start, 0
		for position < within.End {
			block, err := r.fetch(ctx, topic, partition, position)
			if errors.Is(err, sarama.ErrOffsetOutOfRange) { // the retention was faster
				bounds, err := r.Bounds(ctx, topic, partition)
				if err != nil || bounds.Start <= position {
					fail(errors.Join(errors.New("the partition was made anew"), err))
					return
				}
				position = bounds.Start
				continue
			}
			if ctx.Err() != nil {
				fail(ctx.Err())
				return
			}
			var records []audit.Record
			before := position
			if err == nil {
				records, position = recordsOf(block, topic, partition, position, within.End)
			}
			for _, record := range records {
				if !yield(record, nil) {
					return
				}
			}
			if idle++; position > before {
				idle = 0
			}
			if idle == fetchTries {
				fail(errors.Join(fmt.Errorf("offset %d does not come, and the partition ends at %d", position, within.End), err))
				return
			}
			if err != nil {
				if err := r.renew(ctx, topic); err != nil {
					fail(err)
					return
				}
			}
		}
	}
}

// renew lets a moment pass and finds the partition's leader anew.
func (r *Records) renew(ctx context.Context, topic string) error {
	timer := time.NewTimer(fetchWait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
	}
	_, _ = within(ctx, func() (struct{}, error) { return struct{}{}, r.client.RefreshMetadata(topic) }) // the next fetch tells
	return nil
}

// fetch gets what begins at the offset.
func (r *Records) fetch(ctx context.Context, topic string, partition int32, offset int64) (*sarama.FetchResponseBlock, error) {
	return within(ctx, func() (*sarama.FetchResponseBlock, error) {
		broker, err := r.client.Leader(topic, partition)
		if err != nil {
			return nil, err
		}
		request := &sarama.FetchRequest{
			Version: fetchVersion, MaxWaitTime: int32(fetchWait.Milliseconds()), MinBytes: 1, MaxBytes: fetchBytes,
			SessionEpoch: -1, // no fetch session
		}
		request.AddBlock(topic, partition, offset, fetchBytes, -1)
		response, err := broker.Fetch(request)
		if err != nil {
			return nil, err
		}
		block := response.GetBlock(topic, partition)
		switch {
		case !errors.Is(sarama.KError(response.ErrorCode), sarama.ErrNoError):
			return nil, sarama.KError(response.ErrorCode)
		case block == nil:
			return nil, errors.New("the broker answered for another partition")
		case !errors.Is(block.Err, sarama.ErrNoError):
			return nil, block.Err
		}
		return block, nil
	})
}

// recordsOf returns the records of a fetch from position to before end, and where to go on.
func recordsOf(block *sarama.FetchResponseBlock, topic string, partition int32, position, end int64) ([]audit.Record, int64) {
	var records []audit.Record
	for _, set := range block.RecordsSet {
		batch := set.RecordBatch
		if batch == nil || batch.PartialTrailingRecord {
			continue
		}
		for _, record := range batch.Records {
			offset := batch.FirstOffset + record.OffsetDelta
			if batch.Control || offset < position || offset >= end {
				continue
			}
			at := batch.FirstTimestamp.Add(record.TimestampDelta)
			if batch.LogAppendTime {
				at = batch.MaxTimestamp
			}
			found := recordOf(topic, offset, at, record)
			if topic == topics.OrderPlacedDLQ {
				found.Redriven = redrivenOf(record, partition, offset)
			}
			records = append(records, found)
		}
		position = max(position, batch.LastOffset()+1)
	}
	return records, position
}

func recordOf(topic string, offset int64, at time.Time, record *sarama.Record) audit.Record {
	found := audit.Record{Offset: offset, At: at, Key: string(record.Key), Gone: record.Value == nil}
	if topic != topics.NotificationLedger { // whose key alone counts
		found.Event = eventOf(record.Value)
	}
	return found
}

// redrivenOf returns the offset of the letter that a record marks as sent through again. It is a mark if it has no reason, and names an earlier offset of its own partition.
func redrivenOf(record *sarama.Record, partition int32, offset int64) *int64 {
	if kafka.Header(record.Headers, topics.HeaderDLQReason) != "" || kafka.Header(record.Headers, topics.HeaderRedrivenPartition) != strconv.Itoa(int(partition)) {
		return nil
	}
	letter, err := strconv.ParseInt(kafka.Header(record.Headers, topics.HeaderRedrivenOffset), 10, 64)
	if err != nil || letter < 0 || letter >= offset {
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
