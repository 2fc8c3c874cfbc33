package ordertest_test

import (
	"testing"

	"github.com/steadfast-shop/steadfast/order-service/internal/ordertest"
)

func TestMemoryKeepsTheContract(t *testing.T) {
	ordertest.RunContract(t, func(*testing.T) ordertest.Stores {
		links := ordertest.NewWorld(nil).Links(nil)
		return ordertest.Stores{Journal: links.Journal(), Decisions: links.Decisions()}
	})
}
