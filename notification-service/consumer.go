package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/IBM/sarama"
	"go.opentelemetry.io/otel"

	"github.com/steadfast-shop/steadfast/notification-service/internal/ledger"
	"github.com/steadfast-shop/steadfast/shared-kit/kafka"
	"github.com/steadfast-shop/steadfast/shared-proto/topics"
)

const (
	consumerGroup = "notification-service"
	// joinFailures is how often joining the group may fail in a row before the connections are made anew.
	joinFailures = 5
	// misfitPause is how long to wait before looking again at topics that do not fit together: only an operator can mend them.
	misfitPause = 30 * time.Second
	// gatherTime is how long a record waits for those of other partitions, ledger entries above all, to be written and acknowledged with them. Nobody waits for it but the next mail
	// of the same partition.
	gatherTime = time.Millisecond
)

// errMisfit means that the topics' partitions do not fit together.
var errMisfit = errors.New("the topics do not fit together")

// consumer works on the topics for as long as the process lives, whatever becomes of its connections.
type consumer struct {
	config  config
	log     *slog.Logger
	metrics *metrics
	mailer  mailer
	ledger  *ledger.Ledger
}

func newConsumer(cfg config, mailer mailer, metrics *metrics, log *slog.Logger) *consumer {
	book := ledger.New(log, metrics.ledgerUnreadable.Inc)
	metrics.showLedgerSize(book.Size)
	return &consumer{config: cfg, log: log, metrics: metrics, mailer: mailer, ledger: book}
}

// run consumes until ctx ends. Kafka may be away at any time.
func (c *consumer) run(ctx context.Context) error {
	pause := backoff{next: time.Second, longest: 10 * time.Second}
	for ctx.Err() == nil {
		started := time.Now()
		err := c.consume(ctx)
		if ctx.Err() != nil {
			break
		}
		isMisfit := errors.Is(err, errMisfit)
		if time.Since(started) > time.Minute { // it had worked
			pause.next = time.Second
		}
		if isMisfit {
			c.metrics.misconfigured.Set(1)
			pause.next = misfitPause
		}
		c.log.ErrorContext(ctx, "consuming ended; connecting anew", "error", err, "pause", pause.next)
		if err := pause.wait(ctx); err != nil {
			break
		}
	}
	return nil //nolint:nilerr // the service stops: what failed on the way has been logged
}

// links are the connections to Kafka, apart so that none waits behind another: a group's join holds its connection for seconds, and a write waits for the replicas.
type links struct {
	client     sarama.Client // writes, and reads of the ledger and of offsets
	heartbeats sarama.Client
	producer   sarama.SyncProducer
	group      sarama.ConsumerGroup
}

// connect opens the links, waiting for Kafka as long as it takes.
func (c *consumer) connect(ctx context.Context) (l *links, err error) {
	l = &links{}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.close())
		}
	}()
	gathering := newClientConfig()
	gathering.Producer.Flush.Frequency = gatherTime
	if l.client, err = kafka.Connect(ctx, c.config.kafkaAddresses, gathering, topics.All(c.config.kafkaReplicationFactor), c.log); err != nil {
		return l, err
	}
	if l.producer, err = sarama.NewSyncProducerFromClient(l.client); err != nil {
		return l, fmt.Errorf("open the producer: %w", err)
	}
	if l.heartbeats, err = sarama.NewClient(c.config.kafkaAddresses, newClientConfig()); err != nil {
		return l, fmt.Errorf("open the client for heartbeats: %w", err)
	}
	if l.group, err = sarama.NewConsumerGroup(c.config.kafkaAddresses, consumerGroup, newGroupConfig()); err != nil {
		return l, fmt.Errorf("open the consumer group: %w", err)
	}
	return l, nil
}

func (l *links) close() error {
	var errs []error
	if l.group != nil {
		errs = append(errs, l.group.Close())
	}
	if l.heartbeats != nil {
		errs = append(errs, l.heartbeats.Close())
	}
	if l.producer != nil {
		errs = append(errs, l.producer.Close())
	}
	if l.client != nil {
		errs = append(errs, l.client.Close())
	}
	return errors.Join(errs...)
}

// consume works on the topics until ctx ends or the connections prove unfit.
func (c *consumer) consume(ctx context.Context) (err error) {
	l, err := c.connect(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	go func() {
		for err := range l.group.Errors() {
			c.log.WarnContext(ctx, "trouble with Kafka", "error", err)
		}
	}()
	h := &handler{
		log:     c.log,
		metrics: c.metrics,
		links:   l,
		ledger:  c.ledger,
		tracer:  otel.Tracer(serviceName),
		mailer:  c.mailer,
		failed:  make(chan error, 1),
		end:     func() {},
	}
	return c.joinGroup(ctx, l.group, h)
}

// joinGroup takes part in the group, session after session: each rebalance ends one.
func (c *consumer) joinGroup(ctx context.Context, group sarama.ConsumerGroup, h *handler) error {
	const firstPause, longestPause = 250 * time.Millisecond, 5 * time.Second
	pause := backoff{next: firstPause, longest: longestPause}
	failures := 0
	for ctx.Err() == nil {
		started := time.Now()
		err := group.Consume(ctx, []string{topics.OrderPlaced, topics.OrderPlacedRetry}, h)
		select {
		case failure := <-h.failed:
			return failure
		default:
		}
		if err == nil {
			failures = 0
		} else {
			c.log.WarnContext(ctx, "a session with the consumer group failed", "error", err)
			failures++
		}
		if failures == joinFailures || errors.Is(err, sarama.ErrClosedConsumerGroup) {
			return fmt.Errorf("join the consumer group: %w", err)
		}
		if err == nil && time.Since(started) > longestPause {
			pause.next = firstPause
			continue
		}
		// Sessions that fail or end soon after they began must not chase each other.
		if err := pause.wait(ctx); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// checkPartitions returns the number of partitions of order-placed. The ledger and the retry topic must have as many: whoever has a partition of the events needs the ledger's of the
// same number. Working on regardless would mail twice, so nothing is mailed until they fit.
func checkPartitions(client sarama.Client) (int32, error) {
	others := []string{topics.OrderPlacedRetry, topics.OrderPlacedDLQ, topics.NotificationLedger}
	if err := client.RefreshMetadata(append(others, topics.OrderPlaced)...); err != nil {
		return 0, fmt.Errorf("read the topics' metadata: %w", err)
	}
	count := func(topic string) (int, error) {
		partitions, err := client.Partitions(topic)
		if err != nil {
			return 0, fmt.Errorf("read the partitions of %s: %w", topic, err)
		}
		return len(partitions), nil
	}
	want, err := count(topics.OrderPlaced)
	if err != nil {
		return 0, err
	}
	for _, topic := range others {
		got, err := count(topic)
		if err != nil {
			return 0, err
		}
		if got != want {
			return 0, fmt.Errorf("%w: %s has %d partitions and %s has %d; give them as many", errMisfit, topics.OrderPlaced, want, topic, got)
		}
	}
	return int32(want), nil
}

// newClientConfig is for the connections beside the consumer group. Every record names its partition itself, since all records about an order stay together.
func newClientConfig() *sarama.Config {
	config := kafka.NewConfig(serviceName)
	config.Producer.Partitioner = sarama.NewManualPartitioner
	config.Producer.MaxMessageBytes = 16 << 20 // the broker's limit, on what is left after compression, decides
	config.Producer.Retry.Max = 3              // publisher tries again
	return config
}

// newGroupConfig is for the consumer group. The range strategy gives each member as many partitions of the events as any other. It is eager: everybody stops before
// anything moves, so that a partition's next owner reads the ledger after its last one has written it.
func newGroupConfig() *sarama.Config {
	config := kafka.NewConfig(serviceName)
	config.Net.ReadTimeout = sessionTimeout + rebalanceTimeout // a join is answered when the last member has come, or is given up
	config.ChannelBufferSize = 64
	config.Consumer.Return.Errors = true
	config.Consumer.MaxProcessingTime = time.Second
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	config.Consumer.Offsets.AutoCommit.Enable = false
	config.Consumer.Group.Session.Timeout = sessionTimeout
	config.Consumer.Group.Heartbeat.Interval = heartbeatInterval
	config.Consumer.Group.Rebalance.Timeout = rebalanceTimeout
	config.Consumer.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{sarama.NewBalanceStrategyRange()}
	return config
}
