package httpapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/steadfast-shop/steadfast/inventory-service/internal/httpapi"
	"github.com/steadfast-shop/steadfast/inventory-service/internal/stock"
	"github.com/steadfast-shop/steadfast/inventory-service/internal/stocktest"
	"github.com/steadfast-shop/steadfast/shared-kit/httpserver"
	"github.com/steadfast-shop/steadfast/shared-kit/problem"
)

const (
	plain       = "text/plain; charset=utf-8"
	jsonType    = "application/json; charset=utf-8"
	problemType = "application/problem+json"
)

func TestAnswers(t *testing.T) {
	server := serve(t, stock.NewService(stocktest.NewMemory(stock.Item{SKUCode: "SKU002", Quantity: 50})))
	const items, adjustments = "/api/inventory", "/api/inventory/SKU001/adjustments"
	steps := []struct {
		name, method, path, body string
		status                   int
		contentType, want        string
	}{
		{"create", "POST", items, `{"skuCode":"SKU001","quantity":100}`, 201, plain, "Inventory created successfully"},
		{"create again", "POST", items, `{"skuCode":"SKU001","quantity":7}`, 409, plain, "Inventory creation failed"},
		{"list by body", "GET", items, `["SKU001","SKU002"]`, 200, jsonType, "[100,50]"},
		{"list by query", "GET", items + "?skuCode=SKU002&skuCode=SKU001", "", 200, jsonType, "[50,100]"},
		{"list unknown and repeated", "GET", items, `["X","SKU002","SKU002"]`, 200, jsonType, "[null,50,50]"},
		{"adjust", "POST", adjustments, `{"adjustmentId":"A-1","delta":-3}`, 200, jsonType, `{"skuCode":"SKU001","quantity":97}`},
		{"adjust more", "POST", adjustments, `{"adjustmentId":"A-2","delta":1}`, 200, jsonType, `{"skuCode":"SKU001","quantity":98}`},
		{"adjust again", "POST", adjustments, `{"adjustmentId":"A-1","delta":-3}`, 200, jsonType, `{"skuCode":"SKU001","quantity":97}`},
		{"adjust otherwise", "POST", adjustments, `{"adjustmentId":"A-1","delta":-4}`, 409, problemType, "adjustment_conflict"},
		{"adjust another SKU", "POST", "/api/inventory/SKU002/adjustments", `{"adjustmentId":"A-1","delta":-3}`, 409, problemType, "adjustment_conflict"},
		{"adjust the unknown", "POST", "/api/inventory/X/adjustments", `{"adjustmentId":"A-3","delta":1}`, 404, problemType, "unknown_sku"},
		{"adjust below zero", "POST", adjustments, `{"adjustmentId":"A-3","delta":-99}`, 409, problemType, "insufficient_stock"},
		{"no such route", "GET", "/api/stock", "", 404, problemType, "not_found"},
		{"no such method", "DELETE", items, "", 405, problemType, "method_not_allowed"},
		{"unchanged after all", "GET", items, `["SKU001","SKU002"]`, 200, jsonType, "[98,50]"},
		{"create with a slash", "POST", items, `{"skuCode":"a/b ü","quantity":1}`, 201, plain, "Inventory created successfully"},
		{"adjust with a slash", "POST", "/api/inventory/a%2Fb%20%C3%BC/adjustments", `{"adjustmentId":"A-4","delta":1}`, 200, jsonType, `{"skuCode":"a/b ü","quantity":2}`},
	}
	for _, step := range steps {
		response, body := send(t, server, step.method, step.path, step.body)
		got := body
		if step.contentType == problemType {
			got = readProblem(t, body).Code
		}
		if response.StatusCode != step.status || response.Header.Get("Content-Type") != step.contentType || got != step.want {
			t.Errorf("%s: got %d %s %s, want %d %s %s", step.name, response.StatusCode, response.Header.Get("Content-Type"), body, step.status, step.contentType, step.want)
		}
	}
}

func TestBadInputListsEveryFault(t *testing.T) {
	server := serve(t, failing{errors.New("must not be called")})
	const items, adjustments = "/api/inventory", "/api/inventory/SKU001/adjustments"
	long := strings.Repeat("x", 129)
	tests := []struct {
		name, method, path, body string
		want                     []string
	}{
		{"no body", "POST", items, "", []string{""}},
		{"no JSON", "POST", items, "{", []string{""}},
		{"two documents", "POST", items, `{"skuCode":"A","quantity":1}{}`, []string{""}},
		{"no object", "POST", items, `[]`, []string{""}},
		{"empty object", "POST", items, `{}`, []string{"skuCode", "quantity"}},
		{"nulls", "POST", items, `{"skuCode":null,"quantity":null}`, []string{"skuCode", "quantity"}},
		{"wrong types and more", "POST", items, `{"skuCode":1,"quantity":"1","colour":"red"}`, []string{"skuCode", "quantity", "colour"}},
		{"zero", "POST", items, `{"skuCode":" ","quantity":0}`, []string{"skuCode", "quantity"}},
		{"negative", "POST", items, `{"skuCode":"a\u0000b","quantity":-1}`, []string{"skuCode", "quantity"}},
		{"fraction", "POST", items, `{"skuCode":"` + long + `","quantity":1.5}`, []string{"skuCode", "quantity"}},
		{"too many units", "POST", items, `{"skuCode":"A","quantity":1000000001}`, []string{"quantity"}},
		{"beyond 64 bits", "POST", items, `{"skuCode":"A","quantity":9223372036854775808}`, []string{"quantity"}},
		{"field twice", "POST", items, `{"skuCode":"A","quantity":1,"quantity":2}`, []string{"quantity"}},
		{"no codes", "GET", items, "", []string{""}},
		{"empty array", "GET", items, "[]", []string{""}},
		{"bad codes", "GET", items, `["A","",1,null,"` + long + `"]`, []string{"[1]", "[2]", "[3]", "[4]"}},
		{"too many codes", "GET", items, "[" + strings.Repeat(`"A",`, stock.MaxLines) + `"A"]`, []string{""}},
		{"too many in the query", "GET", items + "?" + strings.Repeat("skuCode=A&", stock.MaxLines+1), "", []string{"skuCode"}},
		{"bad codes in the query", "GET", items + "?skuCode=A&skuCode=&skuCode=" + long, "", []string{"skuCode[1]", "skuCode[2]"}},
		{"body and query", "GET", items + "?skuCode=A", `["A"]`, []string{"skuCode"}},
		{"unknown parameters", "GET", items + "?skuCode=A&page=1&limit=2", "", []string{"limit", "page"}},
		{"malformed query", "GET", items + "?skuCode=A&skuCode=%zz", "", []string{""}},
		{"adjustment without fields", "POST", adjustments, `{}`, []string{"adjustmentId", "delta"}},
		{"adjustment by nothing", "POST", adjustments, `{"adjustmentId":"","delta":0}`, []string{"adjustmentId", "delta"}},
		{"adjustment by a fraction", "POST", adjustments, `{"adjustmentId":"A-1","delta":0.5}`, []string{"delta"}},
		{"adjustment too large", "POST", adjustments, `{"adjustmentId":"A-1","delta":-1000000001}`, []string{"delta"}},
		{"adjustment of a bad SKU", "POST", "/api/inventory/%07/adjustments", `{"adjustmentId":"A-1","delta":"1"}`, []string{"skuCode", "delta"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			response, body := send(t, server, test.method, test.path, test.body)
			var got []string
			for _, fault := range readProblem(t, body).Faults {
				got = append(got, fault.Field)
			}
			if response.StatusCode != http.StatusBadRequest || !slices.Equal(got, test.want) {
				t.Errorf("got %d naming %q, want 400 naming %q: %s", response.StatusCode, got, test.want, body)
			}
		})
	}
}

func TestBodyLimits(t *testing.T) {
	server := serve(t, failing{errors.New("must not be called")})
	if response, body := send(t, server, "GET", "/api/inventory", `["`+strings.Repeat("x", 1<<20)+`"]`); response.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("a body over 1 MiB: got %d %s", response.StatusCode, body)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server+"/api/inventory", strings.NewReader("skuCode=A"))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if response, body := do(t, request); response.StatusCode != http.StatusUnsupportedMediaType {
		t.Errorf("a form: got %d %s", response.StatusCode, body)
	}
}

func TestCreationNamesTheLocation(t *testing.T) {
	server := serve(t, stock.NewService(stocktest.NewMemory()))
	response, _ := send(t, server, "POST", "/api/inventory", `{"skuCode":"a&b","quantity":1}`)
	location := response.Header.Get("Location")
	if _, body := send(t, server, "GET", location, ""); body != "[1]" {
		t.Errorf("GET %s = %s, want [1]", location, body)
	}
}

// failing is an inventory whose every call ends in err.
type failing struct{ err error }

func (f failing) CreateItem(context.Context, stock.Item) error            { return f.err }
func (f failing) Quantities(context.Context, []string) ([]*int64, error)  { return nil, f.err }
func (f failing) Adjust(context.Context, stock.Adjustment) (int64, error) { return 0, f.err }

func TestErrors(t *testing.T) {
	secret := errors.New("password=hunter2")
	tests := []struct {
		name   string
		err    error
		status int
		want   string
	}{
		{"database away", fmt.Errorf("x: %w: %w", stock.ErrUnavailable, secret), 503, problem.Unavailable},
		{"time is up", fmt.Errorf("x: %w: %w", context.DeadlineExceeded, secret), 503, problem.Unavailable},
		{"too much stock", stock.ErrTooMuchStock, 409, "too_much_stock"},
		{"unknown", secret, 500, "internal_error"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			server := serve(t, failing{test.err})
			for _, request := range [][3]string{
				{"POST", "/api/inventory", `{"skuCode":"A","quantity":1}`},
				{"GET", "/api/inventory?skuCode=A", ""},
				{"POST", "/api/inventory/A/adjustments", `{"adjustmentId":"A-1","delta":1}`},
			} {
				response, body := send(t, server, request[0], request[1], request[2])
				got := body
				if response.StatusCode != http.StatusServiceUnavailable {
					got = readProblem(t, body).Code
				} else if response.Header.Get("Retry-After") == "" {
					t.Errorf("%s %s: no Retry-After", request[0], request[1])
				}
				if response.StatusCode != test.status || got != test.want || strings.Contains(body, secret.Error()) {
					t.Errorf("%s %s: got %d %s, want %d %s without the cause", request[0], request[1], response.StatusCode, body, test.status, test.want)
				}
			}
		})
	}
}

// inventory is what a server serves.
type inventory interface {
	CreateItem(ctx context.Context, item stock.Item) error
	Quantities(ctx context.Context, skuCodes []string) ([]*int64, error)
	Adjust(ctx context.Context, adjustment stock.Adjustment) (quantity int64, err error)
}

// serve serves on a free port until the test ends, and returns the URL.
func serve(t *testing.T, inventory inventory) string {
	t.Helper()
	engine := httpserver.NewEngine("test", time.Second, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	httpapi.Register(engine, inventory)
	server := httptest.NewServer(engine)
	t.Cleanup(server.Close)
	return server.URL
}

func send(t *testing.T, server, method, path, body string) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, server, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	path, request.URL.RawQuery, _ = strings.Cut(path, "?")
	if request.URL.Path, err = url.PathUnescape(path); err != nil {
		t.Fatal(err)
	}
	request.URL.RawPath = path
	return do(t, request)
}

func do(t *testing.T, request *http.Request) (*http.Response, string) {
	t.Helper()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(body)
}

func readProblem(t *testing.T, body string) problem.Problem {
	t.Helper()
	var p problem.Problem
	if err := json.Unmarshal([]byte(body), &p); err != nil {
		t.Errorf("no problem: %s: %v", body, err)
	}
	return p
}
