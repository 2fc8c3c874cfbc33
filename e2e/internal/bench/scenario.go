package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/steadfast-shop/steadfast/e2e/internal/load"
	"github.com/steadfast-shop/steadfast/e2e/internal/shop"
)

const (
	manySKUs = 100
	// orderUsers is how many users the orders of a scenario are of.
	orderUsers = 1000
	// stocked is more than any run can sell.
	stocked = 1_000_000_000
	// What the reads read: so many users with so many orders each.
	readUsers      = 20
	ordersPerUser  = 20
	preparers      = 8 // clients that place them
	readableStatus = `"status":"PLACED"`
	mailDomain     = "@customers.example"
)

// Scenario is one load.
type Scenario struct {
	Name, Title string
	Clients     int
	skus        int // that are ordered; 0 for a read
	read        func(data) []exchange
	// Brief ones are run on Apache Kafka, too, where not told otherwise.
	Brief bool
}

// Scenarios lists all, in their order.
func Scenarios() []Scenario {
	var all []Scenario
	for _, clients := range []int{1, 32, 64} {
		all = append(all, Scenario{Name: fmt.Sprintf("orders-%d", clients), Title: "orders, 100 SKUs", Clients: clients, skus: manySKUs, Brief: clients != 64})
	}
	for _, clients := range []int{1, 32, 64} {
		all = append(all, Scenario{Name: fmt.Sprintf("hot-%d", clients), Title: "orders, one SKU", Clients: clients, skus: 1, Brief: clients == 64})
	}
	return append(all,
		Scenario{Name: "stock-32", Title: "stock of one SKU", Clients: 32, read: func(d data) []exchange { return d.stock }},
		Scenario{Name: "status-32", Title: "status of an order", Clients: 32, read: func(d data) []exchange { return d.statuses }},
		Scenario{Name: "list-32", Title: "a user's 20 orders", Clients: 32, read: func(d data) []exchange { return d.lists }},
	)
}

// Choose returns the scenarios with the names, which commas separate, or all of them for "".
func Choose(names string) ([]Scenario, error) {
	all := Scenarios()
	if names == "" {
		return all, nil
	}
	var chosen []Scenario
	for name := range strings.SplitSeq(names, ",") {
		i := slices.IndexFunc(all, func(s Scenario) bool { return s.Name == name })
		if i < 0 {
			known := make([]string, len(all))
			for i, s := range all {
				known[i] = s.Name
			}
			return nil, fmt.Errorf("there is no scenario %q; the scenarios are %s", name, strings.Join(known, ", "))
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}

// orders places orders, each with a number and an address of its own.
type orders struct {
	host   string
	prefix string // of numbers and users, in lower case
	skus   []string
	users  int64
}

func (o *orders) number(n int64) string { return o.prefix + "-" + strconv.FormatInt(n, 10) }

func (o *orders) user(n int64) string {
	return o.prefix + "-user-" + strconv.FormatInt(n%o.users, 10)
}

func (o *orders) sku(n int64) string { return o.skus[n%int64(len(o.skus))] }

// address is where the order's mail goes.
func (o *orders) address(n int64) string { return o.number(n) + mailDomain }

// numberOf returns the number of the order that a mail to the address is about, if it is one of these.
func (o *orders) numberOf(address string) (number string, ours bool) {
	number, isCustomer := strings.CutSuffix(strings.ToLower(address), mailDomain)
	return number, isCustomer && strings.HasPrefix(number, o.prefix+"-")
}

// Request implements load.Task. Nothing in it needs escaping.
func (o *orders) Request(buffer []byte, n int64) []byte {
	body := fmt.Appendf(nil, `{"orderNumber":%q,"skuCode":%q,"price":29.99,"quantity":1,"userDetails":{"userId":%q,"email":%q,"firstName":"John","lastName":"Doe"}}`,
		o.number(n), o.sku(n), o.user(n), o.address(n))
	buffer = fmt.Appendf(buffer, "POST /api/order HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", o.host, len(body))
	return append(buffer, body...)
}

// Check implements load.Task: there is stock for every order, so all must be placed.
func (o *orders) Check(_ int64, status int, body []byte) error {
	if status != http.StatusCreated || string(body) != shop.TextPlaced {
		return wrongAnswer(status, body)
	}
	return nil
}

// wrongAnswer is short, for it is counted by its text.
func wrongAnswer(status int, body []byte) error { return fmt.Errorf("%d %.80q", status, body) }

// exchange is a request and what must come back.
type exchange struct {
	request []byte
	answer  []byte
}

// reads makes the same requests again and again.
type reads []exchange

// Request implements load.Task.
func (r reads) Request(buffer []byte, n int64) []byte {
	return append(buffer, r[n%int64(len(r))].request...)
}

// Check implements load.Task.
func (r reads) Check(n int64, status int, body []byte) error {
	if status != http.StatusOK || !bytes.Equal(body, r[n%int64(len(r))].answer) {
		return wrongAnswer(status, body)
	}
	return nil
}

// data is what the reads read.
type data struct{ stock, statuses, lists []exchange }

// prepare places the orders that are read, and asks once for all that will be asked for, so that every later answer can be compared.
func (t *target) prepare(ctx context.Context) (data, error) {
	o, err := t.newOrders(ctx, "read", manySKUs, readUsers)
	if err != nil {
		return data{}, err
	}
	placed, err := load.Run(ctx, o, load.Options{Target: t.gateway, Clients: preparers, Most: readUsers * ordersPerUser})
	if err != nil {
		return data{}, err
	}
	t.placed += len(placed.Right)
	if placed.Errors > 0 {
		return data{}, fmt.Errorf("place the orders to read: %d of %d failed: %v", placed.Errors, placed.Requests, placed.Faults)
	}
	var d data
	for n := range int64(readUsers * ordersPerUser) {
		status, err := t.exchange(ctx, "/api/order/"+o.user(n)+"/"+o.number(n), readableStatus, 1)
		if err != nil && t.stack != nil {
			return data{}, err
		}
		d.statuses = append(d.statuses, status) // a foreign system may have no such route: it is told as an error of the scenario
	}
	for _, sku := range o.skus {
		left := fmt.Sprint(stocked - readUsers*ordersPerUser/manySKUs)
		stock, err := t.exchange(ctx, "/api/inventory?skuCode="+sku, left, 1)
		if err != nil {
			return data{}, err
		}
		d.stock = append(d.stock, stock)
	}
	for n := range int64(readUsers) {
		list, err := t.exchange(ctx, "/api/order/"+o.user(n), `"orderNumber"`, ordersPerUser)
		if err != nil {
			return data{}, err
		}
		d.lists = append(d.lists, list)
	}
	return d, nil
}

// exchange asks once, and wants the answer to be 200 and to hold the text so many times.
func (t *target) exchange(ctx context.Context, path, text string, times int) (exchange, error) {
	e := exchange{request: fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", path, t.host())}
	answer, err := t.shop.Send(ctx, http.MethodGet, path, "")
	if err != nil {
		return e, err
	}
	if answer.Status != http.StatusOK || strings.Count(answer.Body, text) != times {
		return e, errors.New("GET " + path + ": got " + answer.String())
	}
	e.answer = []byte(answer.Body)
	return e, nil
}
