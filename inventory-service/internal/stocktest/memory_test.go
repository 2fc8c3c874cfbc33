package stocktest_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/steadfast-shop/steadfast/inventory-service/internal/stock"
	"github.com/steadfast-shop/steadfast/inventory-service/internal/stocktest"
	"github.com/steadfast-shop/steadfast/shared-kit/property"
)

func TestMemory(t *testing.T) {
	stocktest.TestRepository(t, func(*testing.T) stock.Repository { return stocktest.NewMemory() })
}

func TestCalls(t *testing.T) {
	property.Default(t, "rapid.checks", "1000")
	stocktest.TestCalls(t, stocktest.NewMemory())
}

// TestCallsFindDeliberateFaults breaks one rule at a time; each must be found.
func TestCallsFindDeliberateFaults(t *testing.T) {
	for name, faulty := range map[string]stock.Repository{
		"reserve is not idempotent":            &takingAgain{Repository: stocktest.NewMemory()},
		"reserve compares no lines":            careless{stocktest.NewMemory()},
		"release leaves an unknown id unknown": &unbarred{Repository: stocktest.NewMemory()},
		"release gives nothing back":           keeping{stocktest.NewMemory()},
		"adjustment applied twice":             &adjustingAgain{Repository: stocktest.NewMemory()},
	} {
		t.Run(name, func(t *testing.T) {
			said := property.MustFail(t, 1000, func(r *property.Recorder) { stocktest.TestCalls(r, faulty) })
			if !strings.Contains(said, "no order of the calls") {
				t.Errorf("it failed for another reason:\n%s", said)
			}
			t.Log(strings.SplitN(said, ":", 2)[0])
		})
	}
}

// takingAgain takes the stock each time that it is asked.
type takingAgain struct {
	stock.Repository
	times atomic.Int64
}

func (r *takingAgain) Reserve(ctx context.Context, id string, lines stock.Lines) (stock.Reservation, error) {
	return r.Repository.Reserve(ctx, fmt.Sprint(id, " ", r.times.Add(1)), lines)
}

// careless answers as if the lines were those that it knows.
type careless struct{ stock.Repository }

func (r careless) Reserve(ctx context.Context, id string, lines stock.Lines) (stock.Reservation, error) {
	reservation, err := r.Repository.Reserve(ctx, id, lines)
	reservation.Lines = lines
	return reservation, err
}

// unbarred records no release of what it does not know.
type unbarred struct {
	stock.Repository
	known sync.Map
}

func (r *unbarred) Reserve(ctx context.Context, id string, lines stock.Lines) (stock.Reservation, error) {
	r.known.Store(id, true)
	return r.Repository.Reserve(ctx, id, lines)
}

func (r *unbarred) Release(ctx context.Context, id string) (stock.Reservation, error) {
	if _, known := r.known.Load(id); !known {
		return stock.Reservation{ID: id, State: stock.Released}, nil
	}
	return r.Repository.Release(ctx, id)
}

// keeping says that it has released, and has not.
type keeping struct{ stock.Repository }

func (keeping) Release(_ context.Context, id string) (stock.Reservation, error) {
	return stock.Reservation{ID: id, State: stock.Released}, nil
}

// adjustingAgain knows no adjustment again.
type adjustingAgain struct {
	stock.Repository
	times atomic.Int64
}

func (r *adjustingAgain) Adjust(ctx context.Context, a stock.Adjustment) (stock.RecordedAdjustment, error) {
	again := a
	again.ID = fmt.Sprint(a.ID, " ", r.times.Add(1))
	recorded, err := r.Repository.Adjust(ctx, again)
	recorded.Adjustment = a
	return recorded, err
}
