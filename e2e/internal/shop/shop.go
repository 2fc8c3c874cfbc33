// Package shop is a client of the public API, which tells its callers all that came back.
package shop

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Texts of the API's answers (the design's table).
const (
	TextStocked     = "Inventory created successfully"
	TextNotStocked  = "Inventory creation failed"
	TextPlaced      = "Order placement completed successfully"
	TextNotPlaced   = "Order placement failed"
	TextUnavailable = "Service Unavailable, please try again later"
)

// patience is how long a client waits for an answer: more than the ten seconds in which the gateway promises one.
const patience = 20 * time.Second

// Client speaks to one gateway. It is safe for concurrent use.
type Client struct {
	url   string
	http  *http.Client
	check Check
}

// Check looks at a request and its answer; both have their bodies. What it finds wrong is the error of the request.
type Check func(request *http.Request, response *http.Response) error

// NewChecked returns a client of the gateway at url that has every request and answer checked.
func NewChecked(gateway string, check Check) *Client {
	client := New(gateway)
	client.check = check
	return client
}

// New returns a client of the gateway at url.
func New(gateway string) *Client {
	return &Client{url: gateway, http: &http.Client{Timeout: patience, Transport: &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: 30 * time.Second}}}
}

// Answer is what came back.
type Answer struct {
	Status int
	Header http.Header
	Body   string
}

// String shows an answer in a test's failure.
func (a Answer) String() string {
	return fmt.Sprintf("%d %s %q", a.Status, a.Header.Get("Content-Type"), a.Body)
}

// Order is the body of an order: one line in three fields, or Items.
type Order struct {
	Number   string      `json:"orderNumber,omitempty"`
	SKU      string      `json:"skuCode,omitempty"`
	Price    json.Number `json:"price,omitempty"`
	Quantity int64       `json:"quantity,omitempty"`
	Items    []Item      `json:"items,omitempty"`
	User     User        `json:"userDetails"`
}

// Item is one of several lines.
type Item struct {
	SKU      string      `json:"skuCode"`
	Price    json.Number `json:"price"`
	Quantity int64       `json:"quantity"`
}

// User is who orders.
type User struct {
	ID        string `json:"userId"`
	Email     string `json:"email"`
	FirstName string `json:"firstName"`
	LastName  string `json:"lastName"`
}

// Lines returns the order's lines, whichever way they are written.
func (o Order) Lines() []Item {
	if len(o.Items) > 0 {
		return o.Items
	}
	return []Item{{SKU: o.SKU, Price: o.Price, Quantity: o.Quantity}}
}

// Fate is the answer of the status route.
type Fate struct {
	Number     string    `json:"orderNumber"`
	UserID     string    `json:"userId"`
	Status     string    `json:"status"`
	Items      []Item    `json:"items"`
	ReceivedAt time.Time `json:"receivedAt"`
	DecidedAt  time.Time `json:"decidedAt"`
}

// Stock puts a new SKU on stock.
func (c *Client) Stock(ctx context.Context, sku string, quantity int64) (Answer, error) {
	return c.SendJSON(ctx, http.MethodPost, "/api/inventory", map[string]any{"skuCode": sku, "quantity": quantity})
}

// Adjust changes the stock of a SKU.
func (c *Client) Adjust(ctx context.Context, sku, id string, delta int64) (Answer, error) {
	return c.SendJSON(ctx, http.MethodPost, "/api/inventory/"+url.PathEscape(sku)+"/adjustments", map[string]any{"adjustmentId": id, "delta": delta})
}

// Quantities returns the stock of each SKU; nil stands for an unknown one.
func (c *Client) Quantities(ctx context.Context, skus ...string) ([]*int64, error) {
	answer, err := c.SendJSON(ctx, http.MethodGet, "/api/inventory", skus)
	if err != nil {
		return nil, err
	}
	var quantities []*int64
	if err := decode(answer, &quantities); err != nil {
		return nil, fmt.Errorf("read the stock: %w", err)
	}
	if len(quantities) != len(skus) {
		return nil, fmt.Errorf("asked for %d SKUs, got %d", len(skus), len(quantities))
	}
	return quantities, nil
}

// Place sends an order.
func (c *Client) Place(ctx context.Context, order Order) (Answer, error) {
	return c.SendJSON(ctx, http.MethodPost, "/api/order", order)
}

// Orders lists the user's placed orders; query is limit and after, or nothing.
func (c *Client) Orders(ctx context.Context, userID, query string) (Answer, error) {
	path := "/api/order/" + url.PathEscape(userID)
	if query != "" {
		path += "?" + query
	}
	return c.Send(ctx, http.MethodGet, path, "")
}

// Fate asks the status route. known is false where the user has no such order.
func (c *Client) Fate(ctx context.Context, userID, number string) (fate Fate, known bool, err error) {
	answer, err := c.Send(ctx, http.MethodGet, "/api/order/"+url.PathEscape(userID)+"/"+url.PathEscape(number), "")
	if err != nil {
		return Fate{}, false, err
	}
	if answer.Status == http.StatusNotFound {
		return Fate{}, false, nil
	}
	if err := decode(answer, &fate); err != nil {
		return Fate{}, false, fmt.Errorf("read the fate of %s: %w", number, err)
	}
	return fate, true, nil
}

func decode(answer Answer, into any) error {
	if answer.Status != http.StatusOK {
		return fmt.Errorf("got %s", answer)
	}
	return json.Unmarshal([]byte(answer.Body), into)
}

// SendJSON sends a value as the JSON body.
func (c *Client) SendJSON(ctx context.Context, method, path string, value any) (Answer, error) {
	body, err := json.Marshal(value)
	if err != nil {
		return Answer{}, fmt.Errorf("encode the body: %w", err)
	}
	return c.Send(ctx, method, path, string(body))
}

// Send sends a request as it is given. The headers are names and values in turn; a body without a Content-Type among them is sent as application/json.
func (c *Client) Send(ctx context.Context, method, path, body string, headers ...string) (Answer, error) {
	request, err := http.NewRequestWithContext(ctx, method, c.url+path, strings.NewReader(body))
	if err != nil {
		return Answer{}, fmt.Errorf("make the request: %w", err)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := c.http.Do(request)
	if err != nil {
		return Answer{}, fmt.Errorf("send %s %s: %w", method, path, err)
	}
	defer response.Body.Close() //nolint:errcheck // only read
	var content bytes.Buffer
	if _, err := io.Copy(&content, response.Body); err != nil {
		return Answer{}, fmt.Errorf("read the answer to %s %s: %w", method, path, err)
	}
	answer := Answer{Status: response.StatusCode, Header: response.Header, Body: content.String()}
	if c.check == nil {
		return answer, nil
	}
	request.Body, response.Body = io.NopCloser(strings.NewReader(body)), io.NopCloser(&content)
	return answer, c.check(request, response)
}
