// Package promises holds what Steadfast promises, as one check for all tests: a Record of what clients did and were told, against what the system shows once it has settled.
package promises

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/steadfast-shop/steadfast/e2e/internal/shop"
)

// Record is what the clients of one test did and were told. Its SKUs and order numbers must be nobody else's. It is safe for concurrent use.
type Record struct {
	mu       sync.Mutex
	stock    map[string]int64 // what there would be if nothing had been ordered
	attempts []attempt
	last     time.Time // when the last answer came
}

// attempt is one try to place an order.
type attempt struct {
	order  shop.Order
	status int // 0: no answer came
}

// NewRecord returns an empty record.
func NewRecord() *Record { return &Record{stock: make(map[string]int64)} }

// Stock puts a new SKU on stock through the client.
func (r *Record) Stock(ctx context.Context, client *shop.Client, sku string, quantity int64) error {
	answer, err := client.Stock(ctx, sku, quantity)
	if err != nil {
		return err
	}
	if answer.Status != http.StatusCreated || answer.Body != shop.TextStocked {
		return fmt.Errorf("stock %s: %s", sku, answer)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stock[sku] += quantity
	return nil
}

// Adjusted notes an adjustment that was applied.
func (r *Record) Adjusted(sku string, delta int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stock[sku] += delta
}

// Place places an order through the client and notes the answer. An answer that the API does not have is an error.
func (r *Record) Place(ctx context.Context, client *shop.Client, order shop.Order) (shop.Answer, error) {
	answer, err := client.Place(ctx, order)
	r.note(order, answer.Status)
	if err != nil {
		return answer, err
	}
	want, known := map[int]string{
		http.StatusCreated:            shop.TextPlaced,
		http.StatusConflict:           shop.TextNotPlaced,
		http.StatusServiceUnavailable: shop.TextUnavailable,
	}[answer.Status]
	if !known || answer.Body != want {
		return answer, fmt.Errorf("%w to order %s: %s", ErrBadAnswer, order.Number, answer)
	}
	return answer, nil
}

func (r *Record) note(order shop.Order, status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.attempts = append(r.attempts, attempt{order, status})
	r.last = time.Now()
}

// Answers returns how many answers with the status came.
func (r *Record) Answers(status int) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, a := range r.attempts {
		if a.status == status {
			n++
		}
	}
	return n
}

// SKUs returns the SKUs that were put on stock.
func (r *Record) SKUs() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	skus := make([]string, 0, len(r.stock))
	for sku := range r.stock {
		skus = append(skus, sku)
	}
	return skus
}
