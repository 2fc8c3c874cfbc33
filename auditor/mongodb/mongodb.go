// Package mongodb reads order-service's database for the auditor. It never writes, and reads only what a majority has.
package mongodb

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/connstring"

	"github.com/steadfast-shop/steadfast/auditor/audit"
)

const (
	// defaultDatabase is order-service's where its URI names none.
	defaultDatabase = "order"
	connectTimeout  = 5 * time.Second
	// batchTimeout bounds each batch; the first of a sorted stream takes longest where the server sorts in memory.
	batchTimeout = 2 * time.Minute
	batchSize    = 2000
)

// Orders is the order database. It implements audit.Orders.
type Orders struct {
	client   *mongo.Client
	inflight *mongo.Collection
	orders   *mongo.Collection
}

type lineRow struct {
	SKU        string `bson:"skuCode"`
	Quantity   int64  `bson:"quantity"`
	PriceMinor int64  `bson:"priceMinor"`
}

// decisionRow is a document of orders, as far as it is needed.
type decisionRow struct {
	Number    string    `bson:"_id"`
	Status    string    `bson:"status"`
	UserID    string    `bson:"userId"`
	Lines     []lineRow `bson:"lines"`
	DecidedAt time.Time `bson:"decidedAt"`
}

// entryRow is a document of inflight: nothing about the customer is read.
type entryRow struct {
	Number     string    `bson:"_id"`
	ReceivedAt time.Time `bson:"receivedAt"`
}

// Open connects to the database that the URI names; which one that is where it names none, order-service decided.
func Open(ctx context.Context, uri string) (*Orders, error) {
	parsed, err := connstring.ParseAndValidate(uri)
	if err != nil {
		return nil, errors.New("ORDER_MONGODB_URI is no MongoDB URI; write it like mongodb://user:password@host:27017/order") // the error may quote the password
	}
	client, err := mongo.Connect(options.Client().ApplyURI(uri).
		SetAppName("auditor").
		SetReadConcern(readconcern.Majority()).
		SetReadPreference(readpref.Primary()).
		SetConnectTimeout(connectTimeout).
		SetServerSelectionTimeout(connectTimeout).
		SetMaxPoolSize(2))
	if err != nil {
		return nil, fmt.Errorf("prepare the MongoDB client: %w", err)
	}
	bounded, cancel := context.WithTimeout(ctx, 2*connectTimeout)
	defer cancel()
	if err := client.Ping(bounded, nil); err != nil {
		return nil, errors.Join(fmt.Errorf("connect to MongoDB: %w", err), client.Disconnect(bounded))
	}
	name := parsed.Database
	if name == "" {
		name = defaultDatabase
	}
	db := client.Database(name)
	return &Orders{client: client, inflight: db.Collection("inflight"), orders: db.Collection("orders")}, nil
}

// Close ends all connections.
func (o *Orders) Close(ctx context.Context) error { return o.client.Disconnect(ctx) }

// Orders implements audit.Orders.
func (o *Orders) Orders(ctx context.Context) iter.Seq2[audit.Order, error] {
	projection := bson.D{{Key: "status", Value: 1}, {Key: "userId", Value: 1}, {Key: "lines", Value: 1}, {Key: "decidedAt", Value: 1}}
	return stream(ctx, o.orders, options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}).SetProjection(projection), decisionRow.order)
}

// Journal implements audit.Orders.
func (o *Orders) Journal(ctx context.Context) iter.Seq2[audit.JournalEntry, error] {
	return stream(ctx, o.inflight, options.Find().SetProjection(bson.D{{Key: "receivedAt", Value: 1}}),
		func(row entryRow) audit.JournalEntry { return audit.JournalEntry(row) })
}

// Find implements audit.Orders. It filters by _id alone, which every server answers from an index.
func (o *Orders) Find(ctx context.Context, number string) (order *audit.Order, journaled bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, batchTimeout)
	defer cancel()
	id := bson.D{{Key: "_id", Value: number}}
	var entry entryRow
	switch err := o.inflight.FindOne(ctx, id, options.FindOne().SetProjection(bson.D{{Key: "receivedAt", Value: 1}})).Decode(&entry); {
	case err == nil:
		journaled = true
	case !errors.Is(err, mongo.ErrNoDocuments):
		return nil, false, fmt.Errorf("look into the journal: %w", err)
	}
	var row decisionRow
	switch err := o.orders.FindOne(ctx, id).Decode(&row); {
	case errors.Is(err, mongo.ErrNoDocuments):
		return nil, journaled, nil
	case err != nil:
		return nil, false, fmt.Errorf("look for a decision: %w", err)
	}
	found := row.order()
	return &found, journaled, nil
}

func (r decisionRow) order() audit.Order {
	lines := make([]audit.Line, len(r.Lines))
	for i, line := range r.Lines {
		lines[i] = audit.Line(line)
	}
	return audit.Order{Number: r.Number, Status: r.Status, UserID: r.UserID, Lines: lines, DecidedAt: r.DecidedAt}
}

// stream yields the documents of a collection, a batch of them in memory at a time.
func stream[Row, Fact any](ctx context.Context, collection *mongo.Collection, how *options.FindOptionsBuilder, fact func(Row) Fact) iter.Seq2[Fact, error] {
	return func(yield func(Fact, error) bool) {
		fail := func(err error) {
			var none Fact
			yield(none, fmt.Errorf("read the collection %s: %w", collection.Name(), err))
		}
		bounded, cancel := context.WithTimeout(ctx, batchTimeout)
		cursor, err := collection.Find(bounded, bson.D{}, how.SetBatchSize(batchSize))
		cancel()
		if err != nil {
			fail(err)
			return
		}
		defer func() {
			bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), connectTimeout)
			defer cancel()
			_ = cursor.Close(bounded) // only read
		}()
		for advance(ctx, cursor) {
			var row Row
			if err := cursor.Decode(&row); err != nil {
				fail(err)
				return
			}
			if !yield(fact(row), nil) {
				return
			}
		}
		if err := cursor.Err(); err != nil {
			fail(err)
		}
	}
}

// advance bounds the fetch of the next batch.
func advance(ctx context.Context, cursor *mongo.Cursor) bool {
	if cursor.RemainingBatchLength() > 0 {
		return cursor.Next(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, batchTimeout)
	defer cancel()
	return cursor.Next(ctx)
}
