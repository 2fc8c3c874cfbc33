package grpcapi_test

import (
	"context"
	"log/slog"
	"testing"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/metadata"

	"github.com/steadfast-shop/steadfast/inventory-service/internal/stock"
	"github.com/steadfast-shop/steadfast/shared-kit/telemetry"
	inventoryv1 "github.com/steadfast-shop/steadfast/shared-proto/inventory/v1"
)

// traced is an inventory that keeps the ids of the trace in which it is called.
type traced struct {
	failing
	ids trace.SpanContext
}

func (t *traced) Release(ctx context.Context, _ string) (stock.State, error) {
	t.ids = trace.SpanContextFromContext(ctx)
	return stock.Released, nil
}

// TestIDsAreTakenWithoutCollector looks at the trace of a call where nothing is recorded.
func TestIDsAreTakenWithoutCollector(t *testing.T) {
	provider, propagator := otel.GetTracerProvider(), otel.GetTextMapPropagator()
	t.Cleanup(func() {
		otel.SetTracerProvider(provider)
		otel.SetTextMapPropagator(propagator)
	})
	if _, err := telemetry.Start(t.Context(), "test", telemetry.Settings{}, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	var called traced
	client := inventoryv1.NewInventoryServiceClient(dial(t, serve(t, &called)))
	ctx := metadata.AppendToOutgoingContext(t.Context(), "traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	if _, err := client.Release(ctx, &inventoryv1.ReleaseRequest{ReservationId: "R1"}); err != nil {
		t.Fatal(err)
	}
	if called.ids.TraceID().String() != "0af7651916cd43dd8448eb211c80319c" || called.ids.SpanID().String() == "b7ad6b7169203331" {
		t.Errorf("the call is in %+v; want a span of its own in the caller's trace", called.ids)
	}
}
