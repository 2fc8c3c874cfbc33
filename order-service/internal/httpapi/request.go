package httpapi

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/steadfast-shop/steadfast/shared-kit/input"
	"github.com/steadfast-shop/steadfast/shared-kit/problem"

	"github.com/steadfast-shop/steadfast/order-service/internal/order"
)

const (
	headerIdempotencyKey = "Idempotency-Key"
	maxName              = 128
)

// readOrder reads the order that a client wants placed, or tells everything that is wrong with it.
func readOrder(r *http.Request) (order.Order, *problem.Problem) {
	data, wrong := input.Body(r)
	if wrong != nil {
		return order.Order{}, wrong
	}
	var faults input.Faults
	var o order.Order
	if body, ok := input.ParseObject(data, &faults); ok {
		o.Number = body.OptionalText("orderNumber", input.MaxID)
		o.Lines = readLines(body)
		if customer, ok := body.Object("userDetails"); ok {
			o.Customer = readCustomer(customer)
		}
		body.End()
	}
	if o.Number == "" {
		o.Number = numberWithoutBody(r, &faults)
	}
	return o, faults.Problem()
}

// numberWithoutBody makes an order number of the request's Idempotency-Key, or a new one.
func numberWithoutBody(r *http.Request, faults *input.Faults) string {
	key := r.Header.Get(headerIdempotencyKey)
	if key == "" {
		return uuid.Must(uuid.NewV7()).String()
	}
	if unquoted, err := strconv.Unquote(key); err == nil && strings.HasPrefix(key, `"`) { // the notation of a structured field
		key = unquoted
	}
	if wrong := input.CheckText(key, input.MaxID); wrong != "" {
		faults.Add(headerIdempotencyKey, wrong)
	}
	return key
}

// readLines reads the lines: either the three fields of a single one, or items.
func readLines(body *input.Object) []order.Line {
	if !body.Has("items") {
		return []order.Line{readLine(body)}
	}
	for _, name := range []string{"skuCode", "price", "quantity"} {
		if body.Has(name) {
			body.Fault(name, "must not stand beside items; put it into an item")
		}
		body.Ignore(name)
	}
	var lines []order.Line
	body.Objects("items", order.MaxLines, func(item *input.Object) { lines = append(lines, readLine(item)) })
	return lines
}

func readLine(o *input.Object) order.Line {
	line := order.Line{SKU: o.Text("skuCode", input.MaxID)}
	if text, ok := o.Number("price"); ok {
		price, err := order.ParsePrice(text)
		if err != nil {
			o.Fault("price", err.Error())
		}
		line.Price = price
	}
	line.Quantity = o.Int("quantity", 1, order.MaxQuantity)
	return line
}

func readCustomer(o *input.Object) order.Customer {
	customer := order.Customer{
		UserID:    o.Text("userId", input.MaxID),
		Email:     o.Text("email", order.MaxEmail),
		FirstName: o.Text("firstName", maxName),
		LastName:  o.Text("lastName", maxName),
	}
	if customer.Email != "" {
		if wrong := order.CheckEmail(customer.Email); wrong != "" {
			o.Fault("email", wrong)
		}
	}
	o.End()
	return customer
}

// page is a request for a list of orders.
type page struct {
	userID string
	after  string
	limit  int
}

func readPage(c *gin.Context) (page, *problem.Problem) {
	var faults input.Faults
	p := page{userID: pathID(c, "userId", &faults), limit: maxPage}
	query := knownQuery(c, &faults, "limit", "after")
	if values, there := query["limit"]; there {
		limit, err := strconv.Atoi(values[0])
		if err != nil || limit < 1 || limit > maxPage {
			faults.Add("limit", fmt.Sprintf("must be a whole number from 1 to %d", maxPage))
		}
		p.limit = limit
	}
	if values, there := query["after"]; there {
		if wrong := input.CheckText(values[0], input.MaxID); wrong != "" {
			faults.Add("after", wrong)
		}
		p.after = values[0]
	}
	return p, faults.Problem()
}

// pathID reads an id from the path.
func pathID(c *gin.Context, name string, faults *input.Faults) string {
	id := c.Param(name)
	if wrong := input.CheckText(id, input.MaxID); wrong != "" {
		faults.Add(name, wrong)
	}
	return id
}

func noQuery(c *gin.Context, faults *input.Faults) { knownQuery(c, faults) }

// knownQuery returns the query's parameters; each must be one of names and be there once.
func knownQuery(c *gin.Context, faults *input.Faults, names ...string) url.Values {
	query, err := url.ParseQuery(c.Request.URL.RawQuery)
	if err != nil {
		faults.Add("", "the query cannot be read: "+err.Error())
	}
	for name, values := range query {
		switch {
		case !slices.Contains(names, name):
			faults.Add(name, "is an unknown parameter; leave it out")
		case len(values) > 1:
			faults.Add(name, "is there more than once")
		}
	}
	return query
}
