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
	inWorld(t, nil, func(w *world) {
		description := describe(t, w.ask(http.MethodGet, openapi.PathDescription, "").body)
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
			request, err := http.NewRequestWithContext(t.Context(), tt.method, "http://gateway"+tt.path, http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			response := &http.Response{StatusCode: got.status, Header: got.header, Body: io.NopCloser(strings.NewReader(got.body))}
			if fits, differences := description.ValidateHttpResponse(request, response); !fits {
				t.Errorf("%s %s: %v", tt.method, tt.path, differences)
			}
		}
	})
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
