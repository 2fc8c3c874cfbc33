package ledger

import (
	"context"
	"errors"
	"fmt"

	"github.com/IBM/sarama"

	"github.com/steadfast-shop/steadfast/shared-proto/topics"
)

// Load reads a partition up to its end at this moment. Whoever had the partition before has stopped by then, so that everything that was recorded is known afterwards.
// What an earlier Load read is not read again. One Load for a partition runs at a time. The client's Consumer.Return.Errors must be set.
func (l *Ledger) Load(ctx context.Context, client sarama.Client, number int32) error {
	oldest, err := client.GetOffset(topics.NotificationLedger, number, sarama.OffsetOldest)
	if err != nil {
		return fmt.Errorf("find the oldest entry: %w", err)
	}
	end, err := client.GetOffset(topics.NotificationLedger, number, sarama.OffsetNewest)
	if err != nil {
		return fmt.Errorf("find the newest entry: %w", err)
	}
	from := max(l.position(number, end), oldest)
	if from >= end {
		return nil
	}
	return l.read(ctx, client, number, from, end)
}

// position returns where to read on. A partition that is shorter than what was read of it is another one, made anew: what was read counts no more.
func (l *Ledger) position(number int32, end int64) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.partitions[number]
	if p == nil || p.next > end {
		p = &partition{orders: make(map[hash]struct{})}
		l.partitions[number] = p
	}
	return p.next
}

// read takes in the records with offsets from first to before end. Compaction may have taken any of them but the last: the newest record of a partition always stays.
func (l *Ledger) read(ctx context.Context, client sarama.Client, number int32, first, end int64) (err error) {
	consumer, err := sarama.NewConsumerFromClient(client)
	if err != nil {
		return fmt.Errorf("open the ledger: %w", err)
	}
	defer func() { err = errors.Join(err, consumer.Close()) }()
	reader, err := consumer.ConsumePartition(topics.NotificationLedger, number, first)
	if err != nil {
		return fmt.Errorf("read the ledger: %w", err)
	}
	defer func() { err = errors.Join(err, reader.Close()) }()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case failure := <-reader.Errors():
			return fmt.Errorf("read the ledger: %w", failure)
		case record := <-reader.Messages():
			l.apply(ctx, record)
			if record.Offset >= end-1 {
				return nil
			}
		}
	}
}
