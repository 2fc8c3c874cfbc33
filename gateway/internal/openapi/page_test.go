package openapi

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/steadfast-shop/steadfast/shared-kit/httpserver"
)

// serveAll serves the description's routes as the gateway does.
func serveAll() http.Handler {
	engine := httpserver.NewEngine("test", time.Second, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	Register(engine)
	return engine
}

func ask(handler http.Handler, method, path string, headers ...string) *http.Response {
	r := httptest.NewRequest(method, path, http.NoBody)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	return w.Result()
}

func TestDescriptionAndPageAreServed(t *testing.T) {
	handler := serveAll()
	for _, tt := range []struct {
		method, path string
		status       int
		contentType  string
		body         string // that it holds
	}{
		{http.MethodGet, "/openapi.yaml", 200, "application/yaml", "openapi: 3.1.0"},
		{http.MethodHead, "/openapi.yaml", 200, "application/yaml", ""},
		{http.MethodGet, "/docs", 200, "text/html; charset=utf-8", "Steadfast API"},
		{http.MethodGet, "/docs/docs.js", 200, "text/javascript; charset=utf-8", "SwaggerUIBundle"},
		{http.MethodGet, "/docs/docs.css", 200, "text/css; charset=utf-8", "max-width"},
		{http.MethodGet, "/docs/swagger-ui-bundle.js", 200, "application/javascript", "Swagger"},
		{http.MethodGet, "/docs/swagger-ui.css", 200, "text/css; charset=utf-8", "swagger-ui"},
		{http.MethodGet, "/docs/nothing.js", 404, "application/problem+json", `"not_found"`},
		{http.MethodGet, "/docs/a/b", 404, "application/problem+json", `"not_found"`},
		{http.MethodPost, "/docs", 405, "application/problem+json", `"method_not_allowed"`},
	} {
		response := ask(handler, tt.method, tt.path)
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		if got := response.Header.Get("Content-Type"); response.StatusCode != tt.status || got != tt.contentType || !bytes.Contains(body, []byte(tt.body)) {
			t.Errorf("%s %s: got %d %s, %d bytes; want %d %s with %q", tt.method, tt.path, response.StatusCode, got, len(body), tt.status, tt.contentType, tt.body)
		}
		if policy := response.Header.Get("Content-Security-Policy"); tt.status == 200 && !strings.HasPrefix(policy, "default-src 'none'; script-src 'self';") {
			t.Errorf("%s: the Content-Security-Policy is %q", tt.path, policy)
		}
	}
}

// A client that has the description, or an asset, is not sent it again.
func TestUnchangedFilesAreNotSentAgain(t *testing.T) {
	handler := serveAll()
	for _, path := range []string{"/openapi.yaml", "/docs", "/docs/docs.js", "/docs/swagger-ui-bundle.js"} {
		tag := ask(handler, http.MethodGet, path, "Accept-Encoding", "gzip").Header.Get("ETag")
		if again := ask(handler, http.MethodGet, path, "Accept-Encoding", "gzip", "If-None-Match", tag); tag == "" || again.StatusCode != http.StatusNotModified {
			t.Errorf("%s: the ETag is %q, and the second answer %d; want 304", path, tag, again.StatusCode)
		}
	}
}

// Everything that the page loads is served here.
func TestPageLoadsNothingFromElsewhere(t *testing.T) {
	handler := serveAll()
	references := regexp.MustCompile(`(?:src|href)="([^"]*)"|url: "([^"]*)"`).FindAllStringSubmatch(string(page)+string(script), -1)
	if len(references) < 7 {
		t.Fatalf("found only %q", references)
	}
	for _, reference := range references {
		path := reference[1] + reference[2]
		if !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") {
			t.Errorf("the page refers to %s", path)
		} else if status := ask(handler, http.MethodGet, path).StatusCode; status != http.StatusOK {
			t.Errorf("the page refers to %s, which is answered %d", path, status)
		}
	}
	for name, file := range map[string][]byte{"index.html": page, "docs.js": script, "docs.css": style} {
		if bytes.Contains(file, []byte("://")) || bytes.Contains(file, []byte("@import")) {
			t.Errorf("%s names an address", name)
		}
	}
}
