package problem_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/steadfast-shop/steadfast/shared-kit/problem"
)

func TestWrite(t *testing.T) {
	for _, c := range []struct {
		name  string
		write func(*gin.Context)
		code  int
		kind  string
		body  string
	}{
		{"faults", func(c *gin.Context) {
			problem.Write(c, problem.Invalid(problem.Fault{Field: "price", Message: "must be there"}))
		}, 400, "application/problem+json",
			`{"title":"Bad Request","status":400,"code":"invalid_request","detail":"The request cannot be taken as it is; nothing was changed. Correct every fault listed and send it again.","faults":[{"field":"price","message":"must be there"}]}`},
		{"plain", func(c *gin.Context) {
			problem.Write(c, problem.New(http.StatusNotFound, problem.CodeNotFound, "Nothing here."))
		}, 404, "application/problem+json",
			`{"title":"Not Found","status":404,"code":"not_found","detail":"Nothing here."}`},
		{"unavailable", problem.WriteUnavailable, 503, "text/plain; charset=utf-8", "Service Unavailable, please try again later"},
	} {
		engine := gin.New()
		handlers := 0
		engine.GET("/", c.write, func(*gin.Context) { handlers++ })
		w := httptest.NewRecorder()
		engine.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
		if w.Code != c.code || w.Body.String() != c.body || w.Header().Get("Content-Type") != c.kind || handlers != 0 {
			t.Errorf("%s: %d %s %s, %d handlers went on; want %d %s %s", c.name, w.Code, w.Header().Get("Content-Type"), w.Body, handlers, c.code, c.kind, c.body)
		}
		if retry := w.Header().Get("Retry-After"); (retry == "1") != (c.code == 503) {
			t.Errorf("%s: Retry-After %q", c.name, retry)
		}
	}
}
