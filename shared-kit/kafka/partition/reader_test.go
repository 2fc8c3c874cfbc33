package partition

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const topic = "test"

// newBroker returns a Kafka with a topic of one partition, and a client of it.
func newBroker(t *testing.T) (*kfake.Cluster, sarama.Client) {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, topic))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	client, err := sarama.NewClient(cluster.ListenAddrs(), newConfig())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return cluster, client
}

func newConfig() *sarama.Config {
	config := sarama.NewConfig()
	config.Version = sarama.MaxVersion
	config.Producer.Return.Successes = true
	config.Producer.RequiredAcks = sarama.WaitForAll
	return config
}

func write(t *testing.T, client sarama.Client, values ...string) {
	t.Helper()
	producer, err := sarama.NewSyncProducerFromClient(client)
	if err != nil {
		t.Fatal(err)
	}
	for _, value := range values {
		if _, _, err := producer.SendMessage(&sarama.ProducerMessage{Topic: topic, Value: sarama.StringEncoder(value)}); err != nil {
			t.Fatal(err)
		}
	}
}

// writeInTransaction writes one record in a transaction, whose end takes an offset, too.
func writeInTransaction(t *testing.T, cluster *kfake.Cluster, value string, end func(sarama.SyncProducer) error) {
	t.Helper()
	config := newConfig()
	config.Producer.Transaction.ID = "test"
	config.Producer.Idempotent = true
	config.Net.MaxOpenRequests = 1
	producer, err := sarama.NewSyncProducer(cluster.ListenAddrs(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = producer.Close() }()
	if err := producer.BeginTxn(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := producer.SendMessage(&sarama.ProducerMessage{Topic: topic, Value: sarama.StringEncoder(value)}); err != nil {
		t.Fatal(err)
	}
	if err := end(producer); err != nil {
		t.Fatal(err)
	}
}

func bounds(t *testing.T, client sarama.Client) Span {
	t.Helper()
	span, err := Bounds(t.Context(), client, topic, 0)
	if err != nil {
		t.Fatal(err)
	}
	return span
}

// readAll returns the values of a span's records with their offsets.
func readAll(t *testing.T, client sarama.Client, span Span) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var read []string
	for reader := NewReader(client, topic, 0, span); ; {
		record, err := reader.Next(ctx)
		if errors.Is(err, ErrEnd) {
			return fmt.Sprint(read)
		}
		if err != nil {
			t.Fatal(err)
		}
		read = append(read, fmt.Sprintf("%d:%s", record.Offset, record.Value))
	}
}

func TestReader(t *testing.T) {
	t.Parallel()
	_, client := newBroker(t)
	if got := readAll(t, client, bounds(t, client)); got != "[]" {
		t.Errorf("empty: got %s", got)
	}
	write(t, client, "a", "b", "c")
	span := bounds(t, client)
	write(t, client, "later")
	tests := []struct {
		span Span
		want string
	}{
		{span, "[0:a 1:b 2:c]"}, // not what came later
		{Span{1, 3}, "[1:b 2:c]"},
		{Span{0, 2}, "[0:a 1:b]"},
		{Span{2, 2}, "[]"},
		{Span{3, 2}, "[]"},
	}
	for _, test := range tests {
		if got := readAll(t, client, test.span); got != test.want {
			t.Errorf("%v: got %s, want %s", test.span, got, test.want)
		}
	}
}

// The last offset of a partition is no record where a transaction has ended there.
func TestReaderEndsBehindATransaction(t *testing.T) {
	t.Parallel()
	cluster, client := newBroker(t)
	write(t, client, "a")
	writeInTransaction(t, cluster, "b", sarama.SyncProducer.CommitTxn)
	span := bounds(t, client)
	if span.End != 3 {
		t.Fatalf("got the end %d, want 3: two records and the transaction's end", span.End)
	}
	if got := readAll(t, client, span); got != "[0:a 1:b]" {
		t.Errorf("got %s, want [0:a 1:b]", got)
	}
	if got := readAll(t, client, Span{2, 3}); got != "[]" {
		t.Errorf("got %s, want nothing where only the transaction's end is", got)
	}
}

// Records may be deleted while they are read.
func TestReaderSkipsWhatWasDeleted(t *testing.T) {
	t.Parallel()
	cluster, client := newBroker(t)
	write(t, client, "a", "b", "c")
	span := bounds(t, client)
	admin, err := sarama.NewClusterAdmin(cluster.ListenAddrs(), newConfig())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = admin.Close() }()
	if err := admin.DeleteRecords(topic, map[int32]int64{0: 2}); err != nil {
		t.Fatal(err)
	}
	if got := readAll(t, client, span); got != "[2:c]" {
		t.Errorf("got %s, want [2:c]", got)
	}
	if err := admin.DeleteRecords(topic, map[int32]int64{0: 3}); err != nil {
		t.Fatal(err)
	}
	if got := readAll(t, client, span); got != "[]" {
		t.Errorf("got %s, want nothing", got)
	}
}

func TestReaderTriesAgain(t *testing.T) {
	t.Parallel()
	cluster, client := newBroker(t)
	write(t, client, "a")
	failures := 2
	cluster.ControlKey(int16(kmsg.Fetch), func(kmsg.Request) (kmsg.Response, error, bool) {
		if failures == 0 {
			return nil, nil, false
		}
		failures--
		cluster.KeepControl()
		return nil, errors.New("the connection is cut"), true
	})
	if got := readAll(t, client, bounds(t, client)); got != "[0:a]" {
		t.Errorf("got %s, want [0:a]", got)
	}
}

func TestReaderGivesUp(t *testing.T) {
	t.Parallel()
	cluster, client := newBroker(t)
	write(t, client, "a")
	cluster.ControlKey(int16(kmsg.Fetch), func(kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		return nil, errors.New("the connection is cut"), true
	})
	if _, err := NewReader(client, topic, 0, bounds(t, client)).Next(t.Context()); err == nil || errors.Is(err, ErrEnd) {
		t.Errorf("got %v, want an error", err)
	}
}

// A broker that does not answer holds up nobody whose context ends.
func TestReaderEndsWithItsContext(t *testing.T) {
	t.Parallel()
	cluster, client := newBroker(t)
	write(t, client, "a")
	span := bounds(t, client)
	ctx, cancel := context.WithCancel(t.Context())
	release := make(chan struct{})
	defer close(release)
	cluster.ControlKey(int16(kmsg.Fetch), func(kmsg.Request) (kmsg.Response, error, bool) {
		cancel()
		<-release
		return nil, nil, false
	})
	start := time.Now()
	if _, err := NewReader(client, topic, 0, span).Next(ctx); !errors.Is(err, context.Canceled) || time.Since(start) > callTimeout/2 {
		t.Errorf("got %v after %s, want %v at once", err, time.Since(start), context.Canceled)
	}
}
