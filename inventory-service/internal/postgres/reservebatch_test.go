package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/steadfast-shop/steadfast/inventory-service/internal/postgres"
	"github.com/steadfast-shop/steadfast/inventory-service/internal/stock"
)

// TestConcurrentReservationsGoOutTogether holds the first reservation up at a lock, so that all kinds of reservations gather behind it.
func TestConcurrentReservationsGoOutTogether(t *testing.T) {
	repository, other := openBesideConnection(t)
	create := func(skuCode string, quantity int64) {
		if err := repository.CreateItem(t.Context(), stock.Item{SKUCode: skuCode, Quantity: quantity}); err != nil {
			t.Fatal(err)
		}
	}
	create("A", 110)
	create("B", 5)
	type asked struct {
		id      string
		skuCode string
		units   int64
	}
	calls := []asked{{"known", "B", 1}, {"twice", "B", 1}, {"twice", "B", 1}, {"unknown", "C", 1}, {"huge", "A", 111}}
	for i := range 50 {
		calls = append(calls, asked{fmt.Sprint("A", i), "A", 1})
	}
	for i := range 3 { // any one of them alone would fit, and two would not: one unit is with known, one with twice
		calls = append(calls, asked{fmt.Sprint("B", i), "B", 2})
	}
	reserve := func(c asked) (stock.Reservation, error) {
		return repository.Reserve(t.Context(), c.id, stock.NewLines(stock.Line{SKUCode: c.skuCode, Quantity: c.units}))
	}
	if _, err := reserve(calls[0]); err != nil {
		t.Fatal(err)
	}
	release := lockStock(t, other, "A")
	var finished sync.WaitGroup
	states := make(chan stock.State, 100)
	finished.Go(func() { // waits for the lock, and everybody for it
		if _, err := reserve(asked{"first", "A", 1}); err != nil {
			t.Error(err)
		}
	})
	awaitLockWaiter(t, other)
	for _, c := range calls {
		finished.Go(func() {
			reservation, err := reserve(c)
			if err != nil {
				t.Errorf("%s: %v", c.id, err)
			}
			states <- reservation.State
		})
	}
	awaitWaiting(t, repository, len(calls))
	release()
	finished.Wait()
	close(states)
	got := map[stock.State]int{}
	for state := range states {
		got[state]++
	}
	// Refused: unknown, huge, and two of the three that want what is left of B.
	if want := (map[stock.State]int{stock.Reserved: len(calls) - 4, stock.Refused: 4}); !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	left, err := repository.Quantities(t.Context(), []string{"A", "B"})
	if want := (map[string]int64{"A": 110 - 51, "B": 1}); err != nil || !maps.Equal(left, want) {
		t.Errorf("left are %v, %v, want %v", left, err, want)
	}
	var transactions, reservations int
	if err := other.QueryRow(t.Context(), "SELECT count(DISTINCT xmin::text), count(*) FROM reservations").Scan(&transactions, &reservations); err != nil {
		t.Fatal(err)
	}
	// Those before, the first one, the batch, and the three that it leaves undecided.
	if transactions > 6 {
		t.Errorf("%d reservations took %d transactions", reservations, transactions)
	}
}

// TestOneBadReservationKeepsNoOtherOut puts one among the others that the database cannot take: it does not allow the zero byte in texts.
func TestOneBadReservationKeepsNoOtherOut(t *testing.T) {
	repository, other := openBesideConnection(t)
	if err := repository.CreateItem(t.Context(), stock.Item{SKUCode: "A", Quantity: 100}); err != nil {
		t.Fatal(err)
	}
	reserve := func(id string) error {
		_, err := repository.Reserve(t.Context(), id, stock.NewLines(stock.Line{SKUCode: "A", Quantity: 1}))
		return err
	}
	release := lockStock(t, other, "A")
	var finished sync.WaitGroup
	finished.Go(func() { // waits for the lock, and everybody for it
		if err := reserve("first"); err != nil {
			t.Error(err)
		}
	})
	awaitLockWaiter(t, other)
	for i := range 20 {
		finished.Go(func() {
			id := fmt.Sprint("R", i)
			if i == 10 {
				id += "\x00"
			}
			if err := reserve(id); (err != nil) != (i == 10) || errors.Is(err, stock.ErrUnavailable) {
				t.Errorf("%q: %v", id, err)
			}
		})
	}
	awaitWaiting(t, repository, 20)
	release()
	finished.Wait()
}

// openBesideConnection returns a migrated repository, and a connection of its own to the same database.
func openBesideConnection(t *testing.T) (*postgres.Repository, *pgx.Conn) {
	t.Helper()
	url := server.NewDatabase(t)
	repository := open(t, url)
	if err := repository.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	other, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := other.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return repository, other
}

// lockStock holds the SKU's row until release is called.
func lockStock(t *testing.T, conn *pgx.Conn, skuCode string) (release func()) {
	t.Helper()
	tx, err := conn.Begin(t.Context())
	if err == nil {
		_, err = tx.Exec(t.Context(), "SELECT FROM stock WHERE sku_code = $1 FOR UPDATE", skuCode)
	}
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := tx.Commit(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// awaitLockWaiter returns once another connection waits for what conn holds.
func awaitLockWaiter(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	await(t, func() bool {
		var waits bool
		err := conn.QueryRow(t.Context(), "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pg_backend_pid() = ANY(pg_blocking_pids(pid)))").Scan(&waits)
		if err != nil {
			t.Fatal(err)
		}
		return waits
	})
}

// awaitWaiting returns once as many reservations wait behind a batch.
func awaitWaiting(t *testing.T, repository *postgres.Repository, want int) {
	t.Helper()
	await(t, func() bool { return repository.WaitingReservations() >= want })
}

func await(t *testing.T, is func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	late := time.After(30 * time.Second)
	for !is() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatal("waited in vain")
		}
	}
}
