package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/IBM/sarama"

	"github.com/steadfast-shop/steadfast/shared-kit/kafka"
)

// publishTries bounds how long a write is repeated (some ten seconds beside sarama's own tries) before the connections to Kafka are made anew.
const publishTries = 6

// syncProducer is sarama.SyncProducer, as far as it is used.
type syncProducer interface {
	SendMessage(*sarama.ProducerMessage) (partition int32, offset int64, err error)
}

// publisher writes records so that they stay.
type publisher struct {
	producer syncProducer
	log      *slog.Logger
}

// publish returns once all in-sync replicas have the record. It repeats a write that fails, for as long as ctx lives and it makes sense.
func (p *publisher) publish(ctx context.Context, record *sarama.ProducerMessage) (err error) {
	ctx, span := kafka.StartPublish(ctx, record.Topic, keyOf(record))
	defer func() { kafka.EndPublish(span, 1, err) }()
	kafka.MoveTrace(ctx, record.Headers)
	pause := backoff{next: 250 * time.Millisecond, longest: 4 * time.Second}
	for try := 1; ; try++ {
		err := p.send(ctx, record)
		if err == nil || isTooLarge(err) || ctx.Err() != nil || try == publishTries {
			return err
		}
		p.log.WarnContext(ctx, "a record could not be written; trying again", "topic", record.Topic, "partition", record.Partition, "error", err)
		if err := pause.wait(ctx); err != nil {
			return err
		}
	}
}

// keyOf returns the record's key for people to read.
func keyOf(record *sarama.ProducerMessage) string {
	if record.Key == nil {
		return ""
	}
	key, err := record.Key.Encode()
	if err != nil { // sarama's own encoders do not fail
		return ""
	}
	return string(key)
}

// send writes once. sarama's producer takes no context; a write that outlives ctx goes on by itself, and its outcome is not known.
func (p *publisher) send(ctx context.Context, record *sarama.ProducerMessage) error {
	// The producer keeps notes in the record, which must not reach the next try.
	fresh := &sarama.ProducerMessage{Topic: record.Topic, Partition: record.Partition, Key: record.Key, Value: record.Value, Headers: record.Headers}
	done := make(chan error, 1)
	go func() {
		// gofail: var publishBefore struct{}
		_, _, err := p.producer.SendMessage(fresh)
		// gofail: var publishAfter struct{}
		done <- err
	}()
	select {
	case err := <-done:
		if err != nil {
			return fmt.Errorf("write to %s: %w", record.Topic, err)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("write to %s: %w", record.Topic, ctx.Err())
	}
}

// isTooLarge tells a record that no try can write: the broker's limit, or sarama's own.
func isTooLarge(err error) bool {
	var local sarama.ConfigurationError
	return errors.Is(err, sarama.ErrMessageSizeTooLarge) || errors.Is(err, sarama.ErrMessageSetSizeTooLarge) || errors.As(err, &local)
}
