// Package httpserver makes the HTTP servers of all services: the same tracing, access log, metrics, deadlines and error answers everywhere.
package httpserver

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/steadfast-shop/steadfast/shared-kit/problem"
)

// Headers that the gateway and the services share.
const (
	// HeaderRequestID identifies a client's request in every service's log.
	HeaderRequestID = "X-Request-Id"
	// HeaderRequestTimeout tells a service how long its caller still waits, in whole milliseconds.
	HeaderRequestTimeout = "Request-Timeout"
)

// NewEngine returns a gin engine with tracing, metrics, access log and recovery, and with problem answers for unknown routes and methods.
// limit bounds each request's context; a shorter Request-Timeout header bounds it further.
func NewEngine(service string, limit time.Duration, log *slog.Logger, metrics prometheus.Registerer) *gin.Engine {
	gin.SetMode(gin.ReleaseMode)
	engine := gin.New()
	engine.ContextWithFallback = true
	engine.HandleMethodNotAllowed = true
	engine.RedirectTrailingSlash = false
	engine.UseRawPath = true          // an id may hold an escaped slash
	engine.UnescapePathValues = false // gin would take a plus sign for a blank; unescapePath does it
	// No proxy is trusted unless a service says so: SetTrustedProxies(nil) cannot fail.
	_ = engine.SetTrustedProxies(nil)
	engine.Use(
		startSpan(service),
		hidePath,
		observe(log, metrics),
		recoverPanic(log),
		bound(limit),
		unescapePath,
	)
	engine.NoRoute(func(c *gin.Context) {
		problem.Write(c, problem.New(http.StatusNotFound, problem.CodeNotFound, "There is nothing at this path."))
	})
	engine.NoMethod(func(c *gin.Context) {
		problem.Write(c, problem.New(http.StatusMethodNotAllowed, problem.CodeMethodNotAllowed, "This path does not take this method; see the Allow header."))
	})
	return engine
}

// isProbe tells the requests of orchestrators and scrapers, which would drown the others in logs and traces.
func isProbe(path string) bool { return path == "/livez" || path == "/readyz" || path == "/metrics" }

// observe writes one log line and one metric for each request, however it ends.
func observe(log *slog.Logger, metrics prometheus.Registerer) gin.HandlerFunc {
	durations := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "http_server_request_duration_seconds",
		Help:    "Duration of HTTP requests by method, route and status.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
	}, []string{"method", "route", "status"})
	metrics.MustRegister(durations)
	return func(c *gin.Context) {
		if isProbe(c.Request.URL.Path) {
			c.Next()
			return
		}
		start, finished := time.Now(), false
		defer func() {
			duration, status := time.Since(start), c.Writer.Status()
			durations.WithLabelValues(knownMethod(c.Request.Method), c.FullPath(), strconv.Itoa(status)).Observe(duration.Seconds())
			attrs := append([]slog.Attr{
				slog.String("method", c.Request.Method),
				slog.String("route", c.FullPath()),
				slog.Int("status", status),
				slog.Duration("duration", duration),
				slog.Int("bytes", max(c.Writer.Size(), 0)),
				slog.String("request_id", c.Request.Header.Get(HeaderRequestID)),
			}, annotations(c)...)
			if !finished { // the answer was cut off on purpose: http.ErrAbortHandler is on its way up
				attrs = append(attrs, slog.Bool("aborted", true))
			}
			log.LogAttrs(c.Request.Context(), levelOf(status), "request", attrs...)
		}()
		c.Next()
		finished = true
	}
}

const annotationsKey = "httpserver.annotations"

// Annotate adds attributes to the request's line in the access log.
func Annotate(c *gin.Context, attrs ...slog.Attr) {
	c.Set(annotationsKey, append(annotations(c), attrs...))
}

func annotations(c *gin.Context) []slog.Attr {
	value, _ := c.Get(annotationsKey)
	attrs, _ := value.([]slog.Attr)
	return attrs
}

// knownMethod keeps clients from making metrics up.
func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	}
	return "other"
}

func levelOf(status int) slog.Level {
	if status >= http.StatusInternalServerError {
		return slog.LevelWarn
	}
	return slog.LevelInfo
}

// recoverPanic turns a panic into a 500. gin's own Recovery also swallows http.ErrAbortHandler, which would make a cut-off answer look complete.
func recoverPanic(log *slog.Logger) gin.HandlerFunc {
	return func(c *gin.Context) {
		defer func() {
			cause := recover()
			if cause == nil {
				return
			}
			if err, ok := cause.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(http.ErrAbortHandler)
			}
			log.ErrorContext(c.Request.Context(), "panic in a handler", "cause", cause, "stack", string(debug.Stack()))
			if c.Writer.Written() {
				panic(http.ErrAbortHandler)
			}
			problem.Write(c, problem.Internal())
		}()
		c.Next()
	}
}

// bound gives the request's context a deadline: limit, or what the caller says that it still waits.
func bound(limit time.Duration) gin.HandlerFunc {
	return func(c *gin.Context) {
		timeout := limit
		// Compared as milliseconds, since a large number of them is no time.Duration.
		if left, err := strconv.ParseInt(c.Request.Header.Get(HeaderRequestTimeout), 10, 64); err == nil && left > 0 && left < limit.Milliseconds() {
			timeout = time.Duration(left) * time.Millisecond
		}
		ctx, cancel := context.WithTimeout(c.Request.Context(), timeout)
		defer cancel()
		c.Request = c.Request.WithContext(ctx)
		c.Next()
	}
}

// unescapePath makes the path's parameters what the client escaped. gin matches routes on the escaped path only where that says more than the path itself.
func unescapePath(c *gin.Context) {
	if c.Request.URL.RawPath == "" {
		return
	}
	for i := range c.Params {
		if value, err := url.PathUnescape(c.Params[i].Value); err == nil { // the server has refused a path where it is not
			c.Params[i].Value = value
		}
	}
}
