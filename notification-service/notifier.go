package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/IBM/sarama"
	"go.opentelemetry.io/otel/trace"

	"github.com/steadfast-shop/steadfast/notification-service/internal/deadletter"
	"github.com/steadfast-shop/steadfast/notification-service/internal/event"
	"github.com/steadfast-shop/steadfast/notification-service/internal/ledger"
	"github.com/steadfast-shop/steadfast/notification-service/internal/mail"
	"github.com/steadfast-shop/steadfast/shared-kit/kafka"
	eventsv1 "github.com/steadfast-shop/steadfast/shared-proto/events/v1"
	"github.com/steadfast-shop/steadfast/shared-proto/topics"
)

const (
	// All events that are put off wait equally long, so that the retry topic's order is the order in which they are due, and none waits behind another's longer pause.
	retryDelay = 30 * time.Second
	// An hour of tries outlasts greylisting. What is put off longer is a dead letter, which a person can send through again.
	retryLimit = 120

	firstSMTPPause   = 500 * time.Millisecond
	longestSMTPPause = 30 * time.Second

	// What is under way when the session ends may end well: a mail that is cut off after its content went out may be mailed twice. Both together leave time for an orderly stop.
	sendGrace   = 3 * time.Second
	recordGrace = 2 * time.Second
)

// mailer sends the mail for an order; its errors are *mail.Failure.
type mailer interface {
	Send(ctx context.Context, order *eventsv1.OrderPlaced) error
	MessageID(orderNumber string) string
}

// notifier decides what happens to each record. It serves one session of the consumer group. A nil error of its methods means that the record is done with and may be
// marked; every error means that the session must end, and that the record comes again.
type notifier struct {
	log        *slog.Logger
	metrics    *metrics
	tracer     trace.Tracer
	mailer     mailer
	ledger     *ledger.Ledger
	publish    ledger.Publish
	confirm    func(ctx context.Context) error // that this session still has its partitions
	partitions int32                           // of order-placed

	partitioners sync.Pool // of sarama.Partitioner, each for one use at a time
}

// handleEvent works on a record of order-placed. The ledger's partition of the same number must be loaded.
func (n *notifier) handleEvent(ctx context.Context, record *sarama.ConsumerMessage) (err error) {
	ctx, span := kafka.StartProcess(ctx, record, consumerGroup)
	defer func() { endProcess(span, err) }()
	order, err := event.Decode(record.Value)
	if err != nil {
		return n.deadLetter(ctx, record, deadletter.Unreadable, strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	partition, err := n.partitionOf(order.GetOrderNumber())
	if err != nil {
		return fmt.Errorf("find the order's partition: %w", err)
	}
	if partition != record.Partition { // only the owner of its own partition can know whether it was mailed
		n.log.WarnContext(ctx, "an event is on the wrong partition; sending it on", "partition", record.Partition, "offset", record.Offset, "right_partition", partition)
		n.metrics.rerouted.Inc()
		return n.sendOn(ctx, record, newEventRecord(record, partition))
	}
	return n.notify(ctx, record, order)
}

// partitionOf is partitionOf for this session's number of partitions.
func (n *notifier) partitionOf(orderNumber string) (int32, error) {
	murmur2, _ := n.partitioners.Get().(sarama.Partitioner)
	if murmur2 == nil {
		murmur2 = sarama.NewMurmur2Partitioner(topics.OrderPlaced)
	}
	defer n.partitioners.Put(murmur2)
	return partitionBy(murmur2, orderNumber, n.partitions)
}

// notify mails the order, unless that was done before, however long the server is away.
func (n *notifier) notify(ctx context.Context, record *sarama.ConsumerMessage, order *eventsv1.OrderPlaced) error {
	pause := backoff{next: firstSMTPPause, longest: longestSMTPPause}
	for tries := 1; ; tries++ {
		switch n.ledger.State(record.Partition, order.GetOrderNumber()) {
		case ledger.Recorded:
			n.metrics.repeated.Inc()
			n.log.InfoContext(ctx, "the order was mailed before; nothing is sent", "order_number", order.GetOrderNumber(), "partition", record.Partition, "offset", record.Offset)
			return nil
		case ledger.Mailed: // by this process, which then failed to write it down
			return n.recordMailed(ctx, record, order)
		case ledger.Unknown:
		}
		err := n.send(ctx, order)
		if err == nil {
			return n.recordMailed(ctx, record, order)
		}
		var failure *mail.Failure
		if !errors.As(err, &failure) {
			return err
		}
		n.metrics.smtpFailures.WithLabelValues(string(failure.Kind)).Inc()
		switch failure.Kind {
		case mail.Deferred:
			return n.putOff(ctx, record, failure)
		case mail.Refused:
			return n.deadLetter(ctx, record, deadletter.Refused, failure.Error())
		case mail.Unavailable, mail.Misconfigured: // not about this mail: it waits
		}
		if tries == 1 {
			n.metrics.waiting.Inc()
			defer n.metrics.waiting.Dec() // when the mail's fate is known, not between tries
		}
		n.logOutage(ctx, failure, pause.next)
		if err := pause.wait(ctx); err != nil {
			return err
		}
	}
}

// send mails once. An error that is no *mail.Failure means that nothing was tried.
func (n *notifier) send(ctx context.Context, order *eventsv1.OrderPlaced) error {
	if err := n.confirm(ctx); err != nil {
		return err
	}
	ctx, cancel := outlive(ctx, sendGrace)
	defer cancel()
	ctx, span := n.tracer.Start(ctx, "send mail", trace.WithSpanKind(trace.SpanKindClient))
	start := time.Now()
	// gofail: var mailBefore struct{}
	err := n.mailer.Send(ctx, order)
	// gofail: var mailAfter struct{}
	endSend(span, err)
	if err != nil {
		return err
	}
	n.ledger.MarkMailed(order.GetOrderNumber())
	n.metrics.sent.Inc()
	n.log.InfoContext(ctx, "mail sent", "order_number", order.GetOrderNumber(), "duration", time.Since(start))
	return nil
}

// recordMailed writes the ledger. Until that is acknowledged the event is not done with.
func (n *notifier) recordMailed(ctx context.Context, record *sarama.ConsumerMessage, order *eventsv1.OrderPlaced) error {
	// gofail: var faultLedgerSkipped struct{}
	// return nil
	ctx, cancel := outlive(ctx, recordGrace)
	defer cancel()
	// gofail: var ledgerBefore struct{}
	err := n.ledger.Record(ctx, n.publish, record.Partition, order.GetOrderNumber(), n.mailer.MessageID(order.GetOrderNumber()))
	// gofail: var ledgerAfter struct{}
	return err
}

func (n *notifier) logOutage(ctx context.Context, failure *mail.Failure, pause time.Duration) {
	level := slog.LevelWarn
	if failure.Kind == mail.Misconfigured { // waiting does not help; somebody must look
		level = slog.LevelError
	}
	n.log.Log(ctx, level, "the SMTP server takes no mail; waiting", "reason", failure.Error(), "pause", pause)
}

// putOff sends the event to the retry topic; after too many tries it becomes a dead letter.
func (n *notifier) putOff(ctx context.Context, record *sarama.ConsumerMessage, failure *mail.Failure) error {
	attempts := trailOf(record).attempts + 1
	if attempts >= retryLimit {
		return n.deadLetter(ctx, record, deadletter.Exhausted, fmt.Sprintf("put off %d times, at last: %s", attempts, failure))
	}
	n.log.InfoContext(ctx, "the server put the mail off; it is tried again later", "partition", record.Partition, "offset", record.Offset, "attempt", attempts, "reason", failure.Error())
	// gofail: var putOffBefore struct{}
	if err := n.sendOn(ctx, record, newRetryRecord(record, time.Now().Add(retryDelay), failure.Error())); err != nil {
		return err
	}
	// gofail: var putOffAfter struct{}

	n.metrics.retried.Inc()
	return nil
}

// releaseRetry sends a record of the retry topic back to order-placed once it is due. Mailing it is left to the owner of that partition, so that no order ever has two senders.
func (n *notifier) releaseRetry(ctx context.Context, record *sarama.ConsumerMessage) (err error) {
	now := time.Now()
	if err := waitFor(ctx, dueAt(record, now, retryDelay).Sub(now)); err != nil {
		return err
	}
	ctx, span := kafka.StartProcess(ctx, record, consumerGroup) // of the sending: the wait before it is no work
	defer func() { endProcess(span, err) }()
	return n.sendOn(ctx, record, newEventRecord(record, record.Partition))
}

// sendOn writes another record in the place of this one. One that has grown too large for its topic becomes a dead letter.
func (n *notifier) sendOn(ctx context.Context, from *sarama.ConsumerMessage, record *sarama.ProducerMessage) error {
	if err := n.confirm(ctx); err != nil {
		return err
	}
	err := n.publish(ctx, record)
	if isTooLarge(err) {
		return n.deadLetter(ctx, from, deadletter.Unreadable, "too large to be sent on")
	}
	return err
}

// deadLetter lays the record aside with the reason, whole where the topic takes it. Else its value is left out, or all that came with it: the original stays where it was for as
// long as that topic keeps it, and must not hold up what is behind it.
func (n *notifier) deadLetter(ctx context.Context, record *sarama.ConsumerMessage, kind deadletter.Kind, detail string) error {
	if err := n.confirm(ctx); err != nil {
		return err
	}
	reason := string(kind) + ": " + detail
	// gofail: var deadLetterBefore struct{}
	err := n.publish(ctx, newDeadLetter(record, time.Now(), reason))
	// gofail: var deadLetterAfter struct{}
	if isTooLarge(err) {
		err = n.publish(ctx, newShortLetter(record, reason, fmt.Sprintf("value of %d bytes", len(record.Value)), record.Key, record.Headers))
	}
	if isTooLarge(err) {
		leftOut := fmt.Sprintf("key of %d bytes, value of %d bytes, %d headers", len(record.Key), len(record.Value), len(record.Headers))
		err = n.publish(ctx, newShortLetter(record, reason, leftOut, nil, nil))
	}
	if err != nil {
		return err
	}
	n.metrics.deadLetters.WithLabelValues(string(kind)).Inc()
	traceDeadLetter(ctx, string(kind))
	n.log.ErrorContext(ctx, "a record became a dead letter", "topic", record.Topic, "partition", record.Partition, "offset", record.Offset, "reason", kind, "detail", detail)
	return nil
}
