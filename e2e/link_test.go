package e2e_test

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/steadfast-shop/steadfast/e2e/internal/promises"
	"github.com/steadfast-shop/steadfast/e2e/internal/shop"
	"github.com/steadfast-shop/steadfast/e2e/internal/system"
)

// TestRepliesOfInventoryAreLost lets every Reserve arrive while no answer comes back: stock is held, and order-service cannot know. Whoever asks again has the order, and it holds its
// stock once; what nobody asks for again is cancelled, and its stock given back.
func TestRepliesOfInventoryAreLost(t *testing.T) {
	if testing.Short() {
		t.Skip("short: waits for ORDER_ABANDON_AFTER")
	}
	w := sharedWorld(t)
	link, err := system.OpenLink(t.Context(), theSuite.ports, w.URLs.InventoryGRPC)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = link.Close() })
	service := startService(t, system.Order, append(w.Settings(), "INVENTORY_GRPC_URI="+link.Address())...)
	if err := service.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	direct, record := shop.New(service.API), promises.NewRecord()
	sku := newStock(t, w, record, 100)
	placeAll(t, direct, record, newOrders(sku, 5))
	wantAnswers(t, record, map[int]int{http.StatusCreated: 5})

	link.LoseReplies(true)
	asked, again, abandoned := time.Now(), newOrders(sku, 10), newOrders(sku, 10)
	placeAll(t, direct, record, append(again, abandoned...))
	if took := time.Since(asked); took > 4*time.Second {
		t.Errorf("the answers took %v; a try has 3 s", took)
	}
	wantAnswers(t, record, map[int]int{http.StatusCreated: 5, http.StatusServiceUnavailable: 20})
	if quantities, err := w.shop.Quantities(t.Context(), sku); err != nil || *quantities[0] != 75 {
		t.Errorf("the stock is %v, %v; want 75, for all requests have arrived", quantities, err)
	}

	link.LoseReplies(false)
	var all sync.WaitGroup
	for _, order := range again {
		all.Go(func() {
			answer, err := placeStubbornly(t.Context(), direct, record, order, giveUpAfter)
			if err != nil || answer.Status != http.StatusCreated {
				t.Errorf("got %s, %v; want 201", answer, err)
			}
		})
	}
	all.Wait()
	s := w.system()
	s.Orders = append(s.Orders, service.URL)
	s.Quiet = sweepWithin
	if report := checkPromises(t, s, record, 0); report.Placed != 15 || report.NotPlaced != 10 {
		t.Errorf("%d orders are placed and %d are not; want 15 and 10", report.Placed, report.NotPlaced)
	}
	terminate(t, service)
}
