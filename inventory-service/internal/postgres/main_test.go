package postgres_test

import (
	"context"
	"os"
	"testing"

	"github.com/steadfast-shop/steadfast/inventory-service/internal/postgres"
	"github.com/steadfast-shop/steadfast/inventory-service/internal/postgrestest"
	"github.com/steadfast-shop/steadfast/inventory-service/internal/stock"
	"github.com/steadfast-shop/steadfast/inventory-service/internal/stocktest"
)

var server *postgrestest.Server

func TestMain(m *testing.M) {
	os.Exit(postgrestest.Main(func(s *postgrestest.Server) int {
		server = s
		return m.Run()
	}))
}

func TestRepository(t *testing.T) {
	stocktest.TestRepository(t, func(t *testing.T) stock.Repository {
		repository := open(t, server.NewDatabase(t))
		if err := repository.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		return repository
	})
}

func TestCalls(t *testing.T) {
	repository := open(t, server.NewDatabase(t))
	if err := repository.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	stocktest.TestCalls(t, repository)
}

// open returns a repository that is not migrated yet; it is closed after the test.
func open(t *testing.T, url string) *postgres.Repository {
	t.Helper()
	repository, err := postgres.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	stopped := make(chan error, 1)
	go func() { stopped <- repository.RunReservations(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-stopped; err != nil {
			t.Errorf("reservations: %v", err)
		}
		if err := repository.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return repository
}
