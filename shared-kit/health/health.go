// Package health tells orchestrators whether a process lives and whether it can serve.
package health

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"
)

// checkTimeout bounds all readiness checks together, below the usual probe timeout of one second or more.
const checkTimeout = 900 * time.Millisecond

// Check asks one part that the service cannot work without; nil means that it answers.
type Check func(ctx context.Context) error

// Health is a service's state. Its zero value is alive and not ready.
type Health struct {
	ready  atomic.Bool
	mu     sync.Mutex
	checks map[string]Check
}

// AddCheck makes readiness depend on a part. Only what the service owns belongs here: a check on another service would take this one down with it.
func (h *Health) AddCheck(name string, check Check) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.checks == nil {
		h.checks = make(map[string]Check)
	}
	h.checks[name] = check
}

// SetReady says that the service has started (true) or is about to stop (false).
func (h *Health) SetReady(ready bool) { h.ready.Store(ready) }

// Failing returns the names of the parts that keep the service from serving; nil means ready.
func (h *Health) Failing(ctx context.Context) []string {
	if !h.ready.Load() {
		return []string{"process"}
	}
	h.mu.Lock()
	checks := maps.Clone(h.checks)
	h.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	var failing []string
	for _, name := range slices.Sorted(maps.Keys(checks)) {
		if checks[name](ctx) != nil {
			failing = append(failing, name)
		}
	}
	return failing
}

// Register adds GET /livez and GET /readyz.
func (h *Health) Register(routes gin.IRoutes) {
	routes.GET("/livez", func(c *gin.Context) { c.JSON(http.StatusOK, gin.H{"status": "alive"}) })
	routes.GET("/readyz", func(c *gin.Context) {
		if failing := h.Failing(c.Request.Context()); failing != nil {
			c.JSON(http.StatusServiceUnavailable, gin.H{"status": "not ready", "failing": failing})
			return
		}
		c.JSON(http.StatusOK, gin.H{"status": "ready"})
	})
}
