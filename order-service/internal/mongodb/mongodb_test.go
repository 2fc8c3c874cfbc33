package mongodb_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/steadfast-shop/steadfast/order-service/internal/mongodb"
	"github.com/steadfast-shop/steadfast/order-service/internal/order"
	"github.com/steadfast-shop/steadfast/order-service/internal/ordertest"
	"github.com/steadfast-shop/steadfast/shared-kit/stacktest"
)

// suite is what the tests of this package share.
type suite struct {
	stack     *stacktest.Stack
	databases atomic.Int32
}

var shared suite //nolint:gochecknoglobals // one server for all tests of the package

func TestMain(m *testing.M) {
	os.Exit(stacktest.Main("ferretdb", func(stack *stacktest.Stack) int {
		shared.stack = stack
		return m.Run()
	}))
}

// open returns the stores of a new database, working until the test ends.
func open(t *testing.T) (*mongodb.Database, ordertest.Stores) {
	t.Helper()
	return openAt(t, newURI(t))
}

// newURI names a database that is not there yet.
func newURI(t *testing.T) *url.URL {
	t.Helper()
	uri, err := url.Parse(shared.stack.MongoDB)
	if err != nil {
		t.Fatal(err)
	}
	uri.Path = fmt.Sprintf("/order%d_%d", os.Getpid(), shared.databases.Add(1))
	return uri
}

func openAt(t *testing.T, uri *url.URL) (*mongodb.Database, ordertest.Stores) {
	t.Helper()
	database, err := mongodb.Open(uri.String())
	if err != nil {
		t.Fatal(err)
	}
	if err := database.KeepIndexing(t.Context(), slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	journal, decisions := mongodb.NewJournal(database), mongodb.NewDecisions(database)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- mongodb.RunInserts(ctx, journal, decisions) }()
	t.Cleanup(func() {
		stop()
		if err := errors.Join(<-done, database.Close(context.Background())); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return database, ordertest.Stores{Journal: journal, Decisions: decisions}
}

func TestContract(t *testing.T) {
	ordertest.RunContract(t, func(t *testing.T) ordertest.Stores {
		_, stores := open(t)
		return stores
	})
}

// TestDatabaseAway takes the database away for a while: every call says so in time, and works again once it is back.
func TestDatabaseAway(t *testing.T) {
	database, stores := open(t)
	entry := ordertest.EntryOf(ordertest.Buy("N", "user", ordertest.Units("A", 1)), 1)
	if err := shared.stack.Control("stop", "ferretdb"); err != nil {
		t.Fatal(err)
	}
	for name, call := range map[string]func(context.Context) error{
		"ping":   database.Ping,
		"insert": func(ctx context.Context) error { return stores.Journal.Insert(ctx, entry) },
		"find":   func(ctx context.Context) error { _, err := stores.Decisions.Find(ctx, "N"); return err },
		"list": func(ctx context.Context) error {
			_, err := stores.Decisions.Placed(ctx, "user", order.Decision{}, 1)
			return err
		},
		"delete": func(ctx context.Context) error { return stores.Journal.Delete(ctx, []string{"N"}) },
		"sweep": func(ctx context.Context) error {
			return stores.Journal.Abandoned(ctx, time.Now(), func(order.Entry) error { return nil })
		},
	} {
		began := time.Now()
		if err := call(t.Context()); !errors.Is(err, order.ErrUnavailable) {
			t.Errorf("%s without a database: %v; want ErrUnavailable", name, err)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%s without a database took %s", name, took)
		}
	}
	if err := shared.stack.Control("start", "ferretdb"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		err := stores.Journal.Insert(ctx, entry)
		if err == nil || errors.Is(err, order.ErrDuplicate) {
			return
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			t.Fatalf("the database is back, but Insert says %v", err)
		}
	}
}

// TestDeleteFromAJournalThatHasPiledUp deletes where FerretDB takes longer to look for many numbers at once than a call may take.
func TestDeleteFromAJournalThatHasPiledUp(t *testing.T) {
	const piledUp, deleted = 4_000, 200
	uri := newURI(t)
	_, stores := openAt(t, uri)
	client, err := mongo.Connect(options.Client().ApplyURI(uri.String()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Disconnect(context.Background()) //nolint:errcheck // the test is about something else
	inflight := client.Database(strings.Trim(uri.Path, "/")).Collection("inflight")
	number := func(i int) string { return fmt.Sprint("N", i) }
	for i := 0; i < piledUp; i += 1000 {
		entries := make([]any, 1000)
		for j := range entries {
			entries[j] = bson.D{{Key: "_id", Value: number(i + j)}, {Key: "receivedAt", Value: time.Now()}, {Key: "lines", Value: make([]string, 400)}}
		}
		if _, err := inflight.InsertMany(t.Context(), entries); err != nil {
			t.Fatal(err)
		}
	}
	numbers := make([]string, deleted)
	for i := range numbers {
		numbers[i] = number(i * piledUp / deleted)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for err := stores.Journal.Delete(ctx, numbers); err != nil; err = stores.Journal.Delete(ctx, numbers) { // as the sweeper would, on a busy machine
		if ctx.Err() != nil {
			t.Fatal(err)
		}
	}
	left, err := inflight.CountDocuments(t.Context(), bson.D{})
	if err != nil || left != piledUp-deleted {
		t.Errorf("%d of %d are left, %v; want %d", left, piledUp, err, piledUp-deleted)
	}
}

// TestUnreadableEntryKeepsNoOtherFromTheSweeper puts an entry into the journal that no version of ours has written.
func TestUnreadableEntryKeepsNoOtherFromTheSweeper(t *testing.T) {
	uri := newURI(t)
	_, stores := openAt(t, uri)
	client, err := mongo.Connect(options.Client().ApplyURI(uri.String()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Disconnect(context.Background()) //nolint:errcheck // the test is about something else
	inflight := client.Database(strings.Trim(uri.Path, "/")).Collection("inflight")
	for _, entry := range []any{
		bson.D{{Key: "_id", Value: "a"}, {Key: "receivedAt", Value: time.UnixMilli(0)}, {Key: "order", Value: "none"}},
		bson.D{{Key: "_id", Value: "b"}, {Key: "receivedAt", Value: time.UnixMilli(0)}, {Key: "order", Value: bson.D{{Key: "lines", Value: bson.A{bson.D{{Key: "priceMinor", Value: int64(-1)}}}}}}},
	} {
		if _, err := inflight.InsertOne(t.Context(), entry); err != nil {
			t.Fatal(err)
		}
	}
	if err := stores.Journal.Insert(t.Context(), ordertest.EntryOf(ordertest.Buy("good", "user", ordertest.Units("A", 1)), 1)); err != nil {
		t.Fatal(err)
	}
	var visited []string
	err = stores.Journal.Abandoned(t.Context(), time.Now(), func(e order.Entry) error {
		visited = append(visited, e.Order.Number)
		return nil
	})
	if !slices.Equal(visited, []string{"good"}) || err == nil || !strings.Contains(err.Error(), "2 journal entries cannot be read") {
		t.Errorf("visited %q, %v; want good, and an error about the other two", visited, err)
	}
}

func TestOpenRefusesBadURIs(t *testing.T) {
	for _, uri := range []string{"", "postgres://host/db", "mongodb://", "mongodb://host/?connectTimeoutMS=soon"} {
		if _, err := mongodb.Open(uri); err == nil {
			t.Errorf("Open(%q): no error", uri)
		}
	}
}
