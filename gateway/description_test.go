package main

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	options "github.com/pb33f/libopenapi-validator/config"
	"github.com/pb33f/libopenapi-validator/content"

	"github.com/steadfast-shop/steadfast/shared-kit/health"
	"github.com/steadfast-shop/steadfast/shared-kit/problem"

	"github.com/steadfast-shop/steadfast/gateway/internal/openapi"
)

// The answers that the end-to-end tests cannot bring about: a service's fault, on every path, and a gateway that is not ready. They are as the description has them.
func TestFaultsAreAnsweredAsDescribed(t *testing.T) {
	type exchange struct {
		method, path string
		answer       answer
	}
	var exchanges []exchange
	var text string
	inWorld(t, nil, func(w *world) {
		text = w.ask(http.MethodGet, openapi.PathDescription, "").body
		new(health.Health).Register(w.gateway.engine)
		fault := func(rw http.ResponseWriter, _ *http.Request) { problem.WriteTo(rw, problem.Internal()) }
		w.order.does(fault)
		w.inventory.does(fault)
		for _, tt := range []struct {
			method, path, body string
			status             int
		}{
			{http.MethodPost, "/api/inventory", "{}", 500},
			{http.MethodGet, "/api/inventory?skuCode=SKU001", "", 500},
			{http.MethodPost, "/api/inventory/SKU001/adjustments", "{}", 500},
			{http.MethodPost, "/api/order", "{}", 500},
			{http.MethodGet, "/api/order/user123", "", 500},
			{http.MethodGet, "/api/order/user123/ORD-001", "", 500},
			{http.MethodGet, "/readyz", "", 503},
		} {
			got := w.ask(tt.method, tt.path, tt.body)
			equal(t, tt.path, got.status, tt.status)
			exchanges = append(exchanges, exchange{tt.method, tt.path, got})
		}
	})
	description := describe(t, text) // outside the world: the validator has goroutines of its own
	for _, e := range exchanges {
		request, err := http.NewRequestWithContext(t.Context(), e.method, "http://gateway"+e.path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		response := &http.Response{StatusCode: e.answer.status, Header: e.answer.header, Body: io.NopCloser(strings.NewReader(e.answer.body))}
		if fits, differences := description.ValidateHttpResponse(request, response); !fits {
			t.Errorf("%s %s: %v", e.method, e.path, differences)
		}
	}
}

func describe(t *testing.T, text string) validator.Validator {
	t.Helper()
	document, err := libopenapi.NewDocument([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	description, errs := validator.NewValidator(document, options.WithStrictMode(), options.WithRejectUnsupportedBodyContent(), options.WithBodyDecoder("text/plain", content.TextDecoder()))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	return description
}
