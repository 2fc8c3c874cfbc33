package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/steadfast-shop/steadfast/e2e/internal/description"
	"github.com/steadfast-shop/steadfast/e2e/internal/promises"
	"github.com/steadfast-shop/steadfast/e2e/internal/shop"
	"github.com/steadfast-shop/steadfast/e2e/internal/system"
)

// mostDifferences is how many differences from the description are told at the end.
const mostDifferences = 20

// described holds the whole traffic of the tests to the description that the first gateway serves. Clients that try again may take a difference for an outage, so that
// it also fails the suite at its end.
type described struct {
	mu          sync.Mutex
	description *description.Description
	found       map[string]int
}

func (d *described) load(ctx context.Context, gateway string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.description != nil {
		return nil
	}
	var err error
	d.description, err = description.Load(ctx, gateway)
	d.found = make(map[string]int)
	return err
}

// check returns how a request and its answer differ from the description. It is a shop.Check.
func (d *described) check(request *http.Request, response *http.Response) error {
	err := d.description.Check(request, response)
	if err != nil {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.found[err.Error()]++
	}
	return err
}

// differences returns what was found in all tests.
func (d *described) differences() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []error
	for text, times := range d.found {
		if len(all) == mostDifferences {
			break
		}
		all = append(all, fmt.Errorf("not as openapi.yaml says, %d times: %s", times, text))
	}
	return errors.Join(all...)
}

// isDescribed tells whether the description allows a request.
func isDescribed(t *testing.T, r badRequest) bool {
	t.Helper()
	return theSuite.described.description.CheckRequest(newRequest(t, "http://gateway", r.method, r.path, strings.NewReader(r.body))) == nil
}

func newRequest(t *testing.T, gateway, method, path string, body io.Reader) *http.Request {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, gateway+path, body)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	return request
}

// drivenInGateway are answers that the outside cannot bring about: faults of ours, and the moments of a start and a stop. The gateway's own tests drive them.
var drivenInGateway = []string{
	"adjustInventory 500", "createInventory 500", "listOrders 500", "placeOrder 500", "ready 503", "readInventory 500", "showOrder 500",
}

// TestEveryDescribedAnswer brings every answer of the description about, so that it describes nothing that does not happen. The client checks each answer against it.
func TestEveryDescribedAnswer(t *testing.T) {
	w := sharedWorld(t)
	gatewayWith := func(settings ...string) *system.Service {
		t.Helper()
		gateway := startService(t, system.Gateway, append(w.Settings(), settings...)...)
		if err := gateway.WaitReady(t.Context()); err != nil {
			t.Fatal(err)
		}
		return gateway
	}
	limited := gatewayWith("GATEWAY_RATE_LIMIT=0.001")
	hasty := gatewayWith("GATEWAY_DEADLINE=1s")
	ports, err := theSuite.ports.Take(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	nobody := "http://127.0.0.1:" + ports[0]
	cut := gatewayWith("GATEWAY_POLICIES_RETRY_MAX=0", "ORDER_SERVICE_URI="+nobody, "INVENTORY_SERVICE_URI="+nobody)

	driven := drivenInGateway
	want := func(operation string, status int, answer shop.Answer) {
		t.Helper()
		if answer.Status != status {
			t.Errorf("%s: got %s; want %d", operation, answer, status)
		}
		driven = append(driven, fmt.Sprintf("%s %d", operation, status))
	}
	operations := describedOperations(newStock(t, w, promises.NewRecord(), 10))
	shared := must(t)
	checked := func(gateway *system.Service) *shop.Client {
		return shop.NewChecked(gateway.API, theSuite.described.check)
	}
	shared(checked(limited).Send(t.Context(), get, operations[0].path, "")) // the one request that is not too many
	for _, o := range operations {
		for _, c := range o.cases {
			want(o.id, c.status, shared(w.shop.Send(t.Context(), o.method, c.path, c.body)))
		}
		if o.id == "live" || o.id == "ready" {
			continue
		}
		want(o.id, 429, shared(checked(limited).Send(t.Context(), o.method, o.path, o.body)))
		want(o.id, 503, shared(checked(cut).Send(t.Context(), o.method, o.path, o.body)))
		want(o.id, 431, shared(w.shop.Send(t.Context(), o.method, o.path, o.body, "X-Request-Id", strings.Repeat("x", 80<<10))))
		if o.body != "" {
			want(o.id, 413, shared(w.shop.Send(t.Context(), o.method, o.path, strings.Repeat(" ", 1<<20+1))))
			want(o.id, 415, shared(w.shop.Send(t.Context(), o.method, o.path, o.body, "Content-Type", "text/csv")))
			want(o.id, 408, sendSlowly(t, hasty.API, o))
		}
	}
	slices.Sort(driven)
	if got, all := slices.Compact(driven), theSuite.described.description.Answers(); !slices.Equal(got, all) {
		t.Errorf("driven were\n%s\nof\n%s", strings.Join(got, ", "), strings.Join(all, ", "))
	}
}

// describedOperation is an operation of the description, with a request that is well-formed, and requests that get the answers which only it has.
type describedOperation struct {
	id, method, path, body string
	cases                  []describedCase
}

type describedCase struct {
	status     int
	path, body string
}

func describedOperations(sku string) []describedOperation {
	fresh, number, user := newID("SKU"), newID("ORD"), newID("user")
	stock, order := "/api/inventory", "/api/order"
	adjustments, list := stock+"/"+sku+"/adjustments", order+"/"+user
	create := fmt.Sprintf(`{"skuCode":%q,"quantity":1}`, fresh)
	adjust := func(delta int) string { return fmt.Sprintf(`{"adjustmentId":%q,"delta":%d}`, newID("A"), delta) }
	place := func(quantity int) string {
		return fmt.Sprintf(`{"orderNumber":%q,"skuCode":%q,"price":1,"quantity":%d,"userDetails":{"userId":%q,"email":"a@customers.example","firstName":"J","lastName":"D"}}`,
			number, sku, quantity, user)
	}
	codes := fmt.Sprintf("[%q]", sku)
	return []describedOperation{
		{"createInventory", post, stock, create, []describedCase{{201, stock, create}, {409, stock, create}, {400, stock, `{}`}}},
		{"readInventory", get, stock, codes, []describedCase{{200, stock, codes}, {200, stock + "?skuCode=" + sku, ""}, {400, stock, ""}}},
		{"adjustInventory", post, adjustments, adjust(1), []describedCase{
			{200, adjustments, adjust(1)}, {404, stock + "/" + newID("SKU") + "/adjustments", adjust(1)}, {409, adjustments, adjust(-1000)}, {400, adjustments, `{}`},
		}},
		{"placeOrder", post, order, place(1), []describedCase{{201, order, place(1)}, {409, order, place(2)}, {400, order, `{}`}}},
		{"listOrders", get, list, "", []describedCase{{200, list, ""}, {400, list + "?limit=0", ""}}},
		{"showOrder", get, list + "/" + number, "", []describedCase{{200, list + "/" + number, ""}, {404, list + "/" + newID("ORD"), ""}, {400, list + "/%20", ""}}},
		{"live", get, "/livez", "", []describedCase{{200, "/livez", ""}}},
		{"ready", get, "/readyz", "", []describedCase{{200, "/readyz", ""}}},
	}
}

// sendSlowly sends a request whose body does not come to its end until the answer is there.
func sendSlowly(t *testing.T, gateway string, o describedOperation) shop.Answer {
	t.Helper()
	body, rest := io.Pipe()
	defer rest.Close() //nolint:errcheck // a pipe in memory
	request := newRequest(t, gateway, o.method, o.path, io.MultiReader(strings.NewReader(o.body), body))
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // only read
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	request.Body, response.Body = io.NopCloser(strings.NewReader(o.body)), io.NopCloser(strings.NewReader(string(content)))
	if err := theSuite.described.check(request, response); err != nil {
		t.Error(err)
	}
	return shop.Answer{Status: response.StatusCode, Header: response.Header, Body: string(content)}
}
