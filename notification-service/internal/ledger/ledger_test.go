package ledger

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/steadfast-shop/steadfast/shared-proto/topics"
)

// broker is a Kafka with the ledger's topic.
type broker struct {
	cluster  *kfake.Cluster
	client   sarama.Client
	producer sarama.SyncProducer
}

func newBroker(t *testing.T) *broker {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.BrokerConfigs(map[string]string{"cleanup.policy": "compact"}), kfake.SeedTopics(2, topics.NotificationLedger))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	config := sarama.NewConfig()
	config.Version = sarama.MaxVersion
	config.Producer.Return.Successes = true
	config.Producer.Partitioner = sarama.NewManualPartitioner
	client, err := sarama.NewClient(cluster.ListenAddrs(), config)
	if err != nil {
		t.Fatal(err)
	}
	producer, err := sarama.NewSyncProducerFromClient(client)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = errors.Join(producer.Close(), client.Close()) })
	return &broker{cluster: cluster, client: client, producer: producer}
}

func (b *broker) publish(_ context.Context, record *sarama.ProducerMessage) error {
	_, _, err := b.producer.SendMessage(record)
	return err
}

func (b *broker) write(t *testing.T, partition int32, key string, value sarama.Encoder) {
	t.Helper()
	record := &sarama.ProducerMessage{Topic: topics.NotificationLedger, Partition: partition, Value: value}
	if key != "" {
		record.Key = sarama.StringEncoder(key)
	}
	if err := b.publish(t.Context(), record); err != nil {
		t.Fatal(err)
	}
}

func newTestLedger(unreadable *int) *Ledger {
	return New(slog.New(slog.DiscardHandler), func() { *unreadable++ })
}

func load(t *testing.T, l *Ledger, b *broker, partition int32) {
	t.Helper()
	if err := l.Load(t.Context(), b.client, partition); err != nil {
		t.Fatal(err)
	}
}

func record(t *testing.T, l *Ledger, b *broker, partition int32, orderNumber string) {
	t.Helper()
	if err := l.Record(t.Context(), b.publish, partition, orderNumber, "id@shop.example"); err != nil {
		t.Fatal(err)
	}
}

func wantState(t *testing.T, l *Ledger, partition int32, orderNumber string, want State) {
	t.Helper()
	if got := l.State(partition, orderNumber); got != want {
		t.Errorf("%s on partition %d: got state %d, want %d", orderNumber, partition, got, want)
	}
}

func TestNextOwnerKnowsWhatWasRecorded(t *testing.T) {
	t.Parallel()
	b, unreadable := newBroker(t), 0
	first := newTestLedger(&unreadable)
	load(t, first, b, 0)
	wantState(t, first, 0, "ORD-1", Unknown)
	first.MarkMailed("ORD-1")
	wantState(t, first, 0, "ORD-1", Mailed)
	record(t, first, b, 0, "ORD-1")
	wantState(t, first, 0, "ORD-1", Recorded)

	second := newTestLedger(&unreadable)
	load(t, second, b, 0)
	load(t, second, b, 1)
	wantState(t, second, 0, "ORD-1", Recorded)
	wantState(t, second, 1, "ORD-1", Unknown)

	record(t, first, b, 0, "ORD-2")
	load(t, second, b, 0) // reads on
	wantState(t, second, 0, "ORD-2", Recorded)
	if got := second.Size(); got != 2 {
		t.Errorf("got size %d, want 2", got)
	}
	second.Retain(nil)
	wantState(t, second, 0, "ORD-1", Unknown)
	load(t, second, b, 0)
	wantState(t, second, 0, "ORD-1", Recorded)
}

func TestMailedIsNotForgottenWhileTheLedgerFails(t *testing.T) {
	t.Parallel()
	b, unreadable := newBroker(t), 0
	l := newTestLedger(&unreadable)
	load(t, l, b, 0)
	l.MarkMailed("ORD-1")
	away := errors.New("away")
	if err := l.Record(t.Context(), func(context.Context, *sarama.ProducerMessage) error { return away }, 0, "ORD-1", "id"); !errors.Is(err, away) {
		t.Errorf("got %v, want %v", err, away)
	}
	l.Retain(nil) // the partition is lost and regained
	load(t, l, b, 0)
	wantState(t, l, 0, "ORD-1", Mailed)
}

func TestRecordsThatAreNoEntry(t *testing.T) {
	t.Parallel()
	b, unreadable := newBroker(t), 0
	entry := sarama.StringEncoder(`{"messageId":"id@shop.example","sentAt":"2026-01-02T03:04:05Z"}`)
	b.write(t, 0, "ORD-1", entry)
	b.write(t, 0, "ORD-2", sarama.StringEncoder("garbage"))
	b.write(t, 0, "ORD-3", sarama.StringEncoder(`{}`))
	b.write(t, 0, "ORD-4", entry)
	b.write(t, 0, "ORD-4", nil) // a tombstone
	b.write(t, 0, "ORD-5", entry)
	l := newTestLedger(&unreadable)
	load(t, l, b, 0)
	for orderNumber, want := range map[string]State{"ORD-1": Recorded, "ORD-2": Unknown, "ORD-3": Unknown, "ORD-4": Unknown, "ORD-5": Recorded} {
		wantState(t, l, 0, orderNumber, want)
	}
	if unreadable != 2 {
		t.Errorf("got %d unreadable records, want 2", unreadable)
	}
}

func TestCompactionLeavesGaps(t *testing.T) {
	t.Parallel()
	b, unreadable := newBroker(t), 0
	first := newTestLedger(&unreadable)
	for i := range 30 {
		record(t, first, b, 0, fmt.Sprint("ORD-", i%7))
	}
	b.cluster.Compact()
	l := newTestLedger(&unreadable)
	load(t, l, b, 0)
	if got := l.Size(); got != 7 {
		t.Errorf("got size %d, want 7", got)
	}
}

func TestOldEntriesAreGone(t *testing.T) {
	t.Parallel()
	b, unreadable := newBroker(t), 0
	first := newTestLedger(&unreadable)
	for i := range 3 {
		record(t, first, b, 0, fmt.Sprint("ORD-", i))
	}
	if err := b.cluster.DeleteRecords(topics.NotificationLedger, 0, 2); err != nil {
		t.Fatal(err)
	}
	l := newTestLedger(&unreadable)
	load(t, l, b, 0)
	wantState(t, l, 0, "ORD-1", Unknown)
	wantState(t, l, 0, "ORD-2", Recorded)
	if err := b.cluster.DeleteRecords(topics.NotificationLedger, 0, 3); err != nil {
		t.Fatal(err)
	}
	load(t, newTestLedger(&unreadable), b, 0) // all gone: ends at once
}

func TestTopicMadeAnewIsReadFromItsStart(t *testing.T) {
	t.Parallel()
	b, unreadable := newBroker(t), 0
	l := newTestLedger(&unreadable)
	load(t, l, b, 0)
	for i := range 3 {
		record(t, l, b, 0, fmt.Sprint("ORD-", i))
	}
	load(t, l, b, 0)
	if err := b.cluster.DeleteTopic(topics.NotificationLedger); err != nil {
		t.Fatal(err)
	}
	if err := b.cluster.CreateTopic(topics.NotificationLedger, 2, nil); err != nil {
		t.Fatal(err)
	}
	if err := b.client.RefreshMetadata(topics.NotificationLedger); err != nil {
		t.Fatal(err)
	}
	b.write(t, 0, "ORD-9", sarama.StringEncoder(`{"messageId":"id"}`))
	load(t, l, b, 0)
	wantState(t, l, 0, "ORD-9", Recorded)
	wantState(t, l, 0, "ORD-1", Unknown)
}

func TestLoadEndsWithItsContext(t *testing.T) {
	t.Parallel()
	b, unreadable := newBroker(t), 0
	first := newTestLedger(&unreadable)
	record(t, first, b, 0, "ORD-1")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := newTestLedger(&unreadable).Load(ctx, b.client, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

func FuzzEntry(f *testing.F) {
	f.Add([]byte("ORD-1"), []byte(`{"messageId":"id","sentAt":"2026-01-02T03:04:05Z"}`))
	f.Add([]byte(nil), []byte(nil))
	f.Add([]byte{0}, []byte(`[]`))
	f.Fuzz(func(t *testing.T, key, value []byte) {
		if err := checkEntry(key, value); err == nil && len(key) == 0 {
			t.Error("an entry without a key was taken")
		}
	})
}
