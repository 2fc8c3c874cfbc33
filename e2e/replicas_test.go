package e2e_test

import (
	"context"
	"net/http"
	"sync"
	"testing"

	"github.com/steadfast-shop/steadfast/e2e/internal/promises"
	"github.com/steadfast-shop/steadfast/e2e/internal/shop"
	"github.com/steadfast-shop/steadfast/e2e/internal/system"
)

// secondReplicas are one more of each service. The second gateway leads to the second order-service, and that to the second inventory-service.
type secondReplicas struct {
	gateway, order, inventory, notification *system.Service
	shop                                    *shop.Client
}

func startSecondReplicas(t *testing.T, w *world) *secondReplicas {
	t.Helper()
	start := func(name string, settings ...string) *system.Service {
		t.Helper()
		service := startService(t, name, append(w.Settings(), settings...)...)
		if err := service.WaitReady(t.Context()); err != nil {
			t.Fatal(err)
		}
		return service
	}
	r := &secondReplicas{inventory: start(system.Inventory), notification: start(system.Notification)}
	r.order = start(system.Order, "INVENTORY_GRPC_URI="+r.inventory.GRPC)
	r.gateway = start(system.Gateway, "ORDER_SERVICE_URI="+r.order.API, "INVENTORY_SERVICE_URI="+r.inventory.API)
	r.shop = shop.NewChecked(r.gateway.API, theSuite.described.check)
	return r
}

// startService starts a service alone, and kills it at the end of the test if it still runs.
func startService(t *testing.T, name string, settings ...string) *system.Service {
	t.Helper()
	service, err := system.StartService(t.Context(), system.Place{Programs: theSuite.programs, Logs: theSuite.dir, Ports: theSuite.ports}, name, settings...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		service.Kill()
		complaints, err := service.Complaints()
		if err != nil || len(complaints) > 0 {
			t.Errorf("%s: %q, %v", name, complaints, err)
		}
	})
	return service
}

// TestTwoReplicas runs two of each service on the same databases and topics, and takes one of each away while clients order.
func TestTwoReplicas(t *testing.T) {
	if testing.Short() {
		t.Skip("short: waits for the consumer group's session time-out")
	}
	t.Parallel()
	w := ownWorld(t)
	second := startSecondReplicas(t, w)
	both := w.system()
	both.Orders = append(both.Orders, second.order.URL)
	both.Notifications = append(both.Notifications, second.notification.URL)

	t.Run("race", func(t *testing.T) { raceOverTwoReplicas(t, w, second, both) })
	t.Run("mails are shared out", func(t *testing.T) {
		for _, url := range both.Notifications {
			wantMetric(t, readdressed, url, "notification_mails_sent_total", func(v float64) bool { return v > 0 })
		}
	})
	t.Run("frozen consumer", func(t *testing.T) { consumerIsFrozen(t, w, second, both) })
	t.Run("killed", func(t *testing.T) {
		l := startLoad(t, w, w.shop)
		elsewhere := startLoad(t, w, second.shop, w.shop)
		l.waitForOrders(t, 20)
		elsewhere.waitForOrders(t, 20)
		second.inventory.Kill()
		second.order.Kill()
		l.waitForOrders(t, 20)                                                        // the clients of the first do not notice
		for _, killed := range []**system.Service{&second.inventory, &second.order} { // at their old addresses, as an orchestrator starts them
			again, err := (*killed).StartAgain(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			*killed = again
			t.Cleanup(again.Kill)
		}
		elsewhere.waitForOrders(t, 20)
		second.notification.Kill()
		elsewhere.waitForOrders(t, 20)
		l.stop()
		elsewhere.stop()
		s := w.system() // the first are left
		s.Quiet = sweepWithin
		repeated := checkPromises(t, s, l.record, perPartition).RepeatedMails
		checkPromises(t, s, elsewhere.record, perPartition-repeated)
	})
}

// raceOverTwoReplicas sends copies of orders and orders for the last units to both replicas at once.
func raceOverTwoReplicas(t *testing.T, w *world, second *secondReplicas, both promises.System) {
	record := promises.NewRecord()
	order := newOrder(newStock(t, w, record, 100), 2)
	last := newStock(t, w, record, 30)
	var all sync.WaitGroup
	for _, client := range []*shop.Client{w.shop, second.shop} {
		orders := newOrders(last, 30)
		for range 25 {
			orders = append(orders, order)
		}
		all.Go(func() { placeAll(t, client, record, orders) })
	}
	all.Wait()
	wantAnswers(t, record, map[int]int{http.StatusCreated: 50 + 30, http.StatusConflict: 30})
	if report := checkPromises(t, both, record, 0); report.Placed != 31 {
		t.Errorf("%d orders are placed; want 31", report.Placed)
	}
}

// consumerIsFrozen freezes one consumer until the group has given its partitions to the other, and lets it go on: it must notice, and send nothing that the other has sent.
func consumerIsFrozen(t *testing.T, w *world, second *secondReplicas, both promises.System) {
	record := promises.NewRecord()
	sku := newStock(t, w, record, 1000)
	placeAll(t, w.shop, record, newOrders(sku, 20)) // some are under way when it freezes
	thaw, err := second.notification.Freeze()
	if err != nil {
		t.Fatal(err)
	}
	defer thaw()
	placeAll(t, w.shop, record, newOrders(sku, 20))
	alone := w.system()
	report := checkPromises(t, alone, record, perPartition)
	thaw()
	placeAll(t, w.shop, record, newOrders(sku, 20))
	if err := second.notification.WaitReady(context.WithoutCancel(t.Context())); err != nil {
		t.Error(err)
	}
	if again := checkPromises(t, both, record, perPartition); again.RepeatedMails > report.RepeatedMails+perPartition {
		t.Errorf("%d mails were repeated before the thaw, %d in all", report.RepeatedMails, again.RepeatedMails)
	}
}
