package main

import (
	"context"
	"log/slog"
	netmail "net/mail"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/IBM/sarama"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace/noop"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/steadfast-shop/steadfast/notification-service/internal/ledger"
	"github.com/steadfast-shop/steadfast/notification-service/internal/mail"
	"github.com/steadfast-shop/steadfast/notification-service/internal/mailtest"
	eventsv1 "github.com/steadfast-shop/steadfast/shared-proto/events/v1"
	"github.com/steadfast-shop/steadfast/shared-proto/topics"
)

// bench is a notifier with a real mail.Sender, an SMTP server that misbehaves as told, and a Kafka that is a list of records.
type bench struct {
	*notifier
	server    *mailtest.Server
	published []*sarama.ProducerMessage
	failures  []error // of the next writes
}

// inBubble runs a test in fake time.
func inBubble(t *testing.T, test func(t *testing.T, b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &bench{server: &mailtest.Server{}}
		sender, err := mail.NewSender(mail.Config{Host: "127.0.0.1", Port: 25, From: &netmail.Address{Address: "orders@shop.example"}})
		if err != nil {
			t.Fatal(err)
		}
		sender.DialWith(b.server.Dial)
		t.Cleanup(func() { _ = sender.Close(context.Background()) })
		b.notifier = &notifier{
			log:        slog.New(slog.DiscardHandler),
			metrics:    newMetrics(prometheus.NewRegistry()),
			tracer:     noop.NewTracerProvider().Tracer(""),
			mailer:     sender,
			ledger:     ledger.New(slog.New(slog.DiscardHandler), func() {}),
			publish:    b.write,
			confirm:    func(context.Context) error { return nil },
			partitions: 1,
		}
		test(t, b)
	})
}

func (b *bench) write(_ context.Context, record *sarama.ProducerMessage) error {
	if len(b.failures) > 0 {
		err := b.failures[0]
		b.failures = b.failures[1:]
		if err != nil {
			return err
		}
	}
	b.published = append(b.published, record)
	return nil
}

// handled fails the test where handling the record does not end well.
func (b *bench) handled(t *testing.T, record *sarama.ConsumerMessage) {
	t.Helper()
	if err := b.handleEvent(t.Context(), record); err != nil {
		t.Fatalf("offset %d: got %v, want it handled", record.Offset, err)
	}
}

func (b *bench) wantMails(t *testing.T, want int) []mailtest.Mail {
	t.Helper()
	mails := b.server.Mails()
	if len(mails) != want {
		t.Fatalf("got %d mails, want %d", len(mails), want)
	}
	return mails
}

// wantPublished returns what was written to a topic.
func (b *bench) wantPublished(t *testing.T, topic string, want int) []*sarama.ProducerMessage {
	t.Helper()
	var records []*sarama.ProducerMessage
	for _, record := range b.published {
		if record.Topic == topic {
			records = append(records, record)
		}
	}
	if len(records) != want {
		t.Fatalf("got %d records on %s, want %d", len(records), topic, want)
	}
	return records
}

func orderValue(t testing.TB, number string) []byte {
	t.Helper()
	value, err := protojson.Marshal(&eventsv1.OrderPlaced{
		OrderNumber: number,
		Customer:    &eventsv1.Customer{UserId: "user123", Email: number + "@example.com", FirstName: "John", LastName: "Doe"},
		Lines:       []*eventsv1.OrderLine{{SkuCode: "SKU001", Quantity: 2, UnitPriceMinor: 2999}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func eventRecord(t testing.TB, number string, offset int64) *sarama.ConsumerMessage {
	t.Helper()
	return &sarama.ConsumerMessage{
		Topic: topics.OrderPlaced, Offset: offset, Key: []byte(number), Value: orderValue(t, number),
		Headers: []*sarama.RecordHeader{{Key: []byte("ce_type"), Value: []byte("shop.steadfast.events.v1.OrderPlaced")}},
	}
}

// consumed is a written record as its topic's consumer gets it.
func consumed(record *sarama.ProducerMessage, offset int64) *sarama.ConsumerMessage {
	message := &sarama.ConsumerMessage{Topic: record.Topic, Partition: record.Partition, Offset: offset}
	if record.Key != nil {
		message.Key, _ = record.Key.Encode()
	}
	if record.Value != nil {
		message.Value, _ = record.Value.Encode()
	}
	for _, h := range record.Headers {
		message.Headers = append(message.Headers, &h)
	}
	return message
}

func headerOf(record *sarama.ProducerMessage, name string) string {
	i := slices.IndexFunc(record.Headers, func(h sarama.RecordHeader) bool { return string(h.Key) == name })
	if i < 0 {
		return ""
	}
	return string(record.Headers[i].Value)
}
