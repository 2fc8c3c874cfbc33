package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	netmail "net/mail"
	"sync/atomic"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/steadfast-shop/steadfast/notification-service/internal/mail"
	"github.com/steadfast-shop/steadfast/notification-service/internal/mailtest"
	"github.com/steadfast-shop/steadfast/shared-kit/kafka"
	"github.com/steadfast-shop/steadfast/shared-proto/topics"
)

// system is a Kafka, an SMTP server, and a producer of events, as order-service has it.
type system struct {
	cluster  *kfake.Cluster
	server   *mailtest.Server
	client   sarama.Client
	producer sarama.SyncProducer
}

func newCluster(t *testing.T, options ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	cluster, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1)}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return cluster
}

func newSystem(t *testing.T) *system {
	t.Helper()
	s := &system{cluster: newCluster(t), server: &mailtest.Server{}}
	var err error
	if s.client, err = kafka.Connect(t.Context(), s.cluster.ListenAddrs(), kafka.NewConfig("test"), topics.All(1), slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	if s.producer, err = sarama.NewSyncProducerFromClient(s.client); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = errors.Join(s.producer.Close(), s.client.Close()) })
	return s
}

func (s *system) produce(t *testing.T, records ...*sarama.ProducerMessage) {
	t.Helper()
	if err := s.producer.SendMessages(records); err != nil {
		t.Fatal(err)
	}
}

func (s *system) event(t *testing.T, number string) *sarama.ProducerMessage {
	t.Helper()
	return &sarama.ProducerMessage{Topic: topics.OrderPlaced, Key: sarama.StringEncoder(number), Value: sarama.ByteEncoder(orderValue(t, number))}
}

// member is one replica of the service.
type member struct {
	metrics *metrics
	stop    func()
}

// join starts a replica; it stops when the test ends, or before.
func (s *system) join(t *testing.T, addresses []string) *member {
	t.Helper()
	sender, err := mail.NewSender(mail.Config{Host: "127.0.0.1", Port: 25, From: &netmail.Address{Address: "orders@shop.example"}})
	if err != nil {
		t.Fatal(err)
	}
	sender.DialWith(s.server.Dial)
	m := &member{metrics: newMetrics(prometheus.NewRegistry())}
	c := newConsumer(config{kafkaAddresses: addresses, kafkaReplicationFactor: 1}, sender, m.metrics, slog.New(slog.NewTextHandler(t.Output(), nil)))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = c.run(ctx)
	}()
	m.stop = func() {
		cancel()
		<-done
		_ = sender.Close(context.Background())
	}
	t.Cleanup(m.stop)
	return m
}

// awaitGroup waits until the group has that many members and all partitions are theirs.
func (s *system) awaitGroup(t *testing.T, members int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := s.cluster.WaitGroupStable(ctx, consumerGroup, members); err != nil {
		t.Fatal(err)
	}
}

// wantMails waits for that many mails and checks that each order got one.
func (s *system) wantMails(t *testing.T, want int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	seen := make(map[string]int)
	for _, m := range s.server.WaitForMails(ctx, want) {
		if seen[m.To]++; seen[m.To] == 2 {
			t.Errorf("%s got two mails", m.To)
		}
	}
	if len(seen) != want {
		t.Fatalf("got mails to %d customers, want %d", len(seen), want)
	}
}

// await polls until a condition holds.
func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for !holds() {
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatalf("%s did not come about within a minute", what)
		}
	}
}

// size returns how many records a topic has had.
func (s *system) size(topic string) int64 {
	size := int64(0)
	for partition := range int32(topics.Partitions) {
		if end, err := s.client.GetOffset(topic, partition, sarama.OffsetNewest); err == nil {
			size += end
		}
	}
	return size
}

func TestTwoMembersMailEachOrderOnce(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	first := s.join(t, s.cluster.ListenAddrs())
	s.awaitGroup(t, 1)
	const orders = 90
	var events []*sarama.ProducerMessage
	for i := range orders {
		number := fmt.Sprint("ORD-", i)
		events = append(events, s.event(t, number), s.event(t, number)) // each event comes twice
	}
	poison := &sarama.ProducerMessage{Topic: topics.OrderPlaced, Value: sarama.StringEncoder("not an event")}
	s.produce(t, append(events[:60:60], poison)...)
	second := s.join(t, s.cluster.ListenAddrs())
	s.produce(t, events[60:120]...)
	s.awaitGroup(t, 2)
	first.stop()
	s.produce(t, events[120:]...)
	s.wantMails(t, orders)
	await(t, "a full ledger", func() bool { return s.size(topics.NotificationLedger) == orders })

	// Whoever comes next knows what was mailed, also if every event is published again.
	second.stop()
	third := s.join(t, s.cluster.ListenAddrs())
	for i := range orders {
		s.produce(t, s.event(t, fmt.Sprint("ORD-", i)))
	}
	await(t, "all repetitions being seen", func() bool { return testutil.ToFloat64(third.metrics.repeated) >= orders })
	s.wantMails(t, orders)
	if got := s.size(topics.OrderPlacedDLQ); got != 1 {
		t.Errorf("got %d dead letters, want 1", got)
	}
}

func TestEventOfAnotherPartitionerIsMailedOnce(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	config := kafka.NewConfig("test")
	config.Producer.Partitioner = sarama.NewManualPartitioner
	producer, err := sarama.NewSyncProducer(s.cluster.ListenAddrs(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = producer.Close() }()
	for partition := range int32(topics.Partitions) {
		event := s.event(t, "ORD-1")
		event.Partition = partition
		if _, _, err := producer.SendMessage(event); err != nil {
			t.Fatal(err)
		}
	}
	m := s.join(t, s.cluster.ListenAddrs())
	await(t, "all repetitions being seen", func() bool { return testutil.ToFloat64(m.metrics.repeated) == topics.Partitions-1 })
	s.wantMails(t, 1)
	if got := testutil.ToFloat64(m.metrics.rerouted); got != topics.Partitions-1 {
		t.Errorf("got %v rerouted, want %d", got, topics.Partitions-1)
	}
}

func TestKafkaAwayAtStart(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.produce(t, s.event(t, "ORD-1"))
	proxy := newProxy(t, s.cluster.ListenAddrs()[0])
	proxy.cut()
	m := s.join(t, []string{proxy.address})
	await(t, "a refused connection", func() bool { return proxy.refused.Load() > 2 })
	proxy.mend()
	s.wantMails(t, 1)
	m.stop()
}

// A member that the group has given up must not mail what it still holds.
func TestMemberThatWasGivenUpStopsMailing(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	m := s.join(t, s.cluster.ListenAddrs())
	s.awaitGroup(t, 1)
	s.server.SetAway(true)
	s.produce(t, s.event(t, "ORD-1"))
	await(t, "a partition waiting", func() bool { return testutil.ToFloat64(m.metrics.waiting) == 1 })
	var givenUp atomic.Bool
	givenUp.Store(true)
	s.cluster.ControlKey(int16(kmsg.Heartbeat), func(request kmsg.Request) (kmsg.Response, error, bool) {
		s.cluster.KeepControl()
		if !givenUp.Load() {
			return nil, nil, false
		}
		response := request.ResponseKind().(*kmsg.HeartbeatResponse)
		response.ErrorCode = int16(sarama.ErrIllegalGeneration)
		return response, nil, true
	})
	await(t, "the waiting to end", func() bool { return testutil.ToFloat64(m.metrics.waiting) == 0 })
	s.server.SetAway(false)
	m.stop()
	s.wantMails(t, 0)
	givenUp.Store(false)
	s.join(t, s.cluster.ListenAddrs())
	s.wantMails(t, 1)
}

// The lag is there as soon as partitions are, and counts what waits: for the server, and for its next try.
func TestLag(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.server.SetAway(true)
	s.produce(t, s.event(t, "ORD-1"), s.event(t, "ORD-1"), &sarama.ProducerMessage{
		Topic: topics.OrderPlacedRetry, Key: sarama.StringEncoder("ORD-2"), Value: sarama.ByteEncoder(orderValue(t, "ORD-2")),
		Headers: []sarama.RecordHeader{header(headerRetryNotBefore, formatTime(time.Now().Add(time.Hour)))},
	})
	start := time.Now()
	m := s.join(t, s.cluster.ListenAddrs())
	lag := func(topic string) (sum float64) {
		for partition := range topics.Partitions {
			sum += testutil.ToFloat64(m.metrics.lag.WithLabelValues(topic, fmt.Sprint(partition)))
		}
		return sum
	}
	await(t, "a lag of 2 and of 1", func() bool { return lag(topics.OrderPlaced) == 2 && lag(topics.OrderPlacedRetry) == 1 })
	if took := time.Since(start); took >= lagInterval {
		t.Errorf("got the lag after %s, want it before the first regular measure", took)
	}
}

func TestTopicsThatDoNotFitStopTheMailing(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	if err := s.cluster.DeleteTopic(topics.NotificationLedger); err != nil {
		t.Fatal(err)
	}
	if err := s.cluster.CreateTopic(topics.NotificationLedger, topics.Partitions+1, nil); err != nil {
		t.Fatal(err)
	}
	s.produce(t, s.event(t, "ORD-1"))
	m := s.join(t, s.cluster.ListenAddrs())
	await(t, "the misfit being seen", func() bool { return testutil.ToFloat64(m.metrics.misconfigured) == 1 })
	s.wantMails(t, 0)
}
