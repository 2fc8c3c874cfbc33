package description_test

import (
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/steadfast-shop/steadfast/e2e/internal/description"
)

const (
	text    = "text/plain; charset=utf-8"
	list    = "application/json; charset=utf-8"
	problem = "application/problem+json"

	order    = `{"orderNumber":"ORD-001","skuCode":"SKU001","price":29.99,"quantity":2,"userDetails":{"userId":"user123","email":"user@example.com","firstName":"John","lastName":"Doe"}}`
	listed   = `{"orderNumber":"ORD-001","skuCode":"SKU001","quantity":2,"userId":"user123","price":29.99}`
	notFound = `{"title":"Not Found","status":404,"code":"not_found","detail":"There is nothing at this path."}`
	placed   = "Order placement completed successfully"
)

// The check finds each difference from the description, and none where there is none.
func TestCheck(t *testing.T) {
	data, err := os.ReadFile("../../../gateway/internal/openapi/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	d, err := description.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	ofOrder := []string{"Order-Number", "ORD-001", "Location", "/api/order/user123/ORD-001"}
	for _, tt := range []struct {
		name, method, path, body string
		status                   int
		contentType, answer      string
		headers                  []string
		want                     string // what the error holds; "" for none
	}{
		{"an order", "POST", "/api/order", order, 201, text, placed, ofOrder, ""},
		{"another text", "POST", "/api/order", order, 201, text, placed + "!", ofOrder, "value must be"},
		{"another media type", "POST", "/api/order", order, 201, list, placed, ofOrder, "content type"},
		{"another status", "POST", "/api/order", order, 202, text, placed, ofOrder, "'202'"},
		{"a header too few", "POST", "/api/order", order, 201, text, placed, ofOrder[:2], "Location"},
		{"a header too many", "POST", "/api/order", order, 201, text, placed, append([]string{"Server", "x"}, ofOrder...), "Server"},
		{"a header that is wrong", "POST", "/api/order", order, 201, text, placed, []string{"Order-Number", "ORD-001", "Location", "/"}, "pattern"},
		{"a request that is wrong", "POST", "/api/order", strings.Replace(order, "29.99", `"29.99"`, 1), 201, text, placed, ofOrder, "price"},
		{"the same, refused", "POST", "/api/order", "{", 400, problem,
			`{"title":"Bad Request","status":400,"code":"invalid_request","faults":[{"field":"","message":"no"}]}`, nil, ""},
		{"a problem without faults", "POST", "/api/order", "{", 400, problem, `{"title":"Bad Request","status":400,"code":"invalid_request"}`, nil, "faults"},
		{"a code that is unknown", "GET", "/api/order/u/o", "", 404, problem, `{"title":"Not Found","status":404,"code":"gone"}`, nil, "value must be one of"},
		{"a list", "GET", "/api/order/a%2Fb%20c", "", 200, list, "[" + listed + "]", nil, ""},
		{"a field too many", "GET", "/api/order/u", "", 200, list, strings.Replace("["+listed+"]", "{", `{"more":1,`, 1), nil, "more"},
		{"a parameter too many", "GET", "/api/order/u?page=1", "", 200, list, "[]", nil, "page"},
		{"a body too many", "GET", "/api/order/u", "{}", 200, list, "[]", nil, "body"},
		{"no such path", "GET", "/api/orders", "", 404, problem, notFound, nil, ""},
		{"no such path, and yet an answer", "GET", "/api/orders", "", 200, list, "[]", nil, "'200'"},
		{"no such method", "PUT", "/api/order", "", 404, problem, notFound, nil, "'404'"},
		{"a pending order that is decided", "GET", "/api/order/u/o", "", 200, list,
			`{"orderNumber":"o","userId":"u","status":"PENDING","items":[{"skuCode":"s","price":1,"quantity":1}],"receivedAt":"2026-11-24T09:30:00Z","decidedAt":"2026-11-24T09:30:00Z"}`,
			nil, "decidedAt"},
	} {
		request, err := http.NewRequestWithContext(t.Context(), tt.method, "http://gateway"+tt.path, strings.NewReader(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		if tt.body != "" {
			request.Header.Set("Content-Type", "application/json")
		}
		response := &http.Response{StatusCode: tt.status, Body: io.NopCloser(strings.NewReader(tt.answer)),
			Header: http.Header{"Content-Type": {tt.contentType}, "X-Request-Id": {"r"}, "Gateway-Attempts": {"1"}}}
		for i := 0; i < len(tt.headers); i += 2 {
			response.Header.Set(tt.headers[i], tt.headers[i+1])
		}
		err = d.Check(request, response)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: got %v; want an error with %q", tt.name, err, tt.want)
		}
	}
}
