package httpapi

import (
	"errors"
	"log/slog"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/steadfast-shop/steadfast/shared-kit/httpserver"
	"github.com/steadfast-shop/steadfast/shared-kit/problem"

	"github.com/steadfast-shop/steadfast/order-service/internal/order"
)

const codeOrderNotFound = "order_not_found"

// writeError answers with what an error of the rules means to a client. Everything that left the fate open is a 503: an outage is never a 409.
func writeError(c *gin.Context, err error) {
	httpserver.Annotate(c, slog.String("error", err.Error()))
	switch {
	case errors.Is(err, order.ErrTaken):
		c.String(http.StatusConflict, textFailed)
	case errors.Is(err, order.ErrNotFound):
		problem.Write(c, problem.New(http.StatusNotFound, codeOrderNotFound, "The user has no order with this number."))
	case errors.Is(err, order.ErrUnavailable):
		problem.WriteUnavailable(c)
	default:
		problem.Write(c, problem.Internal())
	}
}

// writeListError is writeError for the list, where an order that is not found is the one to go on after.
func writeListError(c *gin.Context, err error) {
	if errors.Is(err, order.ErrNotFound) {
		problem.Write(c, problem.Invalid(problem.Fault{Field: "after", Message: "must be the number of a placed order of the user"}))
		return
	}
	writeError(c, err)
}
