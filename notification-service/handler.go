package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/IBM/sarama"
	"go.opentelemetry.io/otel/trace"

	"github.com/steadfast-shop/steadfast/notification-service/internal/ledger"
	"github.com/steadfast-shop/steadfast/shared-proto/topics"
)

const (
	// rebalanceTimeout is how long the group waits for members to give up what they have; ours need sendGrace and recordGrace.
	rebalanceTimeout = 20 * time.Second
	commitInterval   = 200 * time.Millisecond
	loadTries        = 6
)

// handler works on the partitions that the group gives to this process. Each is worked on by itself, record by record, so that a partition whose mails wait holds no other up.
type handler struct {
	log     *slog.Logger
	metrics *metrics
	links   *links
	ledger  *ledger.Ledger
	tracer  trace.Tracer
	mailer  mailer
	failed  chan error // why the connections must be made anew

	// Of the session under way; Setup sets them before any claim starts. Cleanup follows a Setup that fails, too.
	notifier *notifier
	progress *progress
	end      context.CancelFunc
	parts    sync.WaitGroup
}

// Setup implements sarama.ConsumerGroupHandler.
func (h *handler) Setup(session sarama.ConsumerGroupSession) error {
	ctx := session.Context()
	partitions, err := checkPartitions(h.links.client) // in each session: they may have grown
	if err != nil {
		h.fail(err)
		return err
	}
	h.metrics.misconfigured.Set(0)
	h.log.InfoContext(ctx, "partitions assigned", "claims", session.Claims(), "generation", session.GenerationID())
	h.ledger.Retain(session.Claims()[topics.OrderPlaced])
	member := newMembership(func() error { return sendHeartbeat(h.links.heartbeats, session) })
	publisher := &publisher{producer: h.links.producer, log: h.log}
	h.notifier = &notifier{
		log: h.log, metrics: h.metrics, tracer: h.tracer, mailer: h.mailer, ledger: h.ledger,
		publish: publisher.publish, confirm: member.confirm, partitions: partitions,
	}
	h.progress = newProgress(h.links.client, h.metrics.lag, h.log)
	// They go on after the session's end, until the claims have ended too: what is finished then counts.
	running, end := context.WithCancel(context.WithoutCancel(ctx))
	h.end = end
	h.parts.Go(func() { member.run(running) })
	h.parts.Go(func() { h.progress.run(running) })
	h.parts.Go(func() { commitRegularly(running, session) })
	return nil
}

// Cleanup implements sarama.ConsumerGroupHandler. All claims have ended; what they marked is committed before the partitions go.
func (h *handler) Cleanup(session sarama.ConsumerGroupSession) error {
	h.end()
	h.parts.Wait()
	// gofail: var lastCommitBefore struct{}
	session.Commit()
	// gofail: var lastCommitAfter struct{}
	return nil
}

// commitRegularly commits what the claims have marked, all of them at once.
func commitRegularly(ctx context.Context, session sarama.ConsumerGroupSession) {
	ticker := time.NewTicker(commitInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			// gofail: var commitBefore struct{}
			session.Commit()
			// gofail: var commitAfter struct{}
		}
	}
}

// ConsumeClaim implements sarama.ConsumerGroupHandler. Its return ends the whole session.
func (h *handler) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	ctx := session.Context()
	err := h.work(ctx, session, claim)
	switch {
	case err == nil, ctx.Err() != nil:
	case errors.Is(err, errNotMember): // joining again is all that is needed
		h.log.InfoContext(ctx, "the session ends", "topic", claim.Topic(), "partition", claim.Partition(), "reason", err)
	default:
		h.fail(fmt.Errorf("partition %d of %s: %w", claim.Partition(), claim.Topic(), err))
	}
	return nil //nolint:nilerr // sarama would only log it
}

// fail asks for new connections.
func (h *handler) fail(err error) {
	select {
	case h.failed <- err:
	default: // it is asked for already
	}
}

// work handles the claim's records in their order.
func (h *handler) work(ctx context.Context, session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	handle := h.notifier.releaseRetry
	if claim.Topic() == topics.OrderPlaced {
		handle = h.notifier.handleEvent
	}
	h.progress.start(claim)
	if claim.Topic() == topics.OrderPlaced {
		if err := h.loadLedger(ctx, claim.Partition()); err != nil {
			return err
		}
	}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case record, ok := <-claim.Messages():
			if !ok {
				return nil
			}
			if ctx.Err() != nil { // select takes either when both are there
				return ctx.Err()
			}
			// gofail: var faultCommitBeforeSending struct{}
			// session.MarkMessage(record, "")
			// session.Commit()
			if err := handle(ctx, record); err != nil {
				return err
			}
			session.MarkMessage(record, "")
			h.progress.done(record)
		}
	}
}

func (h *handler) loadLedger(ctx context.Context, partition int32) error {
	pause := backoff{next: 250 * time.Millisecond, longest: 4 * time.Second}
	start := time.Now()
	for try := 1; ; try++ {
		err := h.ledger.Load(ctx, h.links.client, partition)
		if err == nil {
			h.log.InfoContext(ctx, "ledger read", "partition", partition, "duration", time.Since(start))
			return nil
		}
		if ctx.Err() != nil || try == loadTries {
			return err
		}
		h.log.WarnContext(ctx, "the ledger could not be read; trying again", "partition", partition, "error", err)
		if err := pause.wait(ctx); err != nil {
			return err
		}
	}
}
