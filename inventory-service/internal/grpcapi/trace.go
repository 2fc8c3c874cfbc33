package grpcapi

import (
	"context"

	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc/filters"
	"go.opentelemetry.io/otel"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/steadfast-shop/steadfast/shared-kit/telemetry"
)

const tracerName = "github.com/steadfast-shop/steadfast/inventory-service/internal/grpcapi"

// takeTrace puts each call into the trace of its caller, or a new one.
func takeTrace() grpc.ServerOption {
	if telemetry.Records() {
		return grpc.StatsHandler(otelgrpc.NewServerHandler(otelgrpc.WithFilter(filters.Not(filters.HealthCheck()))))
	}
	return grpc.ChainUnaryInterceptor(takeIDs)
}

// takeIDs is takeTrace where nothing is recorded.
func takeIDs(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	ctx = otel.GetTextMapPropagator().Extract(ctx, received{ctx})
	ctx, _ = otel.Tracer(tracerName).Start(ctx, "") // which has ids and no end
	return handle(ctx, request)
}

// received lets the propagator read a call's metadata; it is never written.
type received struct {
	ctx context.Context //nolint:containedctx // the call's: its metadata is there, and is copied whole where it is not asked for one by one
}

// Get implements propagation.TextMapCarrier.
func (r received) Get(name string) string {
	values := metadata.ValueFromIncomingContext(r.ctx, name)
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

// Set implements propagation.TextMapCarrier.
func (received) Set(string, string) {}

// Keys implements propagation.TextMapCarrier.
func (received) Keys() []string { return nil }
