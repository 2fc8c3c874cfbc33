package e2e_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/steadfast-shop/steadfast/e2e/internal/promises"
	"github.com/steadfast-shop/steadfast/e2e/internal/shop"
)

const (
	get  = http.MethodGet
	post = http.MethodPost
)

// badRequest is a request that must be refused, with faults in exactly these fields; "" stands for the request as a whole.
type badRequest struct {
	name   string
	method string
	path   string
	body   string
	fields []string
}

// undescribable names what is wrong in a way that OpenAPI has no words for, which therefore stands in the description's texts. (For decimals it has multipleOf, but validators that
// count in binary fractions then refuse 29.99, too.) Everything else that is refused must be wrong by the description.
var undescribable = map[string]bool{
	"a field twice": true, "limit twice": true, "quantity 1e2": true, "items: quantity 1e2": true, "create: quantity 1e2": true, "price 1e3": true, "price 29.999": true, "read: nothing": true, "after an unknown order": true,
}

// checkRefused sends each request and wants a 400 that the description explains.
func checkRefused(t *testing.T, client *shop.Client, requests []badRequest) {
	t.Helper()
	for _, request := range requests {
		t.Run(request.name, func(t *testing.T) {
			wantProblem(t, must(t)(client.Send(t.Context(), request.method, request.path, request.body)), 400, "invalid_request", request.fields...)
			if isDescribed(t, request) != undescribable[request.name] {
				t.Errorf("the description allows it: %v; want %v", isDescribed(t, request), undescribable[request.name])
			}
		})
	}
}

func TestBadOrders(t *testing.T) {
	w := sharedWorld(t)
	record := promises.NewRecord()
	sku, number := newStock(t, w, record, 100), newID("ORD")
	long := strings.Repeat("x", 129)
	const customer = `"userDetails":{"userId":"u","email":"user@example.com","firstName":"John","lastName":"Doe"}`
	line := fmt.Sprintf(`"skuCode":%q,"price":29.99,"quantity":1`, sku)
	order := func(line, customer string) string {
		return fmt.Sprintf(`{"orderNumber":%q,%s,%s}`, number, line, customer)
	}
	var requests []badRequest
	add := func(name, body string, fields ...string) {
		requests = append(requests, badRequest{name, post, "/api/order", body, fields})
	}
	add("no body", ``, "")
	add("blank body", " \n", "")
	add("malformed JSON", order(line, customer)[1:], "")
	add("cut off JSON", strings.TrimSuffix(order(line, customer), "}"), "")
	add("two documents", order(line, customer)+order(line, customer), "")
	add("an array", `[`+order(line, customer)+`]`, "")
	add("null", `null`, "")
	add("no UTF-8", order(line, customer)[:3]+"\xff"+order(line, customer)[3:], "")
	add("an unknown field", order(line+`,"colour":"red"`, customer), "colour")
	add("a field twice", order(line+`,"quantity":2`, customer), "quantity")
	add("an unknown field of the user", order(line, strings.Replace(customer, "}", `,"age":3}`, 1)), "userDetails.age")
	add("no fields", `{}`, "skuCode", "price", "quantity", "userDetails")
	add("an empty user", order(line, `"userDetails":{}`), "userDetails.userId", "userDetails.email", "userDetails.firstName", "userDetails.lastName")
	add("nulls", `{"orderNumber":null,"skuCode":null,"price":null,"quantity":null,"userDetails":null}`, "skuCode", "price", "quantity", "userDetails")
	add("blank texts", order(`"skuCode":" ","price":1,"quantity":1`, `"userDetails":{"userId":"","email":" ","firstName":"\t","lastName":""}`),
		"skuCode", "userDetails.userId", "userDetails.email", "userDetails.firstName", "userDetails.lastName")
	add("long ids", fmt.Sprintf(`{"orderNumber":%q,"skuCode":%q,"price":1,"quantity":1,"userDetails":{"userId":%q,"email":"a@example.com","firstName":"J","lastName":"D"}}`, long, long, long),
		"orderNumber", "skuCode", "userDetails.userId")
	add("control characters", `{"orderNumber":"a\u0000b","skuCode":"a\nb","price":1,"quantity":1,"userDetails":{"userId":"a\rb","email":"a@example.com","firstName":"J\u001b","lastName":"D\u007f"}}`,
		"orderNumber", "skuCode", "userDetails.userId", "userDetails.firstName", "userDetails.lastName")
	add("wrong types", `{"orderNumber":7,"skuCode":[],"price":"1","quantity":"1","userDetails":"u"}`, "orderNumber", "skuCode", "price", "quantity", "userDetails")
	for _, price := range []string{"-0.01", "-1", "29.999", "1e3", "true", "99999999999999999999"} {
		add("price "+price, order(`"skuCode":"S","quantity":1,"price":`+price, customer), "price")
	}
	add("items beside a line", order(line+`,"items":[{"skuCode":"S","price":1,"quantity":1}]`, customer), "skuCode", "price", "quantity")
	add("no items", order(`"items":[]`, customer), "items")
	add("items that are none", order(`"items":{}`, customer), "items")
	add("bad items", order(`"items":[{"skuCode":"","price":-1,"quantity":0},7,{"skuCode":"S","price":1,"quantity":1,"x":1}]`, customer),
		"items[0].skuCode", "items[0].price", "items[0].quantity", "items[1]", "items[2].x")
	add("too many items", order(`"items":[`+strings.TrimSuffix(strings.Repeat(`{"skuCode":"S","price":1,"quantity":1},`, 1001), ",")+`]`, customer), "items")
	add("everything at once", `{"orderNumber":"","skuCode":"","price":-1,"quantity":0,"extra":1,"userDetails":{"userId":"","email":"x","firstName":"","lastName":"","extra":1}}`,
		"orderNumber", "skuCode", "price", "quantity", "extra", "userDetails.userId", "userDetails.email", "userDetails.firstName", "userDetails.lastName", "userDetails.extra")
	checkRefused(t, w.shop, requests)
	wantProblem(t, must(t)(w.shop.Send(t.Context(), get, "/api/order/u/"+number, "")), 404, "order_not_found") // nothing was changed
	checkPromises(t, w.system(), record, 0)
}

func TestBadStockRequests(t *testing.T) {
	w := sharedWorld(t)
	record := promises.NewRecord()
	sku, other := newStock(t, w, record, 100), newID("SKU")
	long := strings.Repeat("x", 129)
	codes := func(n int) string { return "[" + strings.TrimSuffix(strings.Repeat(`"S",`, n), ",") + "]" }
	adjustments := "/api/inventory/" + sku + "/adjustments"
	checkRefused(t, w.shop, []badRequest{
		{"create: no body", post, "/api/inventory", ``, []string{""}},
		{"create: malformed", post, "/api/inventory", `{"skuCode":`, []string{""}},
		{"create: two documents", post, "/api/inventory", `{"skuCode":"` + other + `","quantity":1}{}`, []string{""}},
		{"create: nothing", post, "/api/inventory", `{}`, []string{"skuCode", "quantity"}},
		{"create: nulls", post, "/api/inventory", `{"skuCode":null,"quantity":null}`, []string{"skuCode", "quantity"}},
		{"create: unknown field", post, "/api/inventory", `{"skuCode":"` + other + `","quantity":1,"price":1}`, []string{"price"}},
		{"create: blank and text", post, "/api/inventory", `{"skuCode":" ","quantity":"7"}`, []string{"skuCode", "quantity"}},
		{"create: long", post, "/api/inventory", `{"skuCode":"` + long + `","quantity":7}`, []string{"skuCode"}},
		{"create: control character", post, "/api/inventory", `{"skuCode":"a\u0000","quantity":7}`, []string{"skuCode"}},
		{"read: nothing", get, "/api/inventory", ``, []string{""}},
		{"read: no codes", get, "/api/inventory", `[]`, []string{""}},
		{"read: an object", get, "/api/inventory", `{}`, []string{""}},
		{"read: null", get, "/api/inventory", `null`, []string{""}},
		{"read: malformed", get, "/api/inventory", `["S"`, []string{""}},
		{"read: two documents", get, "/api/inventory", `["S"]["S"]`, []string{""}},
		{"read: bad codes", get, "/api/inventory", `["S","",7,null,"a\nb","` + long + `"]`, []string{"[1]", "[2]", "[3]", "[4]", "[5]"}},
		{"read: too many codes", get, "/api/inventory", codes(1001), []string{""}},
		{"adjust: nothing", post, adjustments, `{}`, []string{"adjustmentId", "delta"}},
		{"adjust: blank and unknown", post, adjustments, `{"adjustmentId":"","delta":1,"x":1}`, []string{"adjustmentId", "x"}},
		{"adjust: long", post, adjustments, `{"adjustmentId":"` + long + `","delta":1}`, []string{"adjustmentId"}},
		{"adjust: control character", post, adjustments, `{"adjustmentId":"a\tb","delta":1}`, []string{"adjustmentId"}},
		{"adjust: long SKU", post, "/api/inventory/" + long + "/adjustments", `{"adjustmentId":"a","delta":1}`, []string{"skuCode"}},
	})
	wantJSON(t, must(t)(w.shop.SendJSON(t.Context(), get, "/api/inventory", []string{sku, other})), `[100,null]`) // nothing was changed
}

func TestBadQueries(t *testing.T) {
	w := sharedWorld(t)
	long := strings.Repeat("x", 129)
	checkRefused(t, w.shop, []badRequest{
		{"limit 0", get, "/api/order/u?limit=0", "", []string{"limit"}},
		{"limit 1001", get, "/api/order/u?limit=1001", "", []string{"limit"}},
		{"limit text", get, "/api/order/u?limit=all", "", []string{"limit"}},
		{"limit twice", get, "/api/order/u?limit=1&limit=2", "", []string{"limit"}},
		{"after an unknown order", get, "/api/order/u?after=" + newID("ORD"), "", []string{"after"}},
		{"unknown parameter", get, "/api/order/u?page=2", "", []string{"page"}},
		{"several faults", get, "/api/order/" + long + "?limit=x&after=&page=2", "", []string{"userId", "limit", "after", "page"}},
		{"control character in a user", get, "/api/order/a%00b", "", []string{"userId"}},
		{"blank user", get, "/api/order/%20", "", []string{"userId"}},
		{"long number", get, "/api/order/u/" + long, "", []string{"orderNumber"}},
		{"query of the status", get, "/api/order/u/o?x=1", "", []string{"x"}},
		{"query of the stock", get, "/api/inventory?sku=S", "", []string{"sku", ""}},
	})
}

func TestBodiesOfTheWrongSizeOrType(t *testing.T) {
	w := sharedWorld(t)
	sku := newStock(t, w, promises.NewRecord(), 10)
	const mebibyte = 1 << 20
	send := func(method, path, body string, headers ...string) shop.Answer {
		t.Helper()
		return must(t)(w.shop.Send(t.Context(), method, path, body, headers...))
	}
	codes := `["` + sku + `"]`
	for _, path := range []string{"/api/order", "/api/inventory", "/api/inventory/" + sku + "/adjustments"} {
		wantProblem(t, send(post, path, strings.Repeat(" ", mebibyte+1)), 413, "body_too_large")
		wantProblem(t, send(post, path, `{}`, "Content-Type", "text/plain"), 415, "unsupported_media_type")
		wantProblem(t, send(post, path, `a=b`, "Content-Type", "application/x-www-form-urlencoded"), 415, "unsupported_media_type")
	}
	wantProblem(t, send(get, "/api/inventory", codes+strings.Repeat(" ", mebibyte)), 413, "body_too_large")
	wantProblem(t, send(get, "/api/inventory", codes, "Content-Type", "text/xml"), 415, "unsupported_media_type")
	wantJSON(t, send(get, "/api/inventory", codes+strings.Repeat(" ", mebibyte-len(codes))), `[10]`) // a body of just that size
	wantJSON(t, send(get, "/api/inventory", codes, "Content-Type", "application/json; charset=utf-8"), `[10]`)
}

func TestUnknownPathsAndMethods(t *testing.T) {
	w := sharedWorld(t)
	for _, path := range []string{"/", "/api", "/api/orders", "/api/inventories/x", "/metrics"} {
		wantProblem(t, must(t)(w.shop.Send(t.Context(), get, path, "")), 404, "not_found")
	}
	for _, request := range []struct{ method, path string }{
		{http.MethodDelete, "/api/order"}, {http.MethodPut, "/api/inventory"}, {post, "/api/order/u"}, {http.MethodDelete, "/api/order/u/o"}, {get, "/api/inventory/S/adjustments"},
	} {
		answer := must(t)(w.shop.Send(t.Context(), request.method, request.path, ""))
		wantProblem(t, answer, 405, "method_not_allowed")
		if answer.Header.Get("Allow") == "" {
			t.Errorf("%s %s: no Allow header", request.method, request.path)
		}
	}
}
