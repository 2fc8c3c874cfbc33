// Package partition reads a partition of a topic from one offset to another, and knows for certain when it has read all of it. sarama's own consumer only tells of the records
// that it found: behind the last one it waits for ever where the partition ends with what is no record, such as the end of a transaction.
package partition

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/IBM/sarama"

	"github.com/steadfast-shop/steadfast/shared-kit/kafka"
)

const (
	// callTimeout bounds each call to a broker, whatever the client's settings.
	callTimeout = 15 * time.Second
	// fetchTries is how often in a row a fetch may bring nothing. With the pauses between them that is some four seconds beside the calls themselves.
	fetchTries = 6
	tryPause   = 250 * time.Millisecond // grows by itself from try to try

	fetchVersion = 11                    // the first from 10, which brings zstd, to 12, which no longer is the plain format
	fetchWait    = 20 * time.Millisecond // there is something, or nothing will come; partitions that are read side by side share a connection
	fetchBytes   = 1 << 20               // of one partition; a batch that is larger comes all the same
)

// ErrEnd is what Next returns behind the last record. It is no io.EOF: that is how a connection ends that breaks, which must not pass for the end of the records.
var ErrEnd = errors.New("there is no further record")

// errNothing is a fetch that brought nothing though there must be something.
var errNothing = errors.New("the broker sent nothing")

// Span is a part of a partition: from the offset First to before End.
type Span struct{ First, End int64 }

// Bounds returns what the partition holds at this moment.
func Bounds(ctx context.Context, client sarama.Client, topic string, number int32) (Span, error) {
	return kafka.Within(ctx, callTimeout, func() (s Span, err error) {
		if s.First, err = client.GetOffset(topic, number, sarama.OffsetOldest); err != nil {
			return s, fmt.Errorf("find the oldest record of %s/%d: %w", topic, number, err)
		}
		if s.End, err = client.GetOffset(topic, number, sarama.OffsetNewest); err != nil {
			return s, fmt.Errorf("find the end of %s/%d: %w", topic, number, err)
		}
		return s, nil
	})
}

// Reader hands out the records of a span. It serves one goroutine.
type Reader struct {
	client  sarama.Client
	topic   string
	number  int32
	span    Span // what is not fetched yet
	fetched []*sarama.ConsumerMessage
}

// NewReader returns a Reader of a part of a partition, as Bounds told it. The client is the caller's to close.
func NewReader(client sarama.Client, topic string, number int32, span Span) *Reader {
	return &Reader{client: client, topic: topic, number: number, span: span}
}

// Next returns the next record, and ErrEnd behind the last one. Records that were deleted since are left out.
func (r *Reader) Next(ctx context.Context) (*sarama.ConsumerMessage, error) {
	for try := 1; len(r.fetched) == 0; {
		if r.span.First >= r.span.End {
			return nil, ErrEnd
		}
		before := r.span.First
		err := r.fetch(ctx)
		switch {
		case err == nil && r.span.First > before:
			try = 1
			continue
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err == nil:
			err = errNothing
		}
		if try == fetchTries {
			return nil, fmt.Errorf("read %s/%d from offset %d: %w", r.topic, r.number, r.span.First, err)
		}
		if err := r.recover(ctx, time.Duration(try)*tryPause); err != nil {
			return nil, err
		}
		try++
	}
	record := r.fetched[0]
	r.fetched = r.fetched[1:]
	return record, nil
}

// recover pauses and learns anew who leads the partition and what it still holds. If that fails, so will the next fetch.
func (r *Reader) recover(ctx context.Context, pause time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(pause):
	}
	_, _ = kafka.Within(ctx, callTimeout, func() (struct{}, error) { return struct{}{}, r.client.RefreshMetadata(r.topic) })
	if now, err := Bounds(ctx, r.client, r.topic, r.number); err == nil {
		r.span.First = max(r.span.First, min(now.First, r.span.End))
	}
	return ctx.Err()
}

// fetch gets what comes next. It moves on over whatever the broker has there: records, gaps that compaction left, and the ends of transactions.
func (r *Reader) fetch(ctx context.Context) error {
	request := &sarama.FetchRequest{
		Version: fetchVersion, MaxWaitTime: int32(fetchWait / time.Millisecond), MinBytes: 1, MaxBytes: fetchBytes,
		Isolation: sarama.ReadUncommitted, SessionEpoch: -1, // no session is opened
	}
	request.AddBlock(r.topic, r.number, r.span.First, fetchBytes, -1)
	response, err := kafka.Within(ctx, callTimeout, func() (*sarama.FetchResponse, error) {
		leader, err := r.client.Leader(r.topic, r.number)
		if err != nil {
			return nil, err
		}
		response, err := leader.Fetch(request)
		if err != nil {
			_ = leader.Close() // a broken connection is opened anew at the next use
		}
		return response, err
	})
	if err != nil {
		return err
	}
	block := response.GetBlock(r.topic, r.number)
	switch {
	case block == nil:
		return errNothing
	case !errors.Is(block.Err, sarama.ErrNoError):
		return block.Err
	}
	for _, records := range block.RecordsSet {
		if records.RecordBatch == nil {
			return errors.New("the records are in a format older than Kafka 0.11")
		}
		r.take(records.RecordBatch)
	}
	// A broker that has something before the end of what it may show sends it, unless it holds us back. So there is nothing.
	if len(block.RecordsSet) == 0 && response.ThrottleTime == 0 && block.HighWaterMarkOffset >= r.span.End {
		r.span.First = r.span.End
	}
	return nil
}

// take takes over a batch's records, as far as they are of the span.
func (r *Reader) take(batch *sarama.RecordBatch) {
	if batch.PartialTrailingRecord || batch.LastOffset() < r.span.First {
		return
	}
	first := r.span.First
	r.span.First = batch.LastOffset() + 1
	if batch.Control {
		return
	}
	for _, record := range batch.Records {
		offset := batch.FirstOffset + record.OffsetDelta
		if offset < first || offset >= r.span.End {
			continue
		}
		at := batch.FirstTimestamp.Add(record.TimestampDelta)
		if batch.LogAppendTime {
			at = batch.MaxTimestamp
		}
		r.fetched = append(r.fetched, &sarama.ConsumerMessage{
			Topic: r.topic, Partition: r.number, Offset: offset, Timestamp: at, Key: record.Key, Value: record.Value, Headers: record.Headers,
		})
	}
}
