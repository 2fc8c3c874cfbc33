package mongodb

import (
	"context"
	"errors"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/steadfast-shop/steadfast/shared-kit/batch"

	"github.com/steadfast-shop/steadfast/order-service/internal/order"
)

// insertBatch is the most documents that are inserted together.
const insertBatch = 256

// inserter inserts the documents of concurrent requests together; each request gets its own answer.
type inserter struct {
	collection *mongo.Collection
	batcher    *batch.Batcher[any]
}

func newInserter(collection *mongo.Collection) *inserter {
	i := &inserter{collection: collection}
	i.batcher = batch.New(insertBatch, callTimeout, i.insertMany)
	return i
}

// insertMany is unordered, so that a duplicate keeps none of the others out.
func (i *inserter) insertMany(ctx context.Context, documents []any) []error {
	_, err := i.collection.InsertMany(ctx, documents, options.InsertMany().SetOrdered(false))
	return translateEach(err, len(documents))
}

func (i *inserter) insert(ctx context.Context, document any) error {
	ctx, span := startSpan(ctx, "insert", i.collection.Name())
	defer span.End()
	err := i.batcher.Do(ctx, document)
	if err == nil || errors.Is(err, order.ErrDuplicate) {
		return err
	}
	span.RecordError(err)
	return unavailable(err)
}

func startSpan(ctx context.Context, operation, collection string) (context.Context, trace.Span) {
	return otel.Tracer("mongodb").Start(ctx, operation+" "+collection, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(
		attribute.String("db.system.name", "mongodb"),
		attribute.String("db.operation.name", operation),
		attribute.String("db.collection.name", collection),
	))
}

// RunInserts does the inserts of both collections until ctx ends.
func RunInserts(ctx context.Context, journal *Journal, decisions *Decisions) error {
	done := make(chan error, 1)
	go func() { done <- journal.inserts.batcher.Run(ctx) }()
	err := decisions.inserts.batcher.Run(ctx)
	if other := <-done; err == nil {
		err = other
	}
	return err
}

var (
	_ order.Journal   = (*Journal)(nil)
	_ order.Decisions = (*Decisions)(nil)
)
