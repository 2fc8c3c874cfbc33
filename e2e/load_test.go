package e2e_test

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/steadfast-shop/steadfast/e2e/internal/promises"
	"github.com/steadfast-shop/steadfast/e2e/internal/shop"
)

const (
	loadClients = 6
	// giveUpAfter is how long a client asks for one order; it is longer than any part takes to come back.
	giveUpAfter = 40 * time.Second
)

// load is a few clients that place one order after the other and retry as good clients do.
type load struct {
	record *promises.Record
	stop   func() // ends the load, once every client has its last answer
}

// startLoad starts clients that order from hot SKUs, one or two lines each, and read the stock. Each client uses the next gateway of those given.
func startLoad(t *testing.T, w *world, gateways ...*shop.Client) *load {
	t.Helper()
	return startPacedLoad(t, w, 0, gateways...)
}

// startPacedLoad is startLoad with clients that pause after each order, for what takes minutes: so many mails can be looked through again and again.
func startPacedLoad(t *testing.T, w *world, pause time.Duration, gateways ...*shop.Client) *load {
	t.Helper()
	l := &load{record: promises.NewRecord()}
	skus := []string{newStock(t, w, l.record, 100_000), newStock(t, w, l.record, 100_000), newStock(t, w, l.record, 30)}
	ctx, stopping := context.WithoutCancel(t.Context()), make(chan struct{}) // the end of the test lets the last orders be answered
	var clients sync.WaitGroup
	for i := range loadClients {
		client := gateways[i%len(gateways)]
		clients.Go(func() {
			for n := i; ; n++ {
				select {
				case <-stopping:
					return
				default:
				}
				if err := loadOnce(ctx, client, l.record, skus, n); err != nil {
					t.Error(err)
				}
				rest(pause, stopping)
			}
		})
	}
	var once sync.Once
	l.stop = func() {
		once.Do(func() {
			close(stopping)
			clients.Wait()
		})
	}
	t.Cleanup(l.stop)
	return l
}

// rest waits for the pause, or until the load is to end.
func rest(pause time.Duration, stopping <-chan struct{}) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-stopping:
	}
}

// loadOnce places the n-th order of a client, and now and then replays it or looks at the stock.
func loadOnce(ctx context.Context, client *shop.Client, record *promises.Record, skus []string, n int) error {
	order := newOrder(skus[n%len(skus)], 1)
	if n%4 == 0 {
		order.SKU, order.Price, order.Quantity = "", "", 0
		order.Items = []shop.Item{{SKU: skus[n/4%len(skus)], Price: "1.50", Quantity: 2}, {SKU: skus[(n/4+1)%len(skus)], Price: "3", Quantity: 1}}
	}
	first, err := placeStubbornly(ctx, client, record, order, giveUpAfter)
	if err != nil {
		return err
	}
	if n%5 == 0 {
		again, err := placeStubbornly(ctx, client, record, order, giveUpAfter)
		if err != nil {
			return err
		}
		if again.Status != first.Status {
			return fmt.Errorf("order %s was answered %s, and then %s", order.Number, first, again)
		}
	}
	if n%7 == 0 {
		quantities, err := client.Quantities(ctx, skus...)
		for i, quantity := range quantities {
			if err == nil && (quantity == nil || *quantity < 0) {
				return fmt.Errorf("the stock of %s is %v", skus[i], quantity)
			}
		}
	}
	return nil
}

// waitForOrders waits until the load has placed so many more orders.
func (l *load) waitForOrders(t *testing.T, more int) {
	t.Helper()
	want := l.record.Answers(http.StatusCreated) + more
	eventually(t, giveUpAfter, func(context.Context) error {
		if got := l.record.Answers(http.StatusCreated); got < want {
			return fmt.Errorf("%d orders are placed; waiting for %d", got, want)
		}
		return nil
	})
}
