package ferretdb_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"github.com/steadfast-shop/steadfast/devstack/internal/ferretdb"
	"github.com/steadfast-shop/steadfast/devstack/internal/ports"
	"github.com/steadfast-shop/steadfast/devstack/internal/postgres/postgrestest"
)

const (
	limit         = 30 * time.Second
	duplicateCode = 11000
)

// start runs FerretDB on a PostgreSQL of its own.
func start(t *testing.T) (*mongo.Database, *postgrestest.Server) {
	t.Helper()
	server := postgrestest.New(t, ferretdb.Database)
	free, err := ports.Free(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	socket, address := filepath.Join(t.TempDir(), "f.sock"), ports.Address(free[0])
	if ports.SocketFits(socket) {
		address = url.QueryEscape(socket)
		if err := os.WriteFile(socket, nil, 0o600); err != nil { // as one that a killed server has left
			t.Fatal(err)
		}
	} else {
		socket = ""
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- ferretdb.Run(ctx, free[0], socket, server.LocalURL(ferretdb.Database), slog.New(slog.DiscardHandler))
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	eventually(t, "FerretDB answers", func() bool { return ferretdb.Ready(free[0])(t.Context()) == nil })
	client, err := mongo.Connect(options.Client().ApplyURI("mongodb://" + address).SetWriteConcern(writeconcern.Majority()).SetTimeout(limit))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Disconnect(context.Background()) })
	return client.Database("order"), server
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("never: %s", what)
		}
	}
}

func documents(ids ...string) []any {
	var all []any
	for _, id := range ids {
		all = append(all, bson.M{"_id": id})
	}
	return all
}

// duplicates returns the indexes that an unordered insert refused as duplicates.
func duplicates(t *testing.T, err error) []int {
	t.Helper()
	if err == nil {
		return nil
	}
	var failed mongo.BulkWriteException
	if !errors.As(err, &failed) || failed.WriteConcernError != nil {
		t.Fatalf("got %v, want write errors only", err)
	}
	var indexes []int
	for _, e := range failed.WriteErrors {
		if e.Code != duplicateCode {
			t.Errorf("code: got %d, want %d", e.Code, duplicateCode)
		}
		indexes = append(indexes, e.Index)
	}
	return indexes
}

func count(t *testing.T, collection *mongo.Collection) int64 {
	t.Helper()
	n, err := collection.CountDocuments(t.Context(), bson.D{})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// The order service sends the inserts of concurrent requests together, and each
// request gets its own answer from the errors.
func TestUnorderedInsertAnswersForEachDocument(t *testing.T) {
	database, _ := start(t)
	unordered := options.InsertMany().SetOrdered(false)
	for _, c := range []struct {
		name  string
		ids   []string
		want  []int
		stays int64
	}{
		{"all new", []string{"a", "b", "c"}, nil, 3},
		{"known between good ones", []string{"d", "b", "e"}, []int{1}, 5},
		{"twice in one batch", []string{"f", "f", "g"}, []int{1}, 7},
		{"all known", []string{"a", "b"}, []int{0, 1}, 7},
	} {
		_, err := database.Collection("inflight").InsertMany(t.Context(), documents(c.ids...), unordered)
		if got := duplicates(t, err); !slices.Equal(got, c.want) {
			t.Errorf("%s: refused %v, want %v", c.name, got, c.want)
		}
		if got := count(t, database.Collection("inflight")); got != c.stays {
			t.Errorf("%s: %d documents, want %d", c.name, got, c.stays)
		}
	}

	var ids []string // more than FerretDB inserts in one statement
	for i := range 250 {
		ids = append(ids, fmt.Sprintf("many-%03d", i))
	}
	ids[60], ids[130], ids[249] = "a", "b", "many-000"
	_, err := database.Collection("inflight").InsertMany(t.Context(), documents(ids...), unordered)
	if got, want := duplicates(t, err), []int{60, 130, 249}; !slices.Equal(got, want) {
		t.Errorf("large batch: refused %v, want %v", got, want)
	}
	if got := count(t, database.Collection("inflight")); got != 7+247 {
		t.Errorf("large batch: %d documents, want %d", got, 7+247)
	}
}

// Every document that many clients insert at once is won by exactly one of them.
func TestConcurrentInsertsOfTheSameIDsHaveOneWinner(t *testing.T) {
	database, _ := start(t)
	const clients, shared = 32, 20
	var all sync.WaitGroup
	var mu sync.Mutex
	winners := map[string]int{}
	for client := range clients {
		all.Go(func() {
			ids := []string{fmt.Sprintf("own-%d-1", client)}
			for i := range shared {
				ids = append(ids, fmt.Sprintf("shared-%d", (i+client)%shared)) // each in another order
			}
			ids = append(ids, fmt.Sprintf("own-%d-2", client))
			_, err := database.Collection("orders").InsertMany(t.Context(), documents(ids...), options.InsertMany().SetOrdered(false))
			refused := duplicates(t, err)
			mu.Lock()
			defer mu.Unlock()
			for i, id := range ids {
				if !slices.Contains(refused, i) {
					winners[id]++
				}
			}
		})
	}
	all.Wait()
	if got, want := len(winners), shared+2*clients; got != want {
		t.Errorf("%d documents have a winner, want %d", got, want)
	}
	for id, n := range winners {
		if n != 1 {
			t.Errorf("%s: %d winners", id, n)
		}
	}
	if got, want := count(t, database.Collection("orders")), int64(shared+2*clients); got != want {
		t.Errorf("%d documents, want %d", got, want)
	}
}

func TestComesBackWhenPostgreSQLDoes(t *testing.T) {
	database, server := start(t)
	if _, err := database.Collection("orders").InsertOne(t.Context(), bson.M{"_id": "before"}); err != nil {
		t.Fatal(err)
	}
	server.Kill()
	server.Start()
	eventually(t, "inserts work again", func() bool {
		_, err := database.Collection("orders").InsertOne(t.Context(), bson.M{"_id": "after"})
		return err == nil || mongo.IsDuplicateKeyError(err)
	})
	if err := database.Collection("orders").FindOne(t.Context(), bson.M{"_id": "before"}).Err(); err != nil {
		t.Errorf("what was there before: %v", err)
	}
}

func TestCollectionsOfTheOrderServiceGetTheirIndexes(t *testing.T) {
	database, server := start(t)
	for _, name := range []string{"orders", "inflight", "other"} {
		if _, err := database.Collection(name).InsertOne(t.Context(), bson.M{"_id": "1", "userId": "u"}); err != nil {
			t.Fatal(err)
		}
	}
	conn, err := pgx.Connect(t.Context(), server.URL(ferretdb.Database))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context()) //nolint:errcheck // the test is about something else
	// It reads the catalog's tables alone: the view pg_indexes fails when an index is dropped while it is read.
	indexes := func(where string) (n int) {
		if err := conn.QueryRow(t.Context(), `SELECT count(*) FROM pg_class JOIN pg_am ON pg_am.oid = relam
			WHERE relnamespace = '"order"'::regnamespace AND relkind = 'i' AND `+where).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	eventually(t, "three indexes", func() bool { return indexes("amname = 'gin'") == 3 })
	if _, err := database.Collection("orders").Indexes().CreateOne(t.Context(), mongo.IndexModel{Keys: bson.D{{Key: "userId", Value: 1}}}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "no index but what is used", func() bool { return indexes("amname = 'btree' AND relname ~* 'userid'") == 0 })
	if _, err := database.Collection("orders").Indexes().CreateOne(t.Context(), mongo.IndexModel{Keys: bson.D{{Key: "userId", Value: 1}}}); err != nil {
		t.Errorf("an index that is there already: %v", err)
	}
	eventually(t, "no statistics but of the collection that is not indexed", func() bool {
		var with int
		err := conn.QueryRow(t.Context(), `SELECT count(DISTINCT attrelid) FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
			WHERE relnamespace = '"order"'::regnamespace AND relname !~ '^_ferretdb' AND relkind IN ('r', 'i') AND attnum > 0 AND attstattarget <> 0`).Scan(&with)
		if err != nil {
			t.Fatal(err)
		}
		return with == 2 // its table and its index of _id
	})

	if err := database.Collection("orders").Drop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := database.Collection("orders").InsertOne(t.Context(), bson.M{"_id": "1", "userId": "u"}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "three indexes after one collection was made again", func() bool { return indexes("amname = 'gin'") == 3 })
}
