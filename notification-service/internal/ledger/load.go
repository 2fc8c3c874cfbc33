package ledger

import (
	"context"
	"errors"

	"github.com/IBM/sarama"

	"github.com/steadfast-shop/steadfast/shared-kit/kafka/partition"
	"github.com/steadfast-shop/steadfast/shared-proto/topics"
)

// Source hands out the records of a partition of the ledger, and partition.ErrEnd behind the last one.
type Source interface {
	Next(ctx context.Context) (*sarama.ConsumerMessage, error)
}

// Load reads a partition up to its end at this moment. Whoever had the partition before has stopped by then, so that everything that was recorded is known afterwards.
// What an earlier Load read is not read again. One Load for a partition runs at a time.
func (l *Ledger) Load(ctx context.Context, client sarama.Client, number int32) error {
	span, err := partition.Bounds(ctx, client, topics.NotificationLedger, number)
	if err != nil {
		return err
	}
	return l.Read(ctx, number, span, func(span partition.Span) Source {
		return partition.NewReader(client, topics.NotificationLedger, number, span)
	})
}

// Read is Load from wherever the records are; open returns those of a part of the span.
func (l *Ledger) Read(ctx context.Context, number int32, span partition.Span, open func(span partition.Span) Source) error {
	span.First = max(l.position(number, span.End), span.First)
	for source := open(span); ; {
		record, err := source.Next(ctx)
		if errors.Is(err, partition.ErrEnd) {
			return nil
		}
		if err != nil {
			return err
		}
		l.apply(ctx, record)
	}
}

// position returns where to read on. A partition that is shorter than what was read of it is another one, made anew: what was read counts no more.
func (l *Ledger) position(number int32, end int64) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.partitions[number]
	if p == nil || p.next > end {
		p = &part{orders: make(map[hash]struct{})}
		l.partitions[number] = p
	}
	return p.next
}
