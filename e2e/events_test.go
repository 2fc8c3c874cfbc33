package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"google.golang.org/protobuf/encoding/protojson"

	eventsv1 "github.com/steadfast-shop/steadfast/shared-proto/events/v1"
	"github.com/steadfast-shop/steadfast/shared-proto/topics"

	"github.com/steadfast-shop/steadfast/e2e/internal/kafka"
	"github.com/steadfast-shop/steadfast/e2e/internal/promises"
	"github.com/steadfast-shop/steadfast/e2e/internal/shop"
)

// waitForRecord returns the first record of the topic with that key.
func waitForRecord(t *testing.T, w *world, topic, key string) kafka.Record {
	t.Helper()
	var found []kafka.Record
	eventually(t, readdressed, func(ctx context.Context) error {
		var err error
		if found, err = w.kafka.Find(ctx, topic, key); err == nil && len(found) == 0 {
			err = fmt.Errorf("no record with the key %s in %s", key, topic)
		}
		return err
	})
	return found[0]
}

func partitionOf(t *testing.T, key string) int32 {
	t.Helper()
	partition, err := sarama.NewMurmur2Partitioner(topics.OrderPlaced).Partition(&sarama.ProducerMessage{Key: sarama.StringEncoder(key)}, topics.Partitions)
	if err != nil {
		t.Fatal(err)
	}
	return partition
}

func TestEventOfAnOrder(t *testing.T) {
	w := sharedWorld(t)
	record := promises.NewRecord()
	order := newOrder("", 0)
	order.Price = ""
	order.Items = []shop.Item{{SKU: newStock(t, w, record, 10), Price: "29.9", Quantity: 2}, {SKU: newStock(t, w, record, 10), Price: "7", Quantity: 1}}
	placeAll(t, w.shop, record, []shop.Order{order})
	event := waitForRecord(t, w, topics.OrderPlaced, order.Number)
	if want := partitionOf(t, order.Number); event.Partition != want {
		t.Errorf("the event is in partition %d; want %d", event.Partition, want)
	}
	for name, want := range map[string]string{
		"ce_specversion": "1.0", "ce_id": order.Number, "ce_source": "/order-service", "ce_type": "shop.steadfast.events.v1.OrderPlaced", "content-type": "application/json",
	} {
		if got := event.Header(name); got != want {
			t.Errorf("header %s is %q; want %q", name, got, want)
		}
	}
	at, err := time.Parse(time.RFC3339Nano, event.Header("ce_time"))
	if err != nil || time.Since(at).Abs() > time.Minute {
		t.Errorf("ce_time is %q", event.Header("ce_time"))
	}
	if parts := strings.Split(event.Header("traceparent"), "-"); len(parts) != 4 || len(parts[1]) != 32 || len(parts[2]) != 16 {
		t.Errorf("traceparent is %q", event.Header("traceparent"))
	}
	var got eventsv1.OrderPlaced
	if err := protojson.Unmarshal(event.Value, &got); err != nil {
		t.Fatalf("the event is no events.v1.OrderPlaced: %v", err)
	}
	customer := got.GetCustomer()
	if got.GetOrderNumber() != order.Number || !got.GetPlacedAt().AsTime().Equal(at) ||
		customer.GetUserId() != order.User.ID || customer.GetEmail() != order.User.Email || customer.GetFirstName() != "John" || customer.GetLastName() != "Doe" {
		t.Errorf("the event is %s", event.Value)
	}
	for i, minor := range []int64{2990, 700} {
		if line, item := got.GetLines()[i], order.Items[i]; line.GetSkuCode() != item.SKU || line.GetQuantity() != item.Quantity || line.GetUnitPriceMinor() != minor {
			t.Errorf("line %d of the event is %v; want %v", i, line, item)
		}
	}
}

// TestForeignEvent mails an order whose event somebody else has written, with fields that we do not know.
func TestForeignEvent(t *testing.T) {
	w := sharedWorld(t)
	order := newOrder("S", 1)
	value, err := json.Marshal(map[string]any{
		"orderNumber": order.Number, "customer": map[string]any{"email": order.User.Email}, "lines": []any{map[string]any{"skuCode": "S", "quantity": 1, "unitPriceMinor": "5"}}, "colour": "red",
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.kafka.Write(kafka.Record{Topic: topics.OrderPlaced, Partition: partitionOf(t, order.Number), Value: value}); err != nil {
		t.Fatal(err)
	}
	if mail := waitForMail(t, w, order); !strings.Contains(mail.Subject, order.Number) {
		t.Errorf("the mail's subject is %q", mail.Subject)
	}
}

// TestTopics reads how the topics were made.
func TestTopics(t *testing.T) {
	w := sharedWorld(t)
	placed := newOrder(newStock(t, w, promises.NewRecord(), 1), 1)
	if answer := must(t)(w.shop.Place(t.Context(), placed)); answer.Status != http.StatusCreated {
		t.Fatal(answer)
	}
	waitForMail(t, w, placed) // by now whoever makes topics has made them
	for _, want := range topics.All(1) {
		partitions, settings, err := w.kafka.Describe(want.Name)
		if err != nil {
			t.Errorf("%s: %v", want.Name, err)
			continue
		}
		if partitions != int(want.Partitions) {
			t.Errorf("%s has %d partitions; want %d", want.Name, partitions, want.Partitions)
		}
		for name, value := range want.Config {
			if settings[name] != value {
				t.Errorf("%s has %s=%s; want %s", want.Name, name, settings[name], value)
			}
		}
	}
}
