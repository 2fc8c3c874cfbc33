package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/steadfast-shop/steadfast/inventory-service/internal/postgres"
	"github.com/steadfast-shop/steadfast/inventory-service/internal/postgrestest"
	"github.com/steadfast-shop/steadfast/inventory-service/internal/stock"
)

// inTime is a bound that a call must keep even on a busy machine; requests have 2 s.
const inTime = 2500 * time.Millisecond

func TestReplicasMigrateAtOnce(t *testing.T) {
	url := server.NewDatabase(t)
	var finished sync.WaitGroup
	for range 4 {
		repository := open(t, url)
		finished.Go(func() {
			if err := repository.Migrate(t.Context()); err != nil {
				t.Errorf("migrate: %v", err)
			}
			if _, err := repository.Quantities(t.Context(), []string{"A"}); err != nil {
				t.Errorf("read after the migration: %v", err)
			}
		})
	}
	finished.Wait()
}

func TestCallsBeforeTheMigration(t *testing.T) {
	repository := open(t, server.NewDatabase(t))
	wantAway(t, "Check", repository.Check(t.Context()))
	wantAllAway(t, repository)
}

func TestDatabaseThatComesLater(t *testing.T) {
	own := postgrestest.NewForTest(t)
	repository := open(t, own.URL("postgres"))
	migrated := make(chan error, 1)
	go func() { migrated <- repository.KeepMigrating(t.Context(), slog.New(slog.DiscardHandler)) }()
	wantAway(t, "Check", repository.Check(t.Context()))
	start(t, own)
	if err := <-migrated; err != nil {
		t.Fatal(err)
	}
	if err := repository.Check(t.Context()); err != nil {
		t.Errorf("Check: %v", err)
	}
}

func TestFrozenDatabase(t *testing.T) {
	own, repository := startOwn(t)
	own.Freeze(t)
	// More calls than connections: none may hang, neither on a connection nor in the wait for one.
	var finished sync.WaitGroup
	for i := range 64 {
		finished.Go(func() {
			begin := time.Now()
			_, err := repository.Reserve(t.Context(), fmt.Sprint("R", i), stock.NewLines(stock.Line{SKUCode: "A", Quantity: 1}))
			wantAway(t, "Reserve", err)
			if took := time.Since(begin); took > inTime {
				t.Errorf("Reserve took %s, want at most %s", took, inTime)
			}
		})
	}
	finished.Wait()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := repository.Check(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a caller with less time: got %v, want %v", err, context.DeadlineExceeded)
	}
	own.Thaw(t)
	wantRecovery(t, repository)

	// What was repeated after the thaw, and what the server did of its own, hold together.
	var reserved int64
	for i := range 64 {
		reservation, err := repository.Reserve(t.Context(), fmt.Sprint("R", i), stock.NewLines(stock.Line{SKUCode: "A", Quantity: 1}))
		if err != nil {
			t.Fatal(err)
		}
		if reservation.State == stock.Reserved {
			reserved++
		}
	}
	if quantities, err := repository.Quantities(t.Context(), []string{"A"}); err != nil || quantities["A"] != 1000-reserved {
		t.Errorf("got %v, %v after %d reservations of 1000 units", quantities, err, reserved)
	}
}

func TestCrashedDatabase(t *testing.T) {
	own, repository := startOwn(t)
	own.Stop()
	wantAllAway(t, repository)
	start(t, own)
	wantRecovery(t, repository)
}

func startOwn(t *testing.T) (*postgrestest.Server, *postgres.Repository) {
	t.Helper()
	own := postgrestest.NewForTest(t)
	start(t, own)
	repository := open(t, own.URL("postgres"))
	if err := repository.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := repository.CreateItem(t.Context(), stock.Item{SKUCode: "A", Quantity: 1000}); err != nil {
		t.Fatal(err)
	}
	return own, repository
}

func start(t *testing.T, own *postgrestest.Server) {
	t.Helper()
	if err := own.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func wantAllAway(t *testing.T, repository *postgres.Repository) {
	t.Helper()
	lines := stock.NewLines(stock.Line{SKUCode: "A", Quantity: 1})
	wantAway(t, "CreateItem", repository.CreateItem(t.Context(), stock.Item{SKUCode: "B", Quantity: 1}))
	_, err := repository.Quantities(t.Context(), []string{"A"})
	wantAway(t, "Quantities", err)
	_, err = repository.Adjust(t.Context(), stock.Adjustment{ID: "A-1", SKUCode: "A", Delta: 1})
	wantAway(t, "Adjust", err)
	_, err = repository.Reserve(t.Context(), "R", lines)
	wantAway(t, "Reserve", err)
	_, err = repository.Release(t.Context(), "R")
	wantAway(t, "Release", err)
}

func wantAway(t *testing.T, call string, err error) {
	t.Helper()
	if !errors.Is(err, stock.ErrUnavailable) {
		t.Errorf("%s: got %v, want %v", call, err, stock.ErrUnavailable)
	}
}

// wantRecovery waits until the repository serves again, at most inTime.
func wantRecovery(t *testing.T, repository *postgres.Repository) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), inTime)
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		_, err := repository.Quantities(ctx, []string{"A"})
		if err == nil {
			return
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			t.Fatalf("no recovery within %s: %v", inTime, err)
		}
	}
}
