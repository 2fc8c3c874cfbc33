package workload

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/steadfast-shop/steadfast/e2e/internal/history"
	"github.com/steadfast-shop/steadfast/e2e/internal/shop"
)

const (
	firstPause, longestPause = 100 * time.Millisecond, 5 * time.Second
	// giveUpAfter is when the most patient client gives up.
	giveUpAfter = time.Minute
)

// Options says how much is asked for.
type Options struct {
	Seed    uint64
	Clients int
	// Pause is the mean time that a client waits between two things that it does.
	Pause time.Duration
	// Gateways are the URLs of the gateways. A client goes on to the next one when it tries again.
	Gateways []string
}

// Workload is the clients of one run.
type Workload struct {
	options Options
	shops   []*shop.Client
	history *history.History
}

// New returns a workload whose calls are noted in the history.
func New(options Options, into *history.History) *Workload {
	w := &Workload{options: options, history: into}
	for _, url := range options.Gateways {
		w.shops = append(w.shops, shop.New(url))
	}
	return w
}

// Stock puts all SKUs on stock.
func (w *Workload) Stock(ctx context.Context) error {
	all := SKUs()
	for _, sku := range slices.Sorted(maps.Keys(all)) {
		call := history.Call{Kind: history.Create, SKUs: []string{sku}, Quantity: all[sku], Called: w.history.Now()}
		answer, err := w.shops[0].Stock(ctx, sku, all[sku])
		w.history.Add(call, answer, err)
		if err != nil {
			return err
		}
		if answer.Status != http.StatusCreated {
			return fmt.Errorf("stock %s: %s", sku, answer)
		}
	}
	return nil
}

// Run has the clients ask until stopping is closed and each of them has the answer that it waits for.
func (w *Workload) Run(ctx context.Context, stopping <-chan struct{}) {
	var clients sync.WaitGroup
	for i := range w.options.Clients {
		c := &client{Workload: w, number: i, stopping: stopping, chooser: chooser{seed: w.options.Seed, client: i}}
		clients.Go(func() { c.loop(ctx) })
	}
	clients.Wait()
}

// client is one of them.
type client struct {
	*Workload
	chooser  chooser
	number   int
	calls    int
	stopping <-chan struct{}
}

func (c *client) loop(ctx context.Context) {
	for n := 0; ; n++ {
		a := c.chooser.at(n)
		if !c.wait(ctx, time.Duration(a.pause*float64(c.options.Pause))) {
			return
		}
		c.act(ctx, a)
	}
}

// wait returns false where the client is to stop.
func (c *client) wait(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-c.stopping:
		return false
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

func (c *client) act(ctx context.Context, a action) {
	switch a.kind {
	case history.Place:
		c.stubbornly(ctx, a.tries, history.Call{Kind: a.kind, Order: &a.order, Number: a.order.Number}, func(s *shop.Client) (shop.Answer, error) { return s.Place(ctx, a.order) })
	case history.Adjust:
		c.stubbornly(ctx, a.tries, history.Call{Kind: a.kind, SKUs: []string{a.sku}, Adjustment: a.id, Delta: a.delta},
			func(s *shop.Client) (shop.Answer, error) { return s.Adjust(ctx, a.sku, a.id, a.delta) })
	case history.Stock:
		_, _ = c.once(history.Call{Kind: a.kind, SKUs: a.skus}, func(s *shop.Client) (shop.Answer, error) {
			return s.SendJSON(ctx, http.MethodGet, "/api/inventory", a.skus)
		})
	case history.Status:
		_, _ = c.once(history.Call{Kind: a.kind, User: a.order.User.ID, Number: a.order.Number}, func(s *shop.Client) (shop.Answer, error) {
			return s.Send(ctx, http.MethodGet, "/api/order/"+a.order.User.ID+"/"+a.order.Number, "")
		})
	default:
		_, _ = c.once(history.Call{Kind: history.List, User: a.order.User.ID}, func(s *shop.Client) (shop.Answer, error) { return s.Orders(ctx, a.order.User.ID, "") })
	}
}

// once asks one gateway, and notes the call with what came of it, which a reader of one thing need not know.
func (c *client) once(call history.Call, ask func(*shop.Client) (shop.Answer, error)) (shop.Answer, error) {
	gateway := c.shops[(c.number+c.calls)%len(c.shops)]
	call.Client, call.Called = c.number, c.history.Now()
	answer, err := ask(gateway)
	c.history.Add(call, answer, err)
	if err != nil {
		c.calls++ // the next one goes elsewhere
	}
	return answer, err
}

// stubbornly asks again until there is an answer that is final, or the client gives up: after pauses that grow, and not before the server wants to be asked.
func (c *client) stubbornly(ctx context.Context, most int, call history.Call, ask func(*shop.Client) (shop.Answer, error)) {
	end := c.history.Now() + giveUpAfter
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		call.Try++
		answer, err := c.once(call, ask)
		if err == nil && answer.Status < http.StatusInternalServerError && answer.Status != http.StatusTooManyRequests {
			return
		}
		if call.Try == most || c.history.Now() > end {
			return
		}
		c.calls++
		wait := time.Duration((0.5 + rand.Float64()) * float64(pause)) // not seeded: when things happen never is
		if seconds, err := strconv.Atoi(answer.Header.Get("Retry-After")); err == nil {
			wait = max(wait, time.Duration(seconds)*time.Second)
		}
		if !c.wait(ctx, wait) {
			return
		}
	}
}
