package health_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/steadfast-shop/steadfast/shared-kit/health"
)

func probe(t *testing.T, h *health.Health, path string) (status int, failing []string) {
	t.Helper()
	engine := gin.New()
	h.Register(engine)
	w := httptest.NewRecorder()
	engine.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	var body struct{ Failing []string }
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
		t.Fatalf("%s answers %s", path, w.Body)
	}
	return w.Code, body.Failing
}

func TestReadiness(t *testing.T) {
	var h health.Health
	database := errors.New("away")
	h.AddCheck("database", func(context.Context) error { return database })
	h.AddCheck("fine", func(context.Context) error { return nil })
	for _, c := range []struct {
		name    string
		ready   bool
		err     error
		status  int
		failing []string
	}{
		{"starting", false, nil, 503, []string{"process"}},
		{"serving", true, nil, 200, nil},
		{"database away", true, errors.New("away"), 503, []string{"database"}},
		{"stopping", false, nil, 503, []string{"process"}},
	} {
		h.SetReady(c.ready)
		database = c.err
		if status, failing := probe(t, &h, "/readyz"); status != c.status || !slices.Equal(failing, c.failing) {
			t.Errorf("%s: /readyz = %d %v; want %d %v", c.name, status, failing, c.status, c.failing)
		}
		if status, _ := probe(t, &h, "/livez"); status != 200 {
			t.Errorf("%s: /livez = %d", c.name, status)
		}
	}
}

func TestFrozenPartHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h health.Health
		h.SetReady(true)
		h.AddCheck("frozen", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
		began := time.Now()
		done := make(chan []string)
		for range 3 {
			go func() { done <- h.Failing(context.Background()) }()
		}
		for range 3 {
			if failing := <-done; !slices.Equal(failing, []string{"frozen"}) {
				t.Errorf("failing %v", failing)
			}
		}
		if took := time.Since(began); took >= time.Second {
			t.Errorf("three probes at once took %s", took)
		}
	})
}
