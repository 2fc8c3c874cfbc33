package stocktest_test

import (
	"testing"

	"github.com/steadfast-shop/steadfast/inventory-service/internal/stock"
	"github.com/steadfast-shop/steadfast/inventory-service/internal/stocktest"
)

func TestMemory(t *testing.T) {
	stocktest.TestRepository(t, func(*testing.T) stock.Repository { return stocktest.NewMemory() })
}
