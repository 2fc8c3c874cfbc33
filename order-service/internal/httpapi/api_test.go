package httpapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/steadfast-shop/steadfast/shared-kit/httpserver"
	"github.com/steadfast-shop/steadfast/shared-kit/problem"

	"github.com/steadfast-shop/steadfast/order-service/internal/httpapi"
	"github.com/steadfast-shop/steadfast/order-service/internal/order"
	"github.com/steadfast-shop/steadfast/order-service/internal/ordertest"
)

// fakeOrders answers as it is told and remembers what it was asked.
type fakeOrders struct {
	placed    []order.Order
	status    order.Status
	err       error
	decision  order.Decision
	decisions []order.Decision
	more      bool
	asked     string
}

func (f *fakeOrders) Place(_ context.Context, o order.Order, _ string) (order.Status, error) {
	f.placed = append(f.placed, o)
	return f.status, f.err
}

func (f *fakeOrders) Fate(_ context.Context, userID, number string) (order.Decision, error) {
	f.asked = userID + " " + number
	return f.decision, f.err
}

func (f *fakeOrders) Placed(_ context.Context, userID, after string, limit int) ([]order.Decision, bool, error) {
	f.asked = fmt.Sprintf("%s %s %d", userID, after, limit)
	return f.decisions, f.more, f.err
}

func serve(orders *fakeOrders, r *http.Request) *httptest.ResponseRecorder {
	engine := httpserver.NewEngine("test", time.Second, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	httpapi.Register(engine, orders)
	w := httptest.NewRecorder()
	engine.ServeHTTP(w, r)
	return w
}

func post(body string, headers ...string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/api/order", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return r
}

func get(path string) *http.Request { return httptest.NewRequest(http.MethodGet, path, nil) }

const (
	customer = `"userDetails":{"userId":"user123","email":"user@example.com","firstName":"John","lastName":"Doe"}`
	oneLine  = `"skuCode":"SKU001","price":29.99,"quantity":2`
	valid    = `{"orderNumber":"ORD-001",` + oneLine + `,` + customer + `}`
)

func TestPlaceOrderAnswers(t *testing.T) {
	const unavailable = "Service Unavailable, please try again later"
	for _, c := range []struct {
		name   string
		status order.Status
		err    error
		code   int
		body   string
	}{
		{"placed", order.Placed, nil, 201, "Order placement completed successfully"},
		{"rejected", order.Rejected, nil, 409, "Order placement failed"},
		{"cancelled", order.Cancelled, nil, 409, "Order placement failed"},
		{"taken", "", fmt.Errorf("wrapped: %w", order.ErrTaken), 409, "Order placement failed"},
		{"unavailable", "", fmt.Errorf("reserve: %w", order.ErrUnavailable), 503, unavailable},
	} {
		w := serve(&fakeOrders{status: c.status, err: c.err}, post(valid))
		if w.Code != c.code || w.Body.String() != c.body || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") {
			t.Errorf("%s: %d %q (%s); want %d %q", c.name, w.Code, w.Body, w.Header().Get("Content-Type"), c.code, c.body)
		}
		if got := w.Header().Get("Order-Number"); got != "ORD-001" {
			t.Errorf("%s: Order-Number %q", c.name, got)
		}
		wantLocation := ""
		if c.code == 201 {
			wantLocation = "/api/order/user123/ORD-001"
		}
		if got := w.Header().Get("Location"); got != wantLocation {
			t.Errorf("%s: Location %q; want %q", c.name, got, wantLocation)
		}
		if retry := w.Header().Get("Retry-After"); (retry != "") != (c.code == 503) {
			t.Errorf("%s: Retry-After %q", c.name, retry)
		}
	}
	if w := serve(&fakeOrders{err: errors.New("secret cause")}, post(valid)); w.Code != 500 || strings.Contains(w.Body.String(), "secret") {
		t.Errorf("an unknown error is answered with %d %s", w.Code, w.Body)
	}
}

func TestPlaceOrderReadsTheOrder(t *testing.T) {
	line := func(sku, price string, quantity int64) order.Line {
		return order.Line{SKU: sku, Price: ordertest.Price(price), Quantity: quantity}
	}
	for _, c := range []struct {
		name    string
		request *http.Request
		number  string // "" where one is made
		lines   []order.Line
	}{
		{"one line", post(valid), "ORD-001", []order.Line{line("SKU001", "29.99", 2)}},
		{"items", post(`{"orderNumber":"ORD 2","items":[{"skuCode":"A","price":1,"quantity":1},{"skuCode":"B","price":0.50,"quantity":1000000000}],` + customer + `}`),
			"ORD 2", []order.Line{line("A", "1", 1), line("B", "0.50", 1000000000)}},
		{"body before header", post(valid, "Idempotency-Key", "key"), "ORD-001", []order.Line{line("SKU001", "29.99", 2)}},
		{"number of the header", post(`{`+oneLine+`,`+customer+`}`, "Idempotency-Key", "key"), "key", []order.Line{line("SKU001", "29.99", 2)}},
		{"quoted header", post(`{`+oneLine+`,`+customer+`}`, "Idempotency-Key", `"key"`), "key", []order.Line{line("SKU001", "29.99", 2)}},
		{"number null", post(`{"orderNumber":null,` + oneLine + `,` + customer + `}`), "", []order.Line{line("SKU001", "29.99", 2)}},
		{"no number", post(`{` + oneLine + `,` + customer + `}`), "", []order.Line{line("SKU001", "29.99", 2)}},
		{"another JSON type", post(valid, "Content-Type", "application/vnd.shop+json; charset=utf-8"), "ORD-001", []order.Line{line("SKU001", "29.99", 2)}},
	} {
		orders := &fakeOrders{status: order.Placed}
		w := serve(orders, c.request)
		if w.Code != 201 || len(orders.placed) != 1 {
			t.Errorf("%s: %d %s, %d placed", c.name, w.Code, w.Body, len(orders.placed))
			continue
		}
		got := orders.placed[0]
		want := order.Customer{UserID: "user123", Email: "user@example.com", FirstName: "John", LastName: "Doe"}
		if got.Customer != want || !slices.Equal(got.Lines, c.lines) || c.number != "" && got.Number != c.number || len(got.Number) == 0 {
			t.Errorf("%s: read as %+v", c.name, got)
		}
		if c.number == "" && (len(got.Number) != 36 || got.Number[14] != '7') {
			t.Errorf("%s: made the number %q; want a UUIDv7", c.name, got.Number)
		}
	}
}

func TestPlaceOrderRefusesBadInput(t *testing.T) {
	long := strings.Repeat("x", 129)
	for _, c := range []struct {
		name   string
		body   string
		code   int
		fields []string // of all faults, in any order
	}{
		{"nothing", ``, 400, []string{""}},
		{"malformed", `{"orderNumber":`, 400, []string{""}},
		{"two documents", valid + valid, 400, []string{""}},
		{"trailing text", valid + `x`, 400, []string{""}},
		{"an array", `[` + valid + `]`, 400, []string{""}},
		{"not UTF-8", strings.Replace(valid, "John", "\xff", 1), 400, []string{""}},
		{"empty object", `{}`, 400, []string{"skuCode", "price", "quantity", "userDetails"}},
		{"all null", `{"skuCode":null,"price":null,"quantity":null,"userDetails":null}`, 400, []string{"skuCode", "price", "quantity", "userDetails"}},
		{"all blank", `{"orderNumber":" ","skuCode":"","price":1,"quantity":1,"userDetails":{"userId":"\t","email":"","firstName":" ","lastName":""}}`, 400,
			[]string{"orderNumber", "skuCode", "userDetails.userId", "userDetails.email", "userDetails.firstName", "userDetails.lastName"}},
		{"wrong types", `{"orderNumber":1,"skuCode":[],"price":"1","quantity":"1","userDetails":[]}`, 400, []string{"orderNumber", "skuCode", "price", "quantity", "userDetails"}},
		{"quantity 0", strings.Replace(valid, `"quantity":2`, `"quantity":0`, 1), 400, []string{"quantity"}},
		{"quantity with a fraction", strings.Replace(valid, `"quantity":2`, `"quantity":2.0`, 1), 400, []string{"quantity"}},
		{"quantity too large", strings.Replace(valid, `"quantity":2`, `"quantity":9223372036854775808`, 1), 400, []string{"quantity"}},
		{"negative price", strings.Replace(valid, `29.99`, `-0.01`, 1), 400, []string{"price"}},
		{"three decimals", strings.Replace(valid, `29.99`, `29.999`, 1), 400, []string{"price"}},
		{"no address", strings.Replace(valid, `user@example.com`, `user`, 1), 400, []string{"userDetails.email"}},
		{"control characters", strings.NewReplacer("ORD-001", `ORD\u0000`, "John", `Jo\nhn`).Replace(valid), 400, []string{"orderNumber", "userDetails.firstName"}},
		{"long ids", strings.NewReplacer("ORD-001", long, "SKU001", long, "user123", long).Replace(valid), 400, []string{"orderNumber", "skuCode", "userDetails.userId"}},
		{"unknown fields", strings.NewReplacer(`{"orderNumber"`, `{"Price":1,"orderNumber"`, `"userId"`, `"id":1,"userId"`).Replace(valid), 400, []string{"Price", "userDetails.id"}},
		{"a field twice", strings.Replace(valid, `"quantity":2`, `"quantity":2,"quantity":3`, 1), 400, []string{"quantity"}},
		{"items and a line", strings.Replace(valid, `"skuCode"`, `"items":[{"skuCode":"A","price":1,"quantity":1}],"skuCode"`, 1), 400, []string{"skuCode", "price", "quantity"}},
		{"no items", `{"items":[],` + customer + `}`, 400, []string{"items"}},
		{"items that are none", `{"items":{},` + customer + `}`, 400, []string{"items"}},
		{"faulty items", `{"items":[{"skuCode":"A","price":1,"quantity":0},7,{"skuCode":"B","price":-1,"quantity":1,"colour":"red"}],` + customer + `}`, 400,
			[]string{"items[0].quantity", "items[1]", "items[2].price", "items[2].colour"}},
		{"1,001 items", `{"items":[` + strings.TrimSuffix(strings.Repeat(`{"skuCode":"A","price":1,"quantity":1},`, 1001), ",") + `],` + customer + `}`, 400, []string{"items"}},
		{"half a surrogate", strings.Replace(valid, "John", `\ud800`, 1), 400, []string{"userDetails.firstName"}},
		{"over 1 MiB", `{"orderNumber":"` + strings.Repeat("x", 1<<20) + `"}`, 413, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			orders := &fakeOrders{status: order.Placed}
			w := serve(orders, post(c.body))
			wantProblem(t, w, c.code, c.fields)
			if len(orders.placed) != 0 {
				t.Errorf("placed %v all the same", orders.placed)
			}
		})
	}
	wantProblem(t, serve(&fakeOrders{}, post(valid, "Content-Type", "text/plain")), 415, nil)
	wantProblem(t, serve(&fakeOrders{}, post(`{`+oneLine+`,`+customer+`}`, "Idempotency-Key", long)), 400, []string{"Idempotency-Key"})
	wantProblem(t, serve(&fakeOrders{}, httptest.NewRequest(http.MethodPut, "/api/order", nil)), 405, nil)
	wantProblem(t, serve(&fakeOrders{}, get("/api/nothing")), 404, nil)
}

func wantProblem(t *testing.T, w *httptest.ResponseRecorder, code int, fields []string) {
	t.Helper()
	var got problem.Problem
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != code || got.Status != code || got.Code == "" || w.Header().Get("Content-Type") != "application/problem+json" {
		t.Errorf("answer %d %s %s; want problem %d", w.Code, w.Header().Get("Content-Type"), w.Body, code)
	}
	var faulty []string
	for _, fault := range got.Faults {
		faulty = append(faulty, fault.Field)
		if fault.Message == "" {
			t.Errorf("fault of %q says nothing", fault.Field)
		}
	}
	slices.Sort(faulty)
	slices.Sort(fields)
	if !slices.Equal(faulty, fields) {
		t.Errorf("faults of %q; want %q", faulty, fields)
	}
}

func TestListOrders(t *testing.T) {
	one := ordertest.DecisionOf(ordertest.Buy("ORD-001", "user123", order.Line{SKU: "SKU001", Quantity: 2, Price: ordertest.Price("29.99")}), order.Placed, 1)
	two := ordertest.DecisionOf(ordertest.Buy("ORD/2 ü", "user123", ordertest.Units("A", 1), ordertest.Units("B", 2)), order.Placed, 2)
	for _, c := range []struct {
		name, path string
		orders     fakeOrders
		asked      string
		body, link string
	}{
		{"one line", "/api/order/user123", fakeOrders{decisions: []order.Decision{one}}, "user123  1000",
			`[{"orderNumber":"ORD-001","skuCode":"SKU001","quantity":2,"userId":"user123","price":29.99}]`, ""},
		{"several lines", "/api/order/user123?limit=7&after=ORD-001", fakeOrders{decisions: []order.Decision{two}, more: true}, "user123 ORD-001 7",
			`[{"orderNumber":"ORD/2 ü","userId":"user123","items":[{"skuCode":"A","price":29.90,"quantity":1},{"skuCode":"B","price":29.90,"quantity":2}]}]`,
			`</api/order/user123?after=ORD%2F2+%C3%BC&limit=7>; rel="next"`},
		{"unknown user", "/api/order/a%2Fb%20c", fakeOrders{}, "a/b c  1000", `[]`, ""},
	} {
		w := serve(&c.orders, get(c.path))
		if w.Code != 200 || w.Body.String() != c.body || w.Header().Get("Link") != c.link || c.orders.asked != c.asked {
			t.Errorf("%s: %d %s, Link %q, asked %q; want %s, Link %q, asked %q", c.name, w.Code, w.Body, w.Header().Get("Link"), c.orders.asked, c.body, c.link, c.asked)
		}
	}
	for path, fields := range map[string][]string{
		"/api/order/user?limit=0":                {"limit"},
		"/api/order/user?limit=1001":             {"limit"},
		"/api/order/user?limit=x&after=":         {"limit", "after"},
		"/api/order/user?limit=1&limit=2&x=1":    {"limit", "x"},
		"/api/order/user?limit=%zz":              {""},
		"/api/order/%00?after=%07":               {"userId", "after"},
		"/api/order/" + strings.Repeat("x", 129): {"userId"},
	} {
		t.Run(path, func(t *testing.T) { wantProblem(t, serve(&fakeOrders{}, get(path)), 400, fields) })
	}
	wantProblem(t, serve(&fakeOrders{err: order.ErrNotFound}, get("/api/order/user?after=unknown")), 400, []string{"after"})
	if w := serve(&fakeOrders{err: order.ErrUnavailable}, get("/api/order/user")); w.Code != 503 {
		t.Errorf("list while the database is away: %d", w.Code)
	}
}

func TestShowOrder(t *testing.T) {
	o := ordertest.Buy("ORD-001", "user123", ordertest.Units("A", 1))
	decided := ordertest.DecisionOf(o, order.Cancelled, 1)
	w := serve(&fakeOrders{decision: decided}, get("/api/order/user123/ORD-001"))
	const want = `{"orderNumber":"ORD-001","userId":"user123","status":"CANCELLED","items":[{"skuCode":"A","price":29.90,"quantity":1}],` +
		`"receivedAt":"2026-05-01T12:00:00.123Z","decidedAt":"2026-05-01T12:00:01.123Z"}`
	if w.Code != 200 || w.Body.String() != want {
		t.Errorf("%d %s; want %s", w.Code, w.Body, want)
	}
	pending := ordertest.DecisionOf(o, order.Pending, 1)
	pending.DecidedAt = time.Time{}
	if w := serve(&fakeOrders{decision: pending}, get("/api/order/user123/ORD-001")); !strings.Contains(w.Body.String(), "PENDING") || strings.Contains(w.Body.String(), "decidedAt") {
		t.Errorf("pending: %s", w.Body)
	}
	wantProblem(t, serve(&fakeOrders{err: order.ErrNotFound}, get("/api/order/user123/unknown")), 404, nil)
	wantProblem(t, serve(&fakeOrders{}, get("/api/order/user123/x?y=1")), 400, []string{"y"})
}
