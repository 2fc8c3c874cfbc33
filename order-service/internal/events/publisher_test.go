package events_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/steadfast-shop/steadfast/shared-kit/kafka"
	"github.com/steadfast-shop/steadfast/shared-kit/stacktest"
	eventsv1 "github.com/steadfast-shop/steadfast/shared-proto/events/v1"
	"github.com/steadfast-shop/steadfast/shared-proto/topics"

	"github.com/steadfast-shop/steadfast/order-service/internal/events"
	"github.com/steadfast-shop/steadfast/order-service/internal/order"
	"github.com/steadfast-shop/steadfast/order-service/internal/ordertest"
)

var stack *stacktest.Stack //nolint:gochecknoglobals // one broker for all tests of the package

func TestMain(m *testing.M) {
	os.Exit(stacktest.Main("kafka", func(running *stacktest.Stack) int {
		stack = running
		return m.Run()
	}))
}

func startPublisher(t *testing.T) *events.Publisher {
	t.Helper()
	publisher := events.NewPublisher([]string{stack.Kafka}, 1, slog.New(slog.DiscardHandler))
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- publisher.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("Run: %v", err)
		}
	})
	return publisher
}

func eventOf(number string) order.Event {
	o := ordertest.Buy(number, "user", ordertest.Units("A", 2), order.Line{SKU: "B", Quantity: 1, Price: ordertest.Price("0.5")})
	return order.Event{Order: o, PlacedAt: ordertest.At(7), TraceParent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
}

func TestPublishedRecord(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for i, err := range startPublisher(t).Publish(ctx, []order.Event{eventOf("ORD-1"), eventOf("ORD-ü")}) {
		if err != nil {
			t.Fatalf("event %d: %v", i, err)
		}
	}
	records := readAll(t)
	for _, number := range []string{"ORD-1", "ORD-ü"} {
		record := records[number]
		if record == nil {
			t.Fatalf("there is no record with the key %q", number)
		}
		for name, want := range map[string]string{
			"ce_specversion": "1.0",
			"ce_id":          number,
			"ce_source":      "/order-service",
			"ce_type":        "shop.steadfast.events.v1.OrderPlaced",
			"ce_time":        "2026-05-01T12:00:07.123Z",
			"content-type":   "application/json",
		} {
			if got := kafka.Header(record.Headers, name); got != want {
				t.Errorf("%s: header %s = %q; want %q", number, name, got, want)
			}
		}
		var message eventsv1.OrderPlaced
		if err := protojson.Unmarshal(record.Value, &message); err != nil {
			t.Fatalf("%s: value %s: %v", number, record.Value, err)
		}
		if message.GetOrderNumber() != number || message.GetCustomer().GetEmail() != "user@example.com" || len(message.GetLines()) != 2 ||
			message.GetLines()[0].GetUnitPriceMinor() != 2990 || message.GetLines()[1].GetUnitPriceMinor() != 50 || !message.GetPlacedAt().AsTime().Equal(ordertest.At(7)) {
			t.Errorf("%s: value %s", number, record.Value)
		}
	}
}

// readAll returns the topic's records by key.
func readAll(t *testing.T) map[string]*sarama.ConsumerMessage {
	t.Helper()
	client, err := sarama.NewClient([]string{stack.Kafka}, kafka.NewConfig("test"))
	if err != nil {
		t.Fatal(err)
	}
	consumer, err := sarama.NewConsumerFromClient(client)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := errors.Join(consumer.Close(), client.Close()); err != nil {
			t.Errorf("close: %v", err)
		}
	}()
	records := make(map[string]*sarama.ConsumerMessage)
	for partition := range int32(topics.Partitions) {
		end, err := client.GetOffset(topics.OrderPlaced, partition, sarama.OffsetNewest)
		if err != nil {
			t.Fatal(err)
		}
		if end == 0 {
			continue
		}
		claim, err := consumer.ConsumePartition(topics.OrderPlaced, partition, sarama.OffsetOldest)
		if err != nil {
			t.Fatal(err)
		}
		for record := range claim.Messages() {
			records[string(record.Key)] = record
			if record.Offset+1 >= end {
				break
			}
		}
		if err := claim.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	return records
}

// TestBrokerAway takes the broker away: what was not acknowledged is said to be so in time, and goes out once it is back.
func TestBrokerAway(t *testing.T) {
	publisher := startPublisher(t)
	publish := func(timeout time.Duration) error {
		ctx, cancel := context.WithTimeout(t.Context(), timeout)
		defer cancel()
		return publisher.Publish(ctx, []order.Event{eventOf("ORD-2")})[0]
	}
	if err := publish(30 * time.Second); err != nil {
		t.Fatalf("Publish: %v", err)
	}
	if err := stack.Control("stop", "kafka"); err != nil {
		t.Fatal(err)
	}
	if err := publish(time.Second); err == nil {
		t.Error("Publish without a broker: no error")
	}
	if err := stack.Control("start", "kafka"); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(time.Minute)
	for publish(5*time.Second) != nil {
		if time.Now().After(deadline) {
			t.Fatal("the broker is back, but nothing can be published")
		}
	}
}
