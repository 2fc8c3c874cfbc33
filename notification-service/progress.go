package main

import (
	"context"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/IBM/sarama"
	"github.com/prometheus/client_golang/prometheus"
)

const lagInterval = 10 * time.Second

type topicPartition struct {
	topic     string
	partition int32
}

// progress shows how far a session's partitions are behind. It asks the brokers for the ends: sarama learns them from fetches, and fetches stop while a partition waits.
type progress struct {
	client sarama.Client
	lag    *prometheus.GaugeVec
	log    *slog.Logger
	begun  chan struct{} // a partition's work has begun: its lag is shown at once

	mu   sync.Mutex
	next map[topicPartition]int64 // the first offset that is not done
}

func newProgress(client sarama.Client, lag *prometheus.GaugeVec, log *slog.Logger) *progress {
	return &progress{client: client, lag: lag, log: log, begun: make(chan struct{}, 1), next: make(map[topicPartition]int64)}
}

// start notes where a partition's work begins; a negative offset is sarama's for its oldest record.
func (p *progress) start(claim sarama.ConsumerGroupClaim) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.next[topicPartition{claim.Topic(), claim.Partition()}] = claim.InitialOffset()
	select {
	case p.begun <- struct{}{}:
	default: // it will be seen together with the one before
	}
}

func (p *progress) done(record *sarama.ConsumerMessage) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.next[topicPartition{record.Topic, record.Partition}] = record.Offset + 1
}

// run measures until ctx ends; then the partitions are somebody else's to measure.
func (p *progress) run(ctx context.Context) {
	defer p.lag.Reset()
	ticker := time.NewTicker(lagInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.begun:
			p.measure(ctx)
		case <-ticker.C:
			p.measure(ctx)
		}
	}
}

func (p *progress) measure(ctx context.Context) {
	p.mu.Lock()
	next := make(map[topicPartition]int64, len(p.next))
	for at, offset := range p.next {
		next[at] = offset
	}
	p.mu.Unlock()
	for at, offset := range next {
		end, err := p.client.GetOffset(at.topic, at.partition, sarama.OffsetNewest)
		if err == nil && offset < 0 {
			offset, err = p.client.GetOffset(at.topic, at.partition, sarama.OffsetOldest)
		}
		if err != nil {
			p.log.DebugContext(ctx, "the lag could not be measured", "topic", at.topic, "partition", at.partition, "error", err)
			return
		}
		p.lag.WithLabelValues(at.topic, strconv.Itoa(int(at.partition))).Set(float64(max(end-offset, 0)))
	}
}
