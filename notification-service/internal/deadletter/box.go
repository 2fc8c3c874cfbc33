package deadletter

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/IBM/sarama"

	"github.com/steadfast-shop/steadfast/shared-kit/kafka/partition"
	"github.com/steadfast-shop/steadfast/shared-proto/topics"
)

// Box is what the topic of the dead letters held when it was opened. What is written later does not come into it, so that a redrive does not meet the letters it causes.
type Box struct {
	client sarama.Client
	parts  []part
}

type part struct {
	number   int32
	span     partition.Span
	redriven map[int64]time.Time // when letters were sent through again, by their offsets
}

// Open reads which letters were sent through again. A marker is behind its letter, so this comes before the first letter can be shown; in exchange only markers are held in memory.
func Open(ctx context.Context, client sarama.Client) (*Box, error) {
	numbers, err := client.Partitions(topics.OrderPlacedDLQ)
	if errors.Is(err, sarama.ErrUnknownTopicOrPartition) {
		return nil, fmt.Errorf("there is no topic %s; the service makes it at its first start", topics.OrderPlacedDLQ)
	}
	if err != nil {
		return nil, fmt.Errorf("read the partitions of %s: %w", topics.OrderPlacedDLQ, err)
	}
	b := &Box{client: client}
	for _, number := range numbers {
		span, err := partition.Bounds(ctx, client, topics.OrderPlacedDLQ, number)
		if err != nil {
			return nil, err
		}
		b.parts = append(b.parts, part{number: number, span: span, redriven: make(map[int64]time.Time)})
	}
	for _, p := range b.parts {
		if err := b.readMarkers(ctx, p); err != nil {
			return nil, err
		}
	}
	return b, nil
}

func (b *Box) readMarkers(ctx context.Context, p part) error {
	reader := partition.NewReader(b.client, topics.OrderPlacedDLQ, p.number, p.span)
	for {
		record, err := reader.Next(ctx)
		switch {
		case errors.Is(err, partition.ErrEnd):
			return nil
		case err != nil:
			return err
		}
		if offset, at, ok := marker(record); ok && at.After(p.redriven[offset]) {
			p.redriven[offset] = at
		}
	}
}

// Letters returns all letters, the oldest first. An error ends them.
func (b *Box) Letters(ctx context.Context) iter.Seq2[Letter, error] {
	return func(yield func(Letter, error) bool) {
		stacks := make([]*stack, len(b.parts))
		for i, p := range b.parts {
			stacks[i] = &stack{part: p, reader: partition.NewReader(b.client, topics.OrderPlacedDLQ, p.number, p.span)}
		}
		for {
			var oldest *stack
			for _, s := range stacks {
				if err := s.fill(ctx); err != nil {
					yield(Letter{}, err)
					return
				}
				if s.top != nil && (oldest == nil || s.top.Time.Before(oldest.top.Time)) {
					oldest = s
				}
			}
			if oldest == nil {
				return
			}
			letter := *oldest.top
			oldest.top = nil
			if !yield(letter, nil) {
				return
			}
		}
	}
}

// stack is the letters of one partition, the next one on top.
type stack struct {
	part
	reader *partition.Reader
	top    *Letter // nil: it must be filled, or is empty
	done   bool
}

func (s *stack) fill(ctx context.Context) error {
	for s.top == nil && !s.done {
		record, err := s.reader.Next(ctx)
		switch {
		case errors.Is(err, partition.ErrEnd):
			s.done = true
			return nil
		case err != nil:
			return err
		}
		if _, _, isMarker := marker(record); isMarker {
			continue
		}
		letter := newLetter(record)
		letter.RedrivenAt = s.redriven[record.Offset]
		s.top = &letter
	}
	return nil
}
