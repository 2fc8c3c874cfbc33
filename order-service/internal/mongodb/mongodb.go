// Package mongodb keeps the journal and the decisions in MongoDB. Both collections are only inserted into and deleted from: a unique _id is all the atomicity that is asked for.
package mongodb

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/connstring"
)

const (
	defaultDatabase = "order"
	// callTimeout bounds every call whose context does not bound it more.
	callTimeout = 2 * time.Second
	maxPoolSize = 64
)

// Database is the order database. It is safe for concurrent use.
type Database struct {
	client   *mongo.Client
	inflight *mongo.Collection
	orders   *mongo.Collection
}

// Open prepares the database that the URI names ("order" where it names none); it does not connect yet, so that the service starts while the database is away.
func Open(uri string) (*Database, error) {
	parsed, err := connstring.ParseAndValidate(uri)
	if err != nil {
		return nil, fmt.Errorf("read the MongoDB URI: %w", err)
	}
	client, err := mongo.Connect(options.Client().ApplyURI(uri).
		SetWriteConcern(writeconcern.Majority()).
		SetReadConcern(readconcern.Majority()).
		SetTimeout(callTimeout).
		SetConnectTimeout(callTimeout).
		SetServerSelectionTimeout(callTimeout).
		SetMaxPoolSize(maxPoolSize))
	if err != nil {
		return nil, fmt.Errorf("prepare the MongoDB client: %w", err)
	}
	name := parsed.Database
	if name == "" {
		name = defaultDatabase
	}
	db := client.Database(name)
	return &Database{client: client, inflight: db.Collection("inflight"), orders: db.Collection("orders")}, nil
}

// Ping asks the database for a sign of life.
func (d *Database) Ping(ctx context.Context) error { return translate(d.client.Ping(ctx, nil)) }

// KeepIndexing makes the indexes that are missing, as soon as the database lets it.
func (d *Database) KeepIndexing(ctx context.Context, log *slog.Logger) error {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		err := d.ensureIndexes(ctx)
		if err == nil {
			return nil
		}
		log.WarnContext(ctx, "indexes wait for the database", "error", err)
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

func (d *Database) ensureIndexes(ctx context.Context) error {
	for collection, keys := range map[*mongo.Collection]bson.D{
		d.orders:   {{Key: "userId", Value: 1}, {Key: "decidedAt", Value: 1}},
		d.inflight: {{Key: "receivedAt", Value: 1}},
	} {
		if _, err := collection.Indexes().CreateOne(ctx, mongo.IndexModel{Keys: keys}); err != nil {
			return fmt.Errorf("index %s: %w", collection.Name(), translate(err))
		}
	}
	return nil
}

// findOne returns the document of the number, or order.ErrNotFound.
func findOne[Row any](ctx context.Context, collection *mongo.Collection, number string) (row Row, err error) {
	ctx, span := startCall(ctx, "find", collection.Name())
	err = translate(collection.FindOne(ctx, bson.D{{Key: "_id", Value: number}}).Decode(&row))
	endCall(span, err)
	return row, err
}

// Close ends all connections.
func (d *Database) Close(ctx context.Context) error { return translate(d.client.Disconnect(ctx)) }
