package mongodb

import (
	"context"
	"errors"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/steadfast-shop/steadfast/shared-kit/batch"

	"github.com/steadfast-shop/steadfast/order-service/internal/order"
)

// insertBatch is the most documents that are inserted together.
const insertBatch = 256

// inserter inserts the documents of concurrent requests together; each request gets its own answer.
type inserter struct {
	collection *mongo.Collection
	batcher    *batch.Batcher[insertion]
}

// insertion is one request's document, with the request's context: its trace is there.
type insertion struct {
	ctx      context.Context //nolint:containedctx // the request's: only its trace is looked at
	document any
}

func newInserter(collection *mongo.Collection) *inserter {
	i := &inserter{collection: collection}
	i.batcher = batch.New(insertBatch, callTimeout, i.insertMany)
	return i
}

// insertMany is unordered, so that a duplicate keeps none of the others out.
func (i *inserter) insertMany(ctx context.Context, insertions []insertion) []error {
	documents := make([]any, len(insertions))
	for n, insertion := range insertions {
		documents[n] = insertion.document
	}
	ctx, span := startBatch(ctx, i.collection.Name(), insertions)
	// gofail: var insertManyBefore struct{}
	_, err := i.collection.InsertMany(ctx, documents, options.InsertMany().SetOrdered(false))
	// gofail: var insertManyAfter struct{}
	results := translateEach(err, len(documents))
	endBatch(span, results)
	return results
}

func (i *inserter) insert(ctx context.Context, document any) error {
	ctx, span := startWait(ctx, i.collection.Name())
	defer span.End()
	err := i.batcher.Do(ctx, insertion{ctx, document})
	if err == nil || errors.Is(err, order.ErrDuplicate) {
		return err
	}
	fail(span, err)
	return unavailable(err)
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
