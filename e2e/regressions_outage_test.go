package e2e_test

import (
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/steadfast-shop/steadfast/e2e/internal/promises"
	"github.com/steadfast-shop/steadfast/e2e/internal/shop"
	"github.com/steadfast-shop/steadfast/e2e/internal/system"
)

// settingSMTPOutage is how long smtpIsAway keeps the mail server down.
const settingSMTPOutage = "STEADFAST_E2E_SMTP_OUTAGE"

// consumerStartsAfterTheOrders runs first: the consumer group has read nothing yet, and so must begin at the oldest record.
func consumerStartsAfterTheOrders(t *testing.T, w *world) {
	stopPart(t, w, system.Notification)
	record := promises.NewRecord()
	placeAll(t, w.shop, record, newOrders(newStock(t, w, record, 100), 20))
	wantAnswers(t, record, map[int]int{http.StatusCreated: 20})
	startPart(t, w, system.Notification)
	checkPromises(t, w.system(), record, 0)
}

// brokerIsAway orders while there is no broker, from an order-service that goes on and from one that ends meanwhile.
func brokerIsAway(t *testing.T, w *world) {
	record := promises.NewRecord()
	sku := newStock(t, w, record, 100)
	replica := startReplicas(t, w, []string{system.Order})[0]
	stopPart(t, w, system.Kafka)
	placeAll(t, w.shop, record, newOrders(sku, 20))
	placeAll(t, shop.New(replica.API), record, newOrders(sku, 20))
	terminate(t, replica) // it takes with it that it owes events
	startPart(t, w, system.Kafka)
	placeAll(t, w.shop, record, newOrders(sku, 5))
	wantAnswers(t, record, map[int]int{http.StatusCreated: 45})
	s := w.system()
	s.Quiet = sweepWithin
	checkPromises(t, s, record, 0)
}

// smtpIsAway keeps the mail server away from two consumers, of which one ends meanwhile, while orders go on.
func smtpIsAway(t *testing.T, w *world) {
	outage := 30 * time.Second
	if text := os.Getenv(settingSMTPOutage); text != "" {
		var err error
		if outage, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	record := promises.NewRecord()
	sku := newStock(t, w, record, 1000)
	replica := startReplicas(t, w, []string{system.Notification})[0]
	stopPart(t, w, system.Inbox)
	placeAll(t, w.shop, record, newOrders(sku, 20))
	wantMetric(t, 10*time.Second, w.URLs.Notification, "notification_waiting", func(v float64) bool { return v > 0 })
	wantMetric(t, 10*time.Second, replica.URL, "notification_waiting", func(v float64) bool { return v > 0 })
	terminate(t, replica) // in the midst of waiting
	keepOrdering(t, w, record, sku, outage)
	startPart(t, w, system.Inbox)
	if refused := record.Answers(http.StatusConflict) + record.Answers(http.StatusServiceUnavailable); refused > 0 {
		t.Errorf("%d orders were not placed", refused)
	}
	checkPromises(t, w.system(), record, 0)
}
