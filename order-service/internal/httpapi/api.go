// Package httpapi is the REST API of orders.
package httpapi

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/steadfast-shop/steadfast/shared-kit/input"
	"github.com/steadfast-shop/steadfast/shared-kit/problem"
	"github.com/steadfast-shop/steadfast/shared-kit/telemetry"

	"github.com/steadfast-shop/steadfast/order-service/internal/order"
)

// Texts of the answers to a placement; clients compare them.
const (
	textPlaced = "Order placement completed successfully"
	textFailed = "Order placement failed"
)

const maxPage = 1000

// Attributes of the span of a request that places an order: by them its trace is found. The status is there once the order's fate is known.
const (
	keyNumber = attribute.Key("steadfast.order.number")
	keyStatus = attribute.Key("steadfast.order.status")
)

// service is what the API offers to clients.
type service interface {
	Place(ctx context.Context, o order.Order, traceParent string) (order.Status, error)
	Fate(ctx context.Context, userID, number string) (order.Decision, error)
	Placed(ctx context.Context, userID, after string, limit int) (orders []order.Decision, more bool, err error)
}

type handlers struct{ orders service }

// Register adds the API's routes.
func Register(routes gin.IRoutes, orders service) {
	h := handlers{orders}
	routes.POST("/api/order", h.placeOrder)
	routes.GET("/api/order/:userId", h.listOrders)
	routes.GET("/api/order/:userId/:orderNumber", h.showOrder)
}

func (h handlers) placeOrder(c *gin.Context) {
	o, wrong := readOrder(c.Request)
	if wrong != nil {
		problem.Write(c, wrong)
		return
	}
	ctx := c.Request.Context()
	span := trace.SpanFromContext(ctx)
	if span.IsRecording() {
		span.SetAttributes(keyNumber.String(o.Number))
	}
	status, err := h.orders.Place(ctx, o, telemetry.TraceParent(ctx))
	if err == nil && span.IsRecording() {
		span.SetAttributes(keyStatus.String(string(status)))
	}
	c.Header("Order-Number", o.Number)
	if err != nil {
		writeError(c, err)
		return
	}
	if status != order.Placed {
		c.String(http.StatusConflict, textFailed)
		return
	}
	c.Header("Location", orderPath(o.Customer.UserID)+"/"+url.PathEscape(o.Number))
	c.String(http.StatusCreated, textPlaced)
}

func orderPath(userID string) string { return "/api/order/" + url.PathEscape(userID) }

func (h handlers) listOrders(c *gin.Context) {
	page, wrong := readPage(c)
	if wrong != nil {
		problem.Write(c, wrong)
		return
	}
	orders, more, err := h.orders.Placed(c.Request.Context(), page.userID, page.after, page.limit)
	if err != nil {
		writeListError(c, err)
		return
	}
	if more {
		next := url.Values{"after": {orders[len(orders)-1].Number}, "limit": {strconv.Itoa(page.limit)}}
		c.Header("Link", "<"+orderPath(page.userID)+"?"+next.Encode()+`>; rel="next"`)
	}
	body := make([]any, len(orders))
	for i, o := range orders {
		body[i] = listed(o)
	}
	c.JSON(http.StatusOK, body)
}

func (h handlers) showOrder(c *gin.Context) {
	var faults input.Faults
	userID, number := pathID(c, "userId", &faults), pathID(c, "orderNumber", &faults)
	noQuery(c, &faults)
	if wrong := faults.Problem(); wrong != nil {
		problem.Write(c, wrong)
		return
	}
	decision, err := h.orders.Fate(c.Request.Context(), userID, number)
	if err != nil {
		writeError(c, err)
		return
	}
	c.JSON(http.StatusOK, shown(decision))
}

// lineBody is one line of an order in an answer.
type lineBody struct {
	SKU      string      `json:"skuCode"`
	Price    order.Price `json:"price"`
	Quantity int64       `json:"quantity"`
}

// oneLineBody is how the list shows an order of one line.
type oneLineBody struct {
	Number   string      `json:"orderNumber"`
	SKU      string      `json:"skuCode"`
	Quantity int64       `json:"quantity"`
	UserID   string      `json:"userId"`
	Price    order.Price `json:"price"`
}

// linesBody is how the list shows an order of several lines.
type linesBody struct {
	Number string     `json:"orderNumber"`
	UserID string     `json:"userId"`
	Items  []lineBody `json:"items"`
}

// fateBody is the answer of the status route.
type fateBody struct {
	Number     string       `json:"orderNumber"`
	UserID     string       `json:"userId"`
	Status     order.Status `json:"status"`
	Items      []lineBody   `json:"items"`
	ReceivedAt time.Time    `json:"receivedAt"`
	DecidedAt  *time.Time   `json:"decidedAt,omitempty"`
}

func listed(d order.Decision) any {
	if len(d.Lines) == 1 {
		line := d.Lines[0]
		return oneLineBody{Number: d.Number, SKU: line.SKU, Quantity: line.Quantity, UserID: d.UserID, Price: line.Price}
	}
	return linesBody{Number: d.Number, UserID: d.UserID, Items: itemsOf(d.Lines)}
}

func shown(d order.Decision) fateBody {
	body := fateBody{Number: d.Number, UserID: d.UserID, Status: d.Status, Items: itemsOf(d.Lines), ReceivedAt: d.ReceivedAt}
	if !d.DecidedAt.IsZero() {
		body.DecidedAt = &d.DecidedAt
	}
	return body
}

func itemsOf(lines []order.Line) []lineBody {
	items := make([]lineBody, len(lines))
	for i, line := range lines {
		items[i] = lineBody{SKU: line.SKU, Price: line.Price, Quantity: line.Quantity}
	}
	return items
}
