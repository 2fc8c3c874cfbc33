package httpapi_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/steadfast-shop/steadfast/inventory-service/internal/httpapi"
	"github.com/steadfast-shop/steadfast/inventory-service/internal/stock"
	"github.com/steadfast-shop/steadfast/shared-kit/httpserver"
	"github.com/steadfast-shop/steadfast/shared-kit/problem"
)

// asked notes what reaches the rules.
type asked struct {
	item       *stock.Item
	skuCodes   []string
	adjustment *stock.Adjustment
}

func (a *asked) CreateItem(_ context.Context, item stock.Item) error {
	a.item = &item
	return nil
}

func (a *asked) Quantities(_ context.Context, skuCodes []string) ([]*int64, error) {
	a.skuCodes = skuCodes
	return make([]*int64, len(skuCodes)), nil
}

func (a *asked) Adjust(_ context.Context, adjustment stock.Adjustment) (int64, error) {
	a.adjustment = &adjustment
	return 0, nil
}

// FuzzRequests sends any body and query to each route. What reaches the rules obeys all of them and is what was sent; what is refused is told why.
func FuzzRequests(f *testing.F) {
	for _, body := range []string{
		``, `{"skuCode":"SKU001","quantity":100}`, `{"skuCode":"A","quantity":-1}`, `{"skuCode":"A","quantity":1000000001}`, `{"adjustmentId":"A-1","delta":-3}`, `{"adjustmentId":"A-1","delta":0}`,
		`{"adjustmentId":"A-1","delta":-9223372036854775808}`, `{"adjustmentId":"\n","delta":1.0}`, `["SKU001","SKU002","SKU001"]`, `["a",1,null]`, `[]`, `{"skuCode":"A","skuCode":"B","quantity":1}`,
	} {
		f.Add(body, "", "SKU001")
	}
	f.Add(``, "skuCode=SKU001&skuCode=a+b%2Fc", "a/b+c")
	f.Add(`["A"]`, "skuCode=A", "\x00")
	f.Add(``, "skuCode=&skuCode=%zz;&other", "..")
	rules := &asked{}
	engine := httpserver.NewEngine("test", time.Minute, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	httpapi.Register(engine, rules)
	f.Fuzz(func(t *testing.T, body, query, skuCode string) {
		for method, path := range map[string]string{
			http.MethodPut:  "/api/inventory/" + url.PathEscape(skuCode) + "/adjustments", // sent as POST
			http.MethodPost: "/api/inventory",
			http.MethodGet:  "/api/inventory",
		} {
			r := httptest.NewRequest(strings.Replace(method, http.MethodPut, http.MethodPost, 1), path, strings.NewReader(body))
			r.URL.RawQuery = query
			*rules = asked{}
			w := httptest.NewRecorder()
			engine.ServeHTTP(w, r)
			if w.Code >= 300 {
				checkRefusal(t, w)
				if rules.item != nil || rules.skuCodes != nil || rules.adjustment != nil {
					t.Errorf("%s %s with %q was answered %d, and done", r.Method, path, body, w.Code)
				}
				continue
			}
			checkAsked(t, rules, body, query, skuCode)
		}
	})
}

func checkAsked(t *testing.T, got *asked, body, query, skuCode string) {
	t.Helper()
	var want struct {
		SKUCode      string
		Quantity     int64
		AdjustmentID string
		Delta        int64
	}
	if got.skuCodes == nil {
		if err := json.Unmarshal([]byte(body), &want); err != nil {
			t.Fatalf("%q was taken; encoding/json says %v", body, err)
		}
	}
	switch {
	case got.item != nil:
		if *got.item != (stock.Item{SKUCode: want.SKUCode, Quantity: want.Quantity}) || want.Quantity < 1 || want.Quantity > stock.MaxUnits {
			t.Errorf("%q was taken as %+v", body, *got.item)
		}
		checkID(t, got.item.SKUCode)
	case got.adjustment != nil:
		if *got.adjustment != (stock.Adjustment{ID: want.AdjustmentID, SKUCode: skuCode, Delta: want.Delta}) || want.Delta == 0 || max(want.Delta, -want.Delta) > stock.MaxUnits {
			t.Errorf("%q for %q was taken as %+v", body, skuCode, *got.adjustment)
		}
		checkID(t, got.adjustment.ID)
		checkID(t, got.adjustment.SKUCode)
	default:
		checkSKUCodes(t, got.skuCodes, body, query)
	}
}

func checkSKUCodes(t *testing.T, skuCodes []string, body, query string) {
	t.Helper()
	values, err := url.ParseQuery(query)
	want := values["skuCode"]
	if body != "" && err == nil {
		err = json.Unmarshal([]byte(body), &want)
	}
	if err != nil || !slices.Equal(skuCodes, want) || len(skuCodes) < 1 || len(skuCodes) > stock.MaxLines || body != "" && len(values) > 0 {
		t.Errorf("%q with %q was taken as %q, %v", query, body, skuCodes, err)
	}
	for _, skuCode := range skuCodes {
		checkID(t, skuCode)
	}
}

func checkID(t *testing.T, id string) {
	t.Helper()
	if n := utf8.RuneCountInString(id); n > 128 || strings.TrimSpace(id) == "" || !utf8.ValidString(id) || strings.ContainsFunc(id, unicode.IsControl) {
		t.Errorf("the id %q was taken", id)
	}
}

func checkRefusal(t *testing.T, w *httptest.ResponseRecorder) {
	t.Helper()
	var told problem.Problem
	if err := json.Unmarshal(w.Body.Bytes(), &told); err != nil || w.Header().Get("Content-Type") != problemType || told.Status != w.Code {
		t.Fatalf("got %d %q, %v", w.Code, w.Body, err)
	}
	if w.Code != http.StatusBadRequest && w.Code != http.StatusNotFound && w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("got %d %q; no input may lead to that", w.Code, w.Body)
	}
	if w.Code == http.StatusBadRequest && len(told.Faults) == 0 || slices.ContainsFunc(told.Faults, func(fault problem.Fault) bool { return fault.Message == "" }) {
		t.Errorf("%d does not say what is wrong: %q", w.Code, w.Body)
	}
}
