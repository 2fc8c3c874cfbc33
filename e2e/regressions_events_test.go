package e2e_test

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"github.com/steadfast-shop/steadfast/shared-proto/topics"

	"github.com/steadfast-shop/steadfast/e2e/internal/kafka"
	"github.com/steadfast-shop/steadfast/e2e/internal/metrics"
	"github.com/steadfast-shop/steadfast/e2e/internal/promises"
	"github.com/steadfast-shop/steadfast/e2e/internal/shop"
)

// poisonRecords writes what is no event to each partition: it lands in the dead letters with its reason and origin, and the orders behind it are mailed.
func poisonRecords(t *testing.T, w *world) {
	t.Parallel()
	valid := func(number, email string) []byte {
		return fmt.Appendf(nil, `{"orderNumber":%q,"customer":{"userId":"u","email":%q},"lines":[{"skuCode":"S","quantity":"1","unitPriceMinor":"1"}]}`, number, email)
	}
	var written []kafka.Record
	for i, value := range [][]byte{
		nil, {}, []byte("not an event"), []byte("\x00\xff\xfe"), []byte(`{}`), []byte(`[1,2]`), []byte(`{"orderNumber":"` + newID("ORD") + `"}`),
		valid(newID("ORD"), "nobody"), valid(newID("ORD"), ""), valid("", "a@example.com"), valid(newID("ORD"), "a@example.com>\r\nRCPT TO:<b@example.com"), []byte(strings.Repeat("x", 500_000)),
	} {
		poison, err := w.kafka.Write(kafka.Record{
			Topic: topics.OrderPlaced, Partition: int32(i) % topics.Partitions, Key: []byte(newID("poison")), Value: value,
			Headers: []sarama.RecordHeader{{Key: []byte("of"), Value: []byte("a stranger")}},
		})
		if err != nil {
			t.Fatal(err)
		}
		written = append(written, poison)
	}
	record := promises.NewRecord()
	placeAll(t, w.shop, record, newOrders(newStock(t, w, record, 100), 20))
	checkPromises(t, w.system(), record, 0)
	for _, poison := range written {
		letter := waitForRecord(t, w, topics.OrderPlacedDLQ, string(poison.Key))
		if string(letter.Value) != string(poison.Value) || letter.Header("of") != "a stranger" {
			t.Errorf("the dead letter is %.100q with %v; want %.100q", letter.Value, letter.Headers, poison.Value)
		}
		if at, err := time.Parse(time.RFC3339, letter.Header("dlq-time")); err != nil || time.Since(at).Abs() > time.Minute {
			t.Errorf("dlq-time is %q", letter.Header("dlq-time"))
		}
		if letter.Header("dlq-reason") == "" || letter.Header("dlq-topic") != topics.OrderPlaced || letter.Header("dlq-partition") != strconv.Itoa(int(poison.Partition)) ||
			letter.Header("dlq-offset") != strconv.FormatInt(poison.Offset, 10) {
			t.Errorf("the dead letter of %d/%d says %v", poison.Partition, poison.Offset, letter.Headers)
		}
	}
}

// replayedRecords writes the event of an order again: to its partition, and to another one.
func replayedRecords(t *testing.T, w *world) {
	t.Parallel()
	record := promises.NewRecord()
	order := newOrder(newStock(t, w, record, 10), 1)
	placeAll(t, w.shop, record, []shop.Order{order})
	checkPromises(t, w.system(), record, 0)
	event := waitForRecord(t, w, topics.OrderPlaced, order.Number)
	repeated, err := metrics.Sum(t.Context(), w.URLs.Notification, "notification_mails_repeated_total")
	if err != nil {
		t.Fatal(err)
	}
	for range topics.Partitions {
		if _, err := w.kafka.Write(event); err != nil {
			t.Fatal(err)
		}
		event.Partition = (event.Partition + 1) % topics.Partitions
	}
	wantMetric(t, readdressed, w.URLs.Notification, "notification_mails_repeated_total", func(v float64) bool { return v >= repeated+topics.Partitions })
	checkPromises(t, w.system(), record, 0)
}

// badAddresses orders for what is no address, which is refused, and then for addresses that only the mail server knows to be bad, which loses the connection over others besides: what it
// refuses is laid aside, and all others arrive.
func badAddresses(t *testing.T, w *world) {
	record := promises.NewRecord()
	sku, number := newStock(t, w, record, 100), newID("ORD")
	var requests []badRequest
	for _, address := range []string{"user", "user@", "@example.com", "user@example", "a b@example.com", "user@example.com, b@example.com", "User <user@example.com>", "user@exa_mple.com", "üser@example.com",
		`user@example.com\r\nBcc: c@example.com`, strings.Repeat("x", 65) + "@example.com", "a@" + strings.Repeat("x.", 130) + "com"} {
		requests = append(requests, badRequest{"address " + address, post, "/api/order", orderBody(number, sku, `"email":"`+address+`",`, "1"), []string{"userDetails.email"}})
	}
	checkRefused(t, w.shop, requests)
	wantNoOrder(t, w, number)

	server := startMoodyServer(t)
	service := mailThrough(t, w, server)
	defer terminate(t, service) // it leaves the group in order, so that whoever comes next need not wait
	var orders []shop.Order
	for i := range 24 {
		order := newOrder(sku, 1)
		order.User.Email = []string{"refused", "dropped", "good"}[i%3] + "-" + order.User.Email
		orders = append(orders, order)
	}
	placeAll(t, w.shop, record, orders)
	wantAnswers(t, record, map[int]int{http.StatusCreated: len(orders)})
	for _, order := range orders {
		kind, _, _ := strings.Cut(order.User.Email, "-")
		if kind == "refused" {
			letter := waitForRecord(t, w, topics.OrderPlacedDLQ, order.Number)
			if reason := letter.Header("dlq-reason"); !strings.Contains(reason, "550") || strings.Contains(reason, order.User.Email) {
				t.Errorf("the reason of a refused mail is %q", reason)
			}
			continue
		}
		want := map[string]int{"good": 1, "dropped": 2}[kind] // after a drop nobody knows whether the mail was taken
		eventually(t, readdressed, func(context.Context) error {
			if got := len(server.mailsTo(order.User.Email)); got < want {
				return fmt.Errorf("%d mails came for %s; want %d", got, kind, want)
			}
			return nil
		})
	}
	for _, order := range orders {
		mails := server.mailsTo(order.User.Email)
		if strings.HasPrefix(order.User.Email, "good") && len(mails) != 1 {
			t.Errorf("%d mails came where nothing was lost; want 1", len(mails))
		}
		for _, id := range mails {
			if id == "" || id != mails[0] {
				t.Errorf("the mails of one order have the Message-IDs %q", mails)
			}
		}
	}
}
