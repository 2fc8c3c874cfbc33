package httpapi

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/steadfast-shop/steadfast/inventory-service/internal/stock"
	"github.com/steadfast-shop/steadfast/shared-kit/httpserver"
	"github.com/steadfast-shop/steadfast/shared-kit/problem"
)

// Codes of the inventory's problems. Codes never change their meaning.
const (
	codeUnknownSKU         = "unknown_sku"
	codeInsufficientStock  = "insufficient_stock"
	codeTooMuchStock       = "too_much_stock"
	codeAdjustmentConflict = "adjustment_conflict"
)

// problems says what a client hears of an error. What is not here is a 503 where something is away, else a 500 without detail.
var problems = []struct {
	err    error
	status int
	code   string
	detail string
}{
	{stock.ErrUnknownSKU, http.StatusNotFound, codeUnknownSKU, "There is no such SKU. Create it first."},
	{stock.ErrInsufficientStock, http.StatusConflict, codeInsufficientStock, "There are fewer units on stock than the adjustment takes away; nothing was changed."},
	{stock.ErrTooMuchStock, http.StatusConflict, codeTooMuchStock, "The stock would be more than this service counts; nothing was changed."},
	{stock.ErrOtherAdjustment, http.StatusConflict, codeAdjustmentConflict, "The adjustment id was used for another SKU or delta; nothing was changed. Use a new id."},
}

// writeError answers with what the table says of the error.
func writeError(c *gin.Context, err error) {
	for _, row := range problems {
		if errors.Is(err, row.err) {
			problem.Write(c, problem.New(row.status, row.code, row.detail))
			return
		}
	}
	httpserver.Annotate(c, slog.String("error", err.Error()))
	if errors.Is(err, stock.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		problem.WriteUnavailable(c)
		return
	}
	problem.Write(c, problem.Internal())
}
