// Package workload is many clients of the shop that behave as good clients do. What each does, and in which order, follows from a seed alone.
package workload

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/steadfast-shop/steadfast/e2e/internal/history"
	"github.com/steadfast-shop/steadfast/e2e/internal/shop"
)

const (
	hotSKUs, coldSKUs   = 3, 60
	hotStock, coldStock = 60, 2000
	// userOrders is after how many actions a client orders as another user, so that lists stay short.
	userOrders = 40
	mostLines  = 4
)

// action is what a client does next.
type action struct {
	kind history.Kind
	// order is what is sent, for Place; what Status asks for, it reads from the number.
	order shop.Order
	// isNew says that the order's number is new, and not one that is replayed or in conflict.
	isNew bool
	sku   string
	skus  []string
	id    string
	delta int64
	// tries is how often the client tries before it gives up; 0: until its patience ends.
	tries int
	// pause is how long the client thinks before, as a multiple of the mean pause.
	pause float64
}

// chooser chooses the actions of one client.
type chooser struct {
	seed   uint64
	client int
}

// at returns the n-th action. It depends on nothing but the seed, the client and n.
func (c chooser) at(n int) action {
	random := rand.New(rand.NewPCG(c.seed, uint64(c.client)<<32|uint64(n)))
	a := action{pause: 0.3 + 1.4*random.Float64()}
	switch dice := random.IntN(100); {
	case dice < 8:
		return c.again(random, n, a, false)
	case dice < 14:
		return c.again(random, n, a, true)
	case dice < 19:
		return c.adjust(random, n, a)
	case dice < 29:
		a.kind, a.skus = history.Stock, someSKUs(random)
		return a
	case dice < 33:
		a.kind, a.order = history.Status, c.earlier(random, n)
	case dice < 35:
		a.kind, a.order = history.List, c.earlier(random, n)
	default:
		return c.newOrder(random, n, a)
	}
	if a.order.Number == "" {
		return c.newOrder(random, n, a)
	}
	return a
}

func (c chooser) newOrder(random *rand.Rand, n int, a action) action {
	number := fmt.Sprintf("F%x-%d-%d", c.seed, c.client, n)
	a.kind, a.isNew, a.tries = history.Place, true, patience(random)
	a.order = shop.Order{Number: number, User: shop.User{
		ID: fmt.Sprintf("user-%x-%d-%d", c.seed, c.client, n/userOrders), Email: strings.ToLower(number) + "@customers.example", FirstName: "Ada", LastName: "Doe",
	}}
	if random.IntN(4) > 0 {
		a.order.SKU, a.order.Price, a.order.Quantity = oneSKU(random), "29.99", 1+random.Int64N(3)
		return a
	}
	first := random.IntN(coldSKUs)
	for i := range 2 + random.IntN(mostLines-1) {
		sku := cold((first + i) % coldSKUs)
		if i < 2 && random.IntN(3) == 0 {
			sku = hot(i)
		}
		a.order.Items = append(a.order.Items, shop.Item{SKU: sku, Price: "1.50", Quantity: 1 + random.Int64N(2)})
	}
	return a
}

// patience is how often a client tries: few give up at the first failure or the third, most do not until their order is answered.
func patience(random *rand.Rand) int {
	switch dice := random.IntN(20); {
	case dice < 3:
		return 1
	case dice < 6:
		return 3
	default:
		return 0
	}
}

// again sends the number of an earlier order once more, with the same content or another one.
func (c chooser) again(random *rand.Rand, n int, a action, conflict bool) action {
	order := c.earlier(random, n)
	if order.Number == "" {
		return c.newOrder(random, n, a)
	}
	a.kind, a.order, a.tries = history.Place, order, patience(random)
	if conflict { // another address, so that a mail tells which of the two was placed
		a.order.User.Email = "other-" + order.User.Email
		if len(order.Items) > 0 {
			a.order.Items = append([]shop.Item(nil), order.Items...)
			a.order.Items[0].Quantity++
		} else {
			a.order.Quantity++
		}
	}
	return a
}

// earlier returns a new order of this client from before its n-th action, mostly one of the last; the zero order where there is none.
func (c chooser) earlier(random *rand.Rand, n int) shop.Order {
	reach := n
	if random.IntN(3) > 0 {
		reach = min(n, 8)
	}
	if reach == 0 {
		return shop.Order{}
	}
	for i := n - 1 - random.IntN(reach); i >= 0; i-- {
		inner := rand.New(rand.NewPCG(c.seed, uint64(c.client)<<32|uint64(i)))
		_ = inner.Float64() // the pause
		if inner.IntN(100) >= 35 {
			return c.newOrder(inner, i, action{}).order
		}
	}
	return shop.Order{}
}

// adjust changes the stock, mostly to fill up what is hot.
func (c chooser) adjust(random *rand.Rand, n int, a action) action {
	a.kind, a.id, a.tries = history.Adjust, fmt.Sprintf("A%x-%d-%d", c.seed, c.client, n), patience(random)
	a.sku, a.delta = hot(random.IntN(hotSKUs)), 5+random.Int64N(20)
	switch random.IntN(8) {
	case 0:
		a.delta = -1 - random.Int64N(10)
	case 1:
		a.sku = cold(random.IntN(coldSKUs))
	}
	return a
}

func hot(i int) string  { return fmt.Sprintf("hot-%d", i) }
func cold(i int) string { return fmt.Sprintf("cold-%d", i) }

func oneSKU(random *rand.Rand) string {
	if random.IntN(2) == 0 {
		return hot(random.IntN(hotSKUs))
	}
	return cold(random.IntN(coldSKUs))
}

func someSKUs(random *rand.Rand) []string {
	skus := []string{hot(random.IntN(hotSKUs))}
	first := random.IntN(coldSKUs)
	for i := range random.IntN(4) {
		skus = append(skus, cold((first+i)%coldSKUs))
	}
	return skus
}

// SKUs lists all SKUs with what they start with.
func SKUs() map[string]int64 {
	all := make(map[string]int64)
	for i := range hotSKUs {
		all[hot(i)] = hotStock
	}
	for i := range coldSKUs {
		all[cold(i)] = coldStock
	}
	return all
}
