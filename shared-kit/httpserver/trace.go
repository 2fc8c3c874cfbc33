package httpserver

import (
	"net/http"

	"github.com/gin-gonic/gin"
	"go.opentelemetry.io/contrib/instrumentation/github.com/gin-gonic/gin/otelgin"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.37.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/steadfast-shop/steadfast/shared-kit/telemetry"
)

const tracerName = "github.com/steadfast-shop/steadfast/shared-kit/httpserver"

// startSpan puts each request into the trace of its caller, or a new one.
func startSpan(service string) gin.HandlerFunc {
	if telemetry.Records() {
		return otelgin.Middleware(service, otelgin.WithFilter(isTraced))
	}
	return func(c *gin.Context) {
		if !isTraced(c.Request) {
			return
		}
		ctx := otel.GetTextMapPropagator().Extract(c.Request.Context(), propagation.HeaderCarrier(c.Request.Header))
		ctx, _ = otel.Tracer(tracerName).Start(ctx, "") // which has ids and no end
		c.Request = c.Request.WithContext(ctx)
	}
}

func isTraced(r *http.Request) bool { return !isProbe(r.URL.Path) }

// hidePath puts the route in the place of the path in the request's span: what clients write into a path, say a user's id, stays out of traces as it stays out of the log.
func hidePath(c *gin.Context) {
	if span := trace.SpanFromContext(c.Request.Context()); span.IsRecording() {
		span.SetAttributes(semconv.URLPath(c.FullPath()))
	}
}
