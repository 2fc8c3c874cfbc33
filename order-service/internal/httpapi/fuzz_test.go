package httpapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/steadfast-shop/steadfast/shared-kit/httpserver"
	"github.com/steadfast-shop/steadfast/shared-kit/problem"

	"github.com/steadfast-shop/steadfast/order-service/internal/httpapi"
	"github.com/steadfast-shop/steadfast/order-service/internal/order"
)

// FuzzPlaceOrder sends any body. An order that reaches the rules obeys all of them and is the one that was sent; a body that is refused is told why, and changes nothing.
func FuzzPlaceOrder(f *testing.F) {
	for _, body := range []string{
		valid, ``, `{}`, `[]`, `{"items":null,` + oneLine + `,` + customer + `}`, `{` + oneLine + `,` + customer + `}`, valid + valid,
		`{"orderNumber":"A","items":[{"skuCode":"A","price":0,"quantity":1},{"skuCode":"B","price":0.10,"quantity":1000000000}],` + customer + `}`,
		`{"orderNumber":"A\u0000","skuCode":" ","price":-0.001,"quantity":0,"userDetails":{"userId":"","email":"@","firstName":null}}`,
		`{"orderNumber":"A","skuCode":"A","price":1e2,"quantity":1.0,` + customer + `,"items":[]}`,
		`{"orderNumber":"\ud83d\ude00","skuCode":"ü","price":9999999999.99,"quantity":1,` + strings.ReplaceAll(customer, "user@example.com", "a+b@x-1.example") + `}`,
	} {
		f.Add(body, "")
		f.Add(body, `"key"`)
	}
	f.Add(`{`+oneLine+`,`+customer+`}`, "a\x80b")
	orders := &fakeOrders{status: order.Placed}
	engine := newEngine(time.Minute, orders)
	f.Fuzz(func(t *testing.T, body, key string) {
		orders.placed = nil
		w := httptest.NewRecorder()
		engine.ServeHTTP(w, post(body, "Idempotency-Key", key))
		if w.Code != http.StatusCreated {
			checkRefusal(t, w)
			if len(orders.placed) != 0 {
				t.Errorf("%q was answered %d, and placed", body, w.Code)
			}
			return
		}
		if len(orders.placed) != 1 {
			t.Fatalf("%q was answered 201 and placed %d times", body, len(orders.placed))
		}
		o := orders.placed[0]
		checkRules(t, o)
		checkSent(t, body, o)
		checkFingerprint(t, o)
		if number := w.Header().Get("Order-Number"); number != o.Number {
			t.Errorf("Order-Number %q; want %q", number, o.Number)
		}
		if want := "/api/order/" + url.PathEscape(o.Customer.UserID) + "/" + url.PathEscape(o.Number); w.Header().Get("Location") != want {
			t.Errorf("Location %q; want %q", w.Header().Get("Location"), want)
		}
	})
}

// checkRefusal fails the test unless the answer is a problem that names at least one fault, or says that the path or the body as such cannot be taken.
func checkRefusal(t *testing.T, w *httptest.ResponseRecorder) {
	t.Helper()
	var told problem.Problem
	if err := json.Unmarshal(w.Body.Bytes(), &told); err != nil || w.Header().Get("Content-Type") != "application/problem+json" || told.Status != w.Code {
		t.Fatalf("got %d %s %q, %v", w.Code, w.Header().Get("Content-Type"), w.Body, err)
	}
	switch w.Code {
	case http.StatusNotFound, http.StatusRequestEntityTooLarge:
	case http.StatusBadRequest:
		if len(told.Faults) == 0 {
			t.Errorf("400 without a fault: %q", w.Body)
		}
	default:
		t.Errorf("got %d %q; no input may lead to that", w.Code, w.Body)
	}
	for _, fault := range told.Faults {
		if fault.Message == "" {
			t.Errorf("a fault of %q says nothing: %q", fault.Field, w.Body)
		}
	}
}

// checkRules holds an order to what the README promises of each.
func checkRules(t *testing.T, o order.Order) {
	t.Helper()
	for name, text := range map[string]string{
		"number": o.Number, "user id": o.Customer.UserID, "first name": o.Customer.FirstName, "last name": o.Customer.LastName,
	} {
		checkText(t, name, text, 128)
	}
	checkText(t, "e-mail", o.Customer.Email, 254)
	if strings.Count(o.Customer.Email, "@") != 1 {
		t.Errorf("the e-mail address is %q", o.Customer.Email)
	}
	if len(o.Lines) < 1 || len(o.Lines) > 1000 {
		t.Errorf("there are %d lines", len(o.Lines))
	}
	for _, line := range o.Lines {
		checkText(t, "SKU", line.SKU, 128)
		if line.Quantity < 1 || line.Quantity > 1_000_000_000 {
			t.Errorf("the quantity is %d", line.Quantity)
		}
		if line.Price.Minor() < 0 || line.Price.Minor() > 999_999_999_999 {
			t.Errorf("the price is %s", line.Price)
		}
	}
}

func checkText(t *testing.T, name, text string, most int) {
	t.Helper()
	if n := utf8.RuneCountInString(text); n > most || strings.TrimSpace(text) == "" || !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
		t.Errorf("the %s %q was taken", name, text)
	}
}

// checkSent reads the body in another way and compares. Prices must come back to the letter.
func checkSent(t *testing.T, body string, o order.Order) {
	t.Helper()
	type line struct {
		SKUCode  string
		Price    json.RawMessage
		Quantity int64
	}
	var sent struct {
		OrderNumber string
		line
		Items       []line
		UserDetails order.Customer
	}
	if err := json.Unmarshal([]byte(body), &sent); err != nil {
		t.Fatalf("%q was taken; encoding/json says %v", body, err)
	}
	if sent.Items == nil {
		sent.Items = []line{sent.line}
	}
	if sent.UserDetails != o.Customer || sent.OrderNumber != "" && sent.OrderNumber != o.Number || len(sent.Items) != len(o.Lines) {
		t.Fatalf("%q was taken as %+v", body, o)
	}
	for i, want := range sent.Items {
		price, err := json.Marshal(o.Lines[i].Price)
		if err != nil || string(price) != string(want.Price) || o.Lines[i].SKU != want.SKUCode || o.Lines[i].Quantity != want.Quantity {
			t.Errorf("line %d of %q was taken as %+v, its price as %s, %v", i, body, o.Lines[i], price, err)
		}
	}
}

// checkFingerprint changes one thing after the other: each must show. The number and the notation of a price must not.
func checkFingerprint(t *testing.T, o order.Order) {
	t.Helper()
	fingerprint := o.Fingerprint()
	same := o
	same.Number = "other"
	same.Lines = []order.Line(nil)
	for _, line := range o.Lines {
		price, err := order.NewPrice(line.Price.Minor(), 2)
		if err != nil {
			t.Fatal(err)
		}
		same.Lines = append(same.Lines, order.Line{SKU: line.SKU, Quantity: line.Quantity, Price: price})
	}
	if same.Fingerprint() != fingerprint || o.Fingerprint() != fingerprint {
		t.Errorf("%+v has another fingerprint under another number, or with its prices in another notation", o)
	}
	for what, change := range map[string]func(*order.Order){
		"user":   func(o *order.Order) { o.Customer.UserID += "x" },
		"e-mail": func(o *order.Order) { o.Customer.Email += "x" },
		"names": func(o *order.Order) {
			o.Customer.FirstName, o.Customer.LastName = o.Customer.FirstName+"x", o.Customer.LastName+"y"
		},
		"SKU":        func(o *order.Order) { o.Lines[0].SKU += "x" },
		"quantity":   func(o *order.Order) { o.Lines[0].Quantity++ },
		"a line":     func(o *order.Order) { o.Lines = append(o.Lines, o.Lines[0]) },
		"first line": func(o *order.Order) { o.Lines = o.Lines[1:] },
	} {
		other := same
		other.Lines = append([]order.Line(nil), same.Lines...)
		change(&other)
		if other.Fingerprint() == fingerprint {
			t.Errorf("%+v has the same fingerprint with another %s", o, what)
		}
	}
}

// bounded notes the deadline of the call beside what fakeOrders notes.
type bounded struct {
	*fakeOrders
	user, number, after string
	limit               int
	deadline            time.Time
}

func (b *bounded) Fate(ctx context.Context, userID, number string) (order.Decision, error) {
	b.user, b.number = userID, number
	b.deadline, _ = ctx.Deadline()
	return b.fakeOrders.Fate(ctx, userID, number)
}

func (b *bounded) Placed(ctx context.Context, userID, after string, limit int) ([]order.Decision, bool, error) {
	b.user, b.after, b.limit = userID, after, limit
	b.deadline, _ = ctx.Deadline()
	return b.fakeOrders.Placed(ctx, userID, after, limit)
}

// FuzzLookUp asks for any ids, with any query and any Request-Timeout. What reaches the rules are the ids that the path holds, a page within its limits, and a deadline that is
// ahead and no later than both the caller and the service allow.
func FuzzLookUp(f *testing.F) {
	const most = time.Minute
	for _, c := range [][4]string{
		{"user123", "ORD-1", "", ""},
		{"user/1 ?#%2F", "a+b", "", "250"},
		{"a+b/c", "", "limit=10&after=a+b%2Bc", "0"},
		{"ü", "", "limit=0", "-5"},
		{"u", "", "limit=1000&limit=1&x", "9223372036854775807"},
		{"u", "", "after=%00&limit=+1", "9223372036855"},
		{"u", "", "after=%zz;", "1e3"},
		{"..", ".", "", " 7"},
		{"\x00", "\xff", "", ""},
	} {
		f.Add(c[0], c[1], c[2], c[3])
	}
	orders := &bounded{fakeOrders: &fakeOrders{}}
	engine := newEngine(most, orders)
	f.Fuzz(func(t *testing.T, user, number, query, timeout string) {
		path := "/api/order/" + url.PathEscape(user)
		if number != "" {
			path += "/" + url.PathEscape(number)
		}
		parsed, err := url.ParseRequestURI(path)
		if err != nil {
			t.Fatal(err)
		}
		parsed.RawQuery = query
		r := get("/")
		r.URL = parsed
		r.Header.Set("Request-Timeout", timeout)
		*orders = bounded{fakeOrders: &fakeOrders{}}
		w, start := httptest.NewRecorder(), time.Now()
		engine.ServeHTTP(w, r)
		end := time.Now()
		if w.Code != http.StatusOK {
			checkRefusal(t, w)
			if !orders.deadline.IsZero() {
				t.Errorf("%s?%s was answered %d, and looked up", path, query, w.Code)
			}
			return
		}
		checkText(t, "user id", orders.user, 128)
		if orders.user != user || orders.number != number {
			t.Errorf("%s was taken as %q and %q", path, orders.user, orders.number)
		}
		if number == "" {
			checkPage(t, query, orders.after, orders.limit)
		} else if query != "" && len(query) > 0 && strings.Trim(query, "&") != "" {
			t.Errorf("the query %q was taken", query)
		}
		within := most
		if milliseconds, err := strconv.ParseInt(timeout, 10, 64); err == nil && milliseconds > 0 && milliseconds < most.Milliseconds() {
			within = time.Duration(milliseconds) * time.Millisecond
		}
		if orders.deadline.Before(start.Add(within)) || orders.deadline.After(end.Add(within)) {
			t.Errorf("Request-Timeout %q gave %v; want %v", timeout, orders.deadline.Sub(start), within)
		}
	})
}

func checkPage(t *testing.T, query, after string, limit int) {
	t.Helper()
	values, err := url.ParseQuery(query)
	if err != nil {
		t.Errorf("the query %q was taken: %v", query, err)
	}
	want := 1000
	if values.Has("limit") {
		if want, err = strconv.Atoi(values.Get("limit")); err != nil {
			t.Errorf("the query %q was taken: %v", query, err)
		}
	}
	if limit != want || limit < 1 || limit > 1000 || after != values.Get("after") {
		t.Errorf("the query %q was taken as limit %d after %q", query, limit, after)
	}
	if values.Has("after") {
		checkText(t, "after", after, 128)
	}
	for name := range values {
		if name != "limit" && name != "after" || len(values[name]) != 1 {
			t.Errorf("the query %q was taken with %s", query, fmt.Sprint(values))
		}
	}
}

// service is what httpapi.Register takes.
type service interface {
	Place(ctx context.Context, o order.Order, traceParent string) (order.Status, error)
	Fate(ctx context.Context, userID, number string) (order.Decision, error)
	Placed(ctx context.Context, userID, after string, limit int) (orders []order.Decision, more bool, err error)
}

func newEngine(limit time.Duration, orders service) *gin.Engine {
	engine := httpserver.NewEngine("test", limit, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	httpapi.Register(engine, orders)
	return engine
}
