package mongodb

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/steadfast-shop/steadfast/order-service/internal/order"
)

const (
	// togetherTimeout leaves time to delete one by one.
	togetherTimeout = 500 * time.Millisecond
	// slowPause is how long after a time-out entries are deleted one by one.
	slowPause = 30 * time.Second
)

// Journal is the collection inflight. Its inserts work while RunInserts does.
type Journal struct {
	inserts *inserter
	slowAt  atomic.Int64 // when the server was last too slow to delete together, in Unix nanoseconds
}

// NewJournal returns the database's journal.
func NewJournal(d *Database) *Journal { return &Journal{inserts: newInserter(d.inflight)} }

// Insert implements order.Journal.
func (j *Journal) Insert(ctx context.Context, entry order.Entry) error {
	return j.inserts.insert(ctx, rowOfEntry(entry))
}

// Find implements order.Journal.
func (j *Journal) Find(ctx context.Context, number string) (order.Entry, error) {
	row, err := findOne[entryRow](ctx, j.collection(), number)
	if err != nil {
		return order.Entry{}, err
	}
	return row.entry()
}

// Abandoned implements order.Journal. It holds one batch of the cursor in memory at a time. An entry that cannot be read keeps none of the others from being visited.
func (j *Journal) Abandoned(ctx context.Context, before time.Time, visit func(order.Entry) error) (err error) {
	filter := bson.D{{Key: "receivedAt", Value: bson.D{{Key: "$lt", Value: before}}}}
	cursor, err := j.collection().Find(ctx, filter, options.Find().SetBatchSize(500))
	if err != nil {
		return translate(err)
	}
	defer func() { err = errors.Join(err, translate(cursor.Close(context.WithoutCancel(ctx)))) }()
	unreadable, count := error(nil), 0
	for cursor.Next(ctx) {
		entry, err := decodeEntry(cursor)
		if err != nil {
			unreadable, count = err, count+1
			continue
		}
		if err := visit(entry); err != nil {
			return err
		}
	}
	if count > 0 {
		unreadable = fmt.Errorf("%d journal entries cannot be read, one of them: %w", count, unreadable)
	}
	return errors.Join(translate(cursor.Err()), unreadable)
}

func decodeEntry(cursor *mongo.Cursor) (order.Entry, error) {
	var row entryRow
	if err := cursor.Decode(&row); err != nil {
		return order.Entry{}, fmt.Errorf("read journal entry %s: %w", cursor.Current.Lookup("_id"), err)
	}
	return row.entry()
}

// Delete implements order.Journal: with one statement for all numbers, or one for each where the server is slow about the former. MongoDB finds them in the index; FerretDB
// reads the whole journal, which is small unless it has piled up.
func (j *Journal) Delete(ctx context.Context, numbers []string) error {
	if len(numbers) > 1 && time.Since(time.Unix(0, j.slowAt.Load())) > slowPause {
		err := j.deleteTogether(ctx, numbers)
		if err == nil || !mongo.IsTimeout(err) {
			return translate(err)
		}
		j.slowAt.Store(time.Now().UnixNano())
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	deletes := make([]mongo.WriteModel, len(numbers))
	for i, number := range numbers {
		deletes[i] = mongo.NewDeleteOneModel().SetFilter(bson.D{{Key: "_id", Value: number}})
	}
	// gofail: var deleteEachBefore struct{}
	_, err := j.collection().BulkWrite(ctx, deletes, options.BulkWrite().SetOrdered(false))
	// gofail: var deleteEachAfter struct{}
	return translate(err)
}

func (j *Journal) deleteTogether(ctx context.Context, numbers []string) error {
	ctx, cancel := context.WithTimeout(ctx, togetherTimeout)
	defer cancel()
	// gofail: var deleteTogetherBefore struct{}
	_, err := j.collection().DeleteMany(ctx, bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: numbers}}}})
	// gofail: var deleteTogetherAfter struct{}
	return err
}

func (j *Journal) collection() *mongo.Collection { return j.inserts.collection }
