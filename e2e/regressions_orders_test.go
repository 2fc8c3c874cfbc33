package e2e_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/steadfast-shop/steadfast/shared-proto/topics"

	"github.com/steadfast-shop/steadfast/e2e/internal/kafka"
	"github.com/steadfast-shop/steadfast/e2e/internal/promises"
	"github.com/steadfast-shop/steadfast/e2e/internal/shop"
)

// orderBody returns an order of one line, with the address as a field and its comma, or nothing, and the quantity as it is to be sent.
func orderBody(number, sku, email, quantity string) string {
	return fmt.Sprintf(`{"orderNumber":%q,"skuCode":%q,"price":1,"quantity":%s,"userDetails":{"userId":"u",%s"firstName":"J","lastName":"D"}}`, number, sku, quantity, email)
}

// wantNoOrder fails the test if the customer of orderBody has an order of the number.
func wantNoOrder(t *testing.T, w *world, number string) {
	t.Helper()
	wantProblem(t, must(t)(w.shop.Send(t.Context(), get, "/api/order/u/"+number, "")), http.StatusNotFound, "order_not_found")
}

// resendDoublesTheOrder sends one order fifty times at once, once more when all of it is over, and then another one under its number.
func resendDoublesTheOrder(t *testing.T, w *world) {
	t.Parallel()
	record := promises.NewRecord()
	order := newOrder(newStock(t, w, record, 100), 2)
	copies := make([]shop.Order, 50)
	for i := range copies {
		copies[i] = order
	}
	placeAll(t, w.shop, record, copies)
	wantAnswers(t, record, map[int]int{http.StatusCreated: 50})
	checkPromises(t, w.system(), record, 0)
	placeAll(t, w.shop, record, copies[:1])
	other := order
	other.Quantity = 3
	if _, err := record.Place(t.Context(), w.shop, other); err != nil {
		t.Error(err)
	}
	wantAnswers(t, record, map[int]int{http.StatusCreated: 51, http.StatusConflict: 1})
	if report := checkPromises(t, w.system(), record, 0); report.Placed != 1 {
		t.Errorf("%d orders are placed; want 1", report.Placed)
	}
}

// missingAddress orders without an address, which is refused, and has somebody else write events without one: they are laid aside, and the order behind them is mailed.
func missingAddress(t *testing.T, w *world) {
	t.Parallel()
	record := promises.NewRecord()
	sku, refused := newStock(t, w, record, 10), newID("ORD")
	var requests []badRequest
	for name, email := range map[string]string{"no address": "", "null": `"email":null,`, "an empty address": `"email":"",`, "a blank address": `"email":" ",`} {
		requests = append(requests, badRequest{name, post, "/api/order", orderBody(refused, sku, email, "1"), []string{"userDetails.email"}})
	}
	checkRefused(t, w.shop, requests)
	wantNoOrder(t, w, refused)
	wantQuantity(t, w.shop, sku, 10)

	order := newOrder(sku, 1)
	for _, customer := range []string{`{"userId":"u"}`, `{"userId":"u","email":null}`, `{"userId":"u","email":""}`, `null`} {
		number := newID("ORD")
		value := fmt.Appendf(nil, `{"orderNumber":%q,"customer":%s,"lines":[{"skuCode":"S","quantity":"1","unitPriceMinor":"1"}]}`, number, customer)
		if _, err := w.kafka.Write(kafka.Record{Topic: topics.OrderPlaced, Partition: partitionOf(t, order.Number), Key: []byte(number), Value: value}); err != nil {
			t.Fatal(err)
		}
		if letter := waitForRecord(t, w, topics.OrderPlacedDLQ, number); letter.Header("dlq-reason") == "" {
			t.Errorf("the dead letter of an event for %s says %v", customer, letter.Headers)
		}
	}
	placeAll(t, w.shop, record, []shop.Order{order})
	checkPromises(t, w.system(), record, 0)
}

// badQuantities sends quantities that are no number of pieces, in orders and for the stock, and looks that nothing has changed.
func badQuantities(t *testing.T, w *world) {
	t.Parallel()
	record := promises.NewRecord()
	sku, other, refused := newStock(t, w, record, 100), newID("SKU"), newID("ORD")
	const customer = `"userDetails":{"userId":"u","email":"user@example.com","firstName":"J","lastName":"D"}`
	var requests []badRequest
	for _, quantity := range []string{"0", "-1", "-9223372036854775808", "1.5", "1e2", "9223372036854775808", "true", "null", `"1"`} {
		requests = append(requests,
			badRequest{"quantity " + quantity, post, "/api/order", orderBody(refused, sku, `"email":"user@example.com",`, quantity), []string{"quantity"}},
			badRequest{"items: quantity " + quantity, post, "/api/order",
				fmt.Sprintf(`{"orderNumber":%q,"items":[{"skuCode":%q,"price":1,"quantity":1},{"skuCode":%q,"price":1,"quantity":%s}],%s}`, refused, sku, sku, quantity, customer),
				[]string{"items[1].quantity"}},
			badRequest{"create: quantity " + quantity, post, "/api/inventory", fmt.Sprintf(`{"skuCode":%q,"quantity":%s}`, other, quantity), []string{"quantity"}},
		)
	}
	requests = append(requests,
		badRequest{"no quantity", post, "/api/order", fmt.Sprintf(`{"orderNumber":%q,"skuCode":%q,"price":1,%s}`, refused, sku, customer), []string{"quantity"}},
		badRequest{"create: no quantity", post, "/api/inventory", fmt.Sprintf(`{"skuCode":%q}`, other), []string{"quantity"}},
	)
	for _, delta := range []string{"0", "0.5", "null", "true", "9223372036854775808"} {
		requests = append(requests, badRequest{"delta " + delta, post, "/api/inventory/" + sku + "/adjustments", fmt.Sprintf(`{"adjustmentId":"a","delta":%s}`, delta), []string{"delta"}})
	}
	checkRefused(t, w.shop, requests)
	wantNoOrder(t, w, refused)
	wantJSON(t, must(t)(w.shop.SendJSON(t.Context(), get, "/api/inventory", []string{sku, other})), `[100,null]`)
}
