package main

import (
	"context"
	"errors"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/steadfast-shop/steadfast/shared-kit/httpserver"
	"github.com/steadfast-shop/steadfast/shared-kit/input"
	"github.com/steadfast-shop/steadfast/shared-kit/problem"

	"github.com/steadfast-shop/steadfast/gateway/internal/openapi"
)

// codeRequestTimeout is the problem of a request body that does not arrive in time.
const codeRequestTimeout = "request_timeout"

// gateway routes requests to their upstreams, through the policies.
type gateway struct {
	engine    *gin.Engine
	upstreams map[string]*upstream
	limit     *rateLimit
	trust     trust
	metrics   *metrics
	buffers   httputil.BufferPool
	proxyLog  *log.Logger
}

// newGateway returns the gateway of a checked config. It reaches its upstreams through dial.
func newGateway(c config, dial dialFunc, logger *slog.Logger, registry prometheus.Registerer) *gateway {
	g := &gateway{
		engine:    httpserver.NewEngine("gateway", c.Deadline, logger, registry),
		upstreams: make(map[string]*upstream),
		limit:     newRateLimit(c.RateLimit, c.RateBurst),
		trust:     c.TrustedProxies,
		metrics:   newMetrics(registry),
		buffers:   &bufferPool{},
		proxyLog:  slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
	}
	for _, u := range c.Upstreams {
		g.upstreams[u.Name] = newUpstream(u, c.Deadline, dial, g.metrics, logger)
	}
	methods := []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions}
	for _, route := range c.Routes {
		g.engine.Match(methods, route.Path, g.forward(route))
		g.engine.Match(methods, route.Path+"/*rest", g.forward(route))
	}
	openapi.Register(g.engine)
	return g
}

// ServeHTTP implements http.Handler. It settles what the outside may not say: Request-Timeout is a word between the services, and a request id must be fit for logs.
func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.Header.Del(httpserver.HeaderRequestTimeout)
	id := r.Header.Get(httpserver.HeaderRequestID)
	if !isRequestID(id) {
		id = uuid.Must(uuid.NewV7()).String()
	}
	r.Header.Set(httpserver.HeaderRequestID, id)
	w.Header().Set(httpserver.HeaderRequestID, id)
	g.engine.ServeHTTP(w, r)
}

// close ends the idle connections to the upstreams.
func (g *gateway) close(context.Context) error {
	for _, u := range g.upstreams {
		u.transport.CloseIdleConnections()
	}
	return nil
}

// forward returns the handler of a route: rate limit, body, bulkhead, then the tries and the answer.
func (g *gateway) forward(route routeConfig) gin.HandlerFunc {
	u := g.upstreams[route.Upstream]
	return func(c *gin.Context) {
		if allowed, wait := g.limit.allow(g.trust.clientOf(c.Request)); !allowed {
			g.metrics.rejections.WithLabelValues(u.name, policyRateLimit).Inc()
			u.traceRejection(c.Request.Context(), policyRateLimit)
			c.Header("Retry-After", wholeSeconds(wait))
			problem.Write(c, problem.New(http.StatusTooManyRequests, problem.CodeRateLimited, "Too many requests from this client; see the Retry-After header."))
			return
		}
		body, refused := readBody(c)
		if refused != nil {
			g.metrics.rejections.WithLabelValues(u.name, policyBody).Inc()
			problem.Write(c, refused)
			return
		}
		post := c.Request.Method == http.MethodPost && c.Request.URL.Path == route.Path && route.RepeatablePost
		g.proxy(c, &call{
			upstream:   u,
			trust:      g.trust,
			body:       body,
			repeatable: post || isIdempotent(c.Request.Method),
			addKey:     post,
		})
	}
}

// proxy runs the call in its upstream's bulkhead, from the first try until the answer is out.
func (g *gateway) proxy(c *gin.Context, call *call) {
	u := call.upstream
	defer func() { // also when the answer is cut off, which is a panic
		attrs := []slog.Attr{slog.String("upstream", u.name), slog.Int("tries", call.tries)}
		if call.failure != "" {
			attrs = append(attrs, slog.String("failure", string(call.failure)))
		}
		httpserver.Annotate(c, attrs...)
		traceCall(c.Request.Context(), call)
	}()
	writer := &answerWriter{ResponseWriter: c.Writer, call: call, requestID: c.Request.Header.Get(httpserver.HeaderRequestID)}
	if !u.bulkhead.TryAcquirePermit() {
		g.metrics.rejections.WithLabelValues(u.name, policyBulkhead).Inc()
		u.traceRejection(c.Request.Context(), policyBulkhead)
		call.fallBack(writer, c.Request, failedBulkheadFull)
		return
	}
	defer u.bulkhead.ReleasePermit()
	inFlight := g.metrics.inFlight.WithLabelValues(u.name)
	inFlight.Inc()
	defer inFlight.Dec()
	c.Request.Body, c.Request.ContentLength = http.NoBody, int64(len(call.body)) // it is in the call now
	proxy := httputil.ReverseProxy{
		Rewrite:       call.rewrite,
		Transport:     call,
		ErrorHandler:  call.fallBack,
		FlushInterval: -1, // at once: what streams shall not wait here
		BufferPool:    g.buffers,
		ErrorLog:      g.proxyLog,
	}
	proxy.ServeHTTP(writer, c.Request)
}

// readBody reads a request's body whole, so that it can be sent more than once, and before a place in the bulkhead is taken, so that slow clients fill none.
func readBody(c *gin.Context) ([]byte, *problem.Problem) {
	r := c.Request
	switch {
	case r.ContentLength == 0:
		return nil, nil
	case r.ContentLength > input.MaxBody:
		return nil, input.TooLarge()
	}
	connection := http.NewResponseController(c.Writer)
	if deadline, bounded := r.Context().Deadline(); bounded {
		_ = connection.SetReadDeadline(deadline) // not on every kind of connection; then the server's own time-out holds
	}
	body, err := io.ReadAll(http.MaxBytesReader(c.Writer, r.Body, input.MaxBody))
	if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
		return nil, input.TooLarge()
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, problem.New(http.StatusRequestTimeout, codeRequestTimeout, "The body did not arrive in time; nothing was changed.")
	}
	if err != nil {
		return nil, problem.Invalid(problem.Fault{Message: "the body cannot be read; send as many bytes as Content-Length says"})
	}
	// Left in place, the deadline would end the wait for the answer as if the client had gone. After an error it stays, so that the rest of the body is not waited for.
	_ = connection.SetReadDeadline(time.Time{})
	return body, nil
}

// isIdempotent tells the methods that mean the same once and many times.
func isIdempotent(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete, http.MethodOptions:
		return true
	}
	return false
}

// isRequestID tells whether a client's request id is 1 to 128 visible ASCII characters.
func isRequestID(id string) bool {
	return id != "" && len(id) <= input.MaxID && !strings.ContainsFunc(id, func(c rune) bool { return c <= ' ' || c > '~' })
}

// bufferPool holds the buffers through which answers are copied, which would otherwise be allocated for each.
type bufferPool struct{ pool sync.Pool }

// Get implements httputil.BufferPool.
func (b *bufferPool) Get() []byte {
	if buffer, ok := b.pool.Get().(*[]byte); ok {
		return *buffer
	}
	return make([]byte, 32<<10)
}

// Put implements httputil.BufferPool.
func (b *bufferPool) Put(buffer []byte) { b.pool.Put(&buffer) }
