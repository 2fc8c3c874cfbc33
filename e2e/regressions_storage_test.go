package e2e_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/steadfast-shop/steadfast/e2e/internal/promises"
	"github.com/steadfast-shop/steadfast/e2e/internal/shop"
	"github.com/steadfast-shop/steadfast/e2e/internal/system"
)

// statementTap is a way to PostgreSQL that notes every statement which goes by.
type statementTap struct {
	listener net.Listener
	target   string
	carried  sync.WaitGroup

	mu         sync.Mutex
	conns      []net.Conn
	statements []string
}

// tapStatements returns the database's URL through a tap.
func tapStatements(t *testing.T, database string) (tapped string, tap *statementTap) {
	t.Helper()
	at, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	tap = &statementTap{listener: listener, target: at.Host}
	tap.carried.Go(tap.accept)
	t.Cleanup(tap.close)
	at.Host = listener.Addr().String()
	return at.String(), tap
}

func (s *statementTap) accept() {
	for {
		client, err := s.listener.Accept()
		if err != nil {
			return // it is closed
		}
		server, err := net.Dial("tcp", s.target)
		if err != nil {
			_ = client.Close()
			continue
		}
		s.mu.Lock()
		s.conns = append(s.conns, client, server)
		s.mu.Unlock()
		carry := func(to, from net.Conn, through io.Reader) {
			_, _ = io.Copy(to, through) // until either end closes
			_, _ = to.Close(), from.Close()
		}
		s.carried.Go(func() { carry(server, client, io.TeeReader(client, &statementReader{tap: s})) })
		s.carried.Go(func() { carry(client, server, server) })
	}
}

func (s *statementTap) close() {
	_ = s.listener.Close()
	s.mu.Lock()
	for _, conn := range s.conns {
		_ = conn.Close() // it may be closed already
	}
	s.mu.Unlock()
	s.carried.Wait()
}

// take returns the statements since the last call. A pool's comment, by which it sees that a connection lives, is none.
func (s *statementTap) take() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	taken := slices.DeleteFunc(s.statements, func(text string) bool { return strings.HasPrefix(text, "--") })
	s.statements = nil
	return taken
}

// statementReader reads what a client sends to PostgreSQL over one connection: a message without a type, and then messages of a type, a length and a body.
type statementReader struct {
	tap      *statementTap
	rest     []byte
	started  bool
	prepared map[string]string // texts by the names of statements
	bound    string            // the text that the next execution runs
}

// Write implements io.Writer, on whole and on broken messages.
func (r *statementReader) Write(p []byte) (int, error) {
	r.rest = append(r.rest, p...)
	for {
		header := 1
		if !r.started {
			header = 0
		}
		if len(r.rest) < header+4 {
			return len(p), nil
		}
		end := header + int(binary.BigEndian.Uint32(r.rest[header:]))
		if len(r.rest) < end {
			return len(p), nil
		}
		if r.started {
			r.message(r.rest[0], r.rest[header+4:end])
		}
		r.started, r.rest = true, r.rest[end:]
	}
}

// message notes what is run: a text by itself, or a text that was prepared and bound before.
func (r *statementReader) message(kind byte, body []byte) {
	texts := bytes.SplitN(body, []byte{0}, 3)
	run := ""
	switch kind {
	case 'P': // prepare: name, text
		if r.prepared == nil {
			r.prepared = make(map[string]string)
		}
		r.prepared[string(texts[0])] = string(texts[1])
	case 'B': // bind: portal, name
		r.bound = r.prepared[string(texts[1])]
	case 'E':
		run = r.bound
	case 'Q':
		run = string(texts[0])
	}
	if run == "" {
		return
	}
	r.tap.mu.Lock()
	defer r.tap.mu.Unlock()
	r.tap.statements = append(r.tap.statements, run)
}

// oneQueryForAllSKUs counts, on the way to PostgreSQL, the statements for stock requests and orders of ever more SKUs.
func oneQueryForAllSKUs(t *testing.T, w *world) {
	t.Parallel()
	database, tap := tapStatements(t, newDatabase(t, w))
	b := startBranch(t, w, database)
	record := promises.NewRecord()
	skus := make([]string, 30)
	for i := range skus {
		skus[i] = b.newStock(t, record, 1000)
	}
	b.warmUp(t, record, skus[0])
	for _, n := range []int{1, 2, len(skus), 1000} {
		codes := make([]string, n)
		for i := range codes {
			codes[i] = fmt.Sprintf("unknown-%d", i)
			if i < len(skus) {
				codes[i] = skus[i]
			}
		}
		tap.take()
		if quantities, err := b.shop.Quantities(t.Context(), codes...); err != nil || quantities[0] == nil {
			t.Fatalf("the stock of %d SKUs: %v", n, err)
		}
		if got := tap.take(); len(got) != 1 {
			t.Errorf("asking for %d SKUs took %d statements; want 1: %.300q", n, len(got), got)
		}
	}
	for _, n := range []int{1, 2, len(skus)} {
		order := newOrder("", 0)
		order.Price = ""
		for _, sku := range skus[:n] {
			order.Items = append(order.Items, shop.Item{SKU: sku, Price: "1", Quantity: 1})
		}
		tap.take()
		wantText(t, must(t)(record.Place(t.Context(), b.shop, order)), http.StatusCreated, shop.TextPlaced)
		if got := tap.take(); len(got) != 1 {
			t.Errorf("an order of %d lines took %d statements; want 1: %.300q", n, len(got), got)
		}
	}
}

const (
	fewOrders, manyOrders = 100, 100_000
	ordersOfAUser         = 10
	// listPairs is how often the list is asked for in either database.
	listPairs = 41
	// mostGrowth is how many times as long a list may take among many orders as among few. With an index it takes as long, and without one four times, on a busy machine, or more.
	mostGrowth = 2
	// indexedWithin is by when an order-service must have made its indexes; it bounds each insert, too.
	indexedWithin = 30 * time.Second
)

// listDoesNotGrow compares the list of one user among few orders with that among many, in turn, so that whatever else the machine does slows down both.
func listDoesNotGrow(t *testing.T, w *world) {
	t.Parallel()
	few, many := newMongoDB(t, w), newMongoDB(t, w)
	lists := make(map[string]*shop.Client)
	for _, database := range []string{few, many} {
		order := startService(t, system.Order, append(w.Settings(), "ORDER_MONGODB_URI="+database)...)
		if err := order.WaitReady(t.Context()); err != nil {
			t.Fatal(err)
		}
		_, lists[database] = startGateway(t, order.API, w.URLs.Inventory)
	}
	for _, database := range []string{few, many} {
		orders := ordersIn(t, database)
		eventually(t, indexedWithin, func(ctx context.Context) error { return isIndexed(ctx, orders) })
		insertOrders(t, orders, map[string]int{few: fewOrders, many: manyOrders}[database])
	}
	took := make(map[string][]time.Duration)
	for i := range listPairs {
		user := fmt.Sprintf("user-%d", i%(fewOrders/ordersOfAUser))
		for database, client := range lists {
			asked := time.Now()
			answer := must(t)(client.Orders(t.Context(), user, ""))
			took[database] = append(took[database], time.Since(asked))
			if strings.Count(answer.Body, `"orderNumber"`) != ordersOfAUser {
				t.Fatalf("the list of %s is %s; want %d orders", user, answer, ordersOfAUser)
			}
		}
	}
	amongFew, amongMany := undisturbed(took[few]), undisturbed(took[many])
	t.Logf("a list takes %v among %d orders, and %v among %d", amongFew, fewOrders, amongMany, manyOrders)
	if amongMany > mostGrowth*amongFew {
		t.Errorf("a list takes %.1f times as long among %d orders; want at most %d times", float64(amongMany)/float64(amongFew), manyOrders, mostGrowth)
	}
}

// undisturbed returns what a tenth of the times stay below: those that the rest of the machine has disturbed least.
func undisturbed(all []time.Duration) time.Duration {
	return slices.Sorted(slices.Values(all))[len(all)/10]
}

// ordersIn returns the collection of orders in a database.
func ordersIn(t *testing.T, database string) *mongo.Collection {
	t.Helper()
	at, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	client, err := mongo.Connect(options.Client().ApplyURI(database).SetTimeout(indexedWithin))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Disconnect(context.WithoutCancel(t.Context())) })
	return client.Database(strings.TrimPrefix(at.Path, "/")).Collection("orders")
}

// isIndexed returns an error while order-service has not made the index that a list needs. The local stack's server has ways of its own to use it; MongoDB takes it as it is.
func isIndexed(ctx context.Context, collection *mongo.Collection) error {
	indexes, err := collection.Indexes().ListSpecifications(ctx)
	if err != nil {
		return err
	}
	for _, index := range indexes {
		if keys, err := index.KeysDocument.Elements(); err == nil && len(keys) == 2 && keys[0].Key() == "userId" && keys[1].Key() == "decidedAt" {
			return nil
		}
	}
	return fmt.Errorf("the orders have %d indexes, but none of userId and decidedAt", len(indexes))
}

// insertOrders puts placed orders into the collection, ten for each user, as order-service does.
func insertOrders(t *testing.T, collection *mongo.Collection, n int) {
	t.Helper()
	const batch, writers = 1000, 4
	began, failed := time.Now(), make([]error, writers)
	var all sync.WaitGroup
	for writer := range writers {
		all.Go(func() {
			for from := writer * batch; from < n && failed[writer] == nil; from += writers * batch {
				_, failed[writer] = collection.InsertMany(t.Context(), placedOrders(began, from, min(from+batch, n)))
			}
		})
	}
	all.Wait()
	if err := errors.Join(failed...); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d orders are in after %v", n, time.Since(began).Round(time.Millisecond))
}

// placedOrders returns the documents of the orders with these numbers.
func placedOrders(began time.Time, from, to int) []any {
	documents := make([]any, 0, to-from)
	for i := from; i < to; i++ {
		at := began.Add(time.Duration(i) * time.Millisecond)
		documents = append(documents, bson.D{
			{Key: "_id", Value: fmt.Sprintf("ORD-%d", i)}, {Key: "status", Value: "PLACED"}, {Key: "userId", Value: fmt.Sprintf("user-%d", i/ordersOfAUser)},
			{Key: "lines", Value: bson.A{bson.D{
				{Key: "skuCode", Value: "SKU001"}, {Key: "quantity", Value: int64(1)}, {Key: "priceMinor", Value: int64(2999)}, {Key: "priceDecimals", Value: 2},
			}}},
			{Key: "fingerprint", Value: "none"}, {Key: "receivedAt", Value: at}, {Key: "decidedAt", Value: at},
		})
	}
	return documents
}
