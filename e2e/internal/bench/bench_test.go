package bench

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/steadfast-shop/steadfast/e2e/internal/report"
	"github.com/steadfast-shop/steadfast/e2e/internal/shop"
)

// store is a small system with the API, in memory, that can be made to break its word.
type store struct {
	mu     sync.Mutex
	stock  map[string]int64
	orders map[string][]shop.Order // by user
	leak   int64                   // more is taken of the stock than was ordered
	refuse bool
}

func newStore(t *testing.T) (*store, string) {
	t.Helper()
	s := &store{stock: make(map[string]int64), orders: make(map[string][]shop.Order)}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/inventory", s.putStock)
	mux.HandleFunc("GET /api/inventory", s.showStock)
	mux.HandleFunc("POST /api/order", s.place)
	mux.HandleFunc("GET /api/order/{user}", s.list)
	mux.HandleFunc("GET /api/order/{user}/{number}", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"status":"PLACED"}`)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return s, server.URL
}

func (s *store) putStock(w http.ResponseWriter, r *http.Request) {
	var item struct {
		SKU      string `json:"skuCode"`
		Quantity int64  `json:"quantity"`
	}
	if err := json.NewDecoder(r.Body).Decode(&item); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stock[item.SKU] = item.Quantity
	w.WriteHeader(http.StatusCreated)
	_, _ = io.WriteString(w, shop.TextStocked)
}

func (s *store) showStock(w http.ResponseWriter, r *http.Request) {
	skus := r.URL.Query()["skuCode"]
	if len(skus) == 0 {
		_ = json.NewDecoder(r.Body).Decode(&skus)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var quantities []int64
	for _, sku := range skus {
		quantities = append(quantities, s.stock[sku])
	}
	_ = json.NewEncoder(w).Encode(quantities)
}

func (s *store) place(w http.ResponseWriter, r *http.Request) {
	var order shop.Order
	if err := json.NewDecoder(r.Body).Decode(&order); err != nil || s.refuse {
		w.WriteHeader(http.StatusConflict)
		_, _ = io.WriteString(w, shop.TextNotPlaced)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stock[order.SKU] -= order.Quantity + s.leak
	s.orders[order.User.ID] = append(s.orders[order.User.ID], order)
	w.WriteHeader(http.StatusCreated)
	_, _ = io.WriteString(w, shop.TextPlaced)
}

func (s *store) list(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = json.NewEncoder(w).Encode(s.orders[r.PathValue("user")])
}

func measureStore(t *testing.T, url, names string) report.System {
	t.Helper()
	scenarios, err := Choose(names)
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Rounds: 2, Progress: io.Discard, Measure: 100 * time.Millisecond, WarmUp: 20 * time.Millisecond, SettleWithin: 200 * time.Millisecond}
	measured, err := Foreign(t.Context(), o, "store", url+"/", scenarios)
	if err != nil {
		t.Fatal(err)
	}
	return measured
}

func TestMeasuresAnySystemWithTheAPI(t *testing.T) {
	_, url := newStore(t)
	measured := measureStore(t, url, "")
	if len(measured.Scenarios) != len(Scenarios()) {
		t.Fatalf("got %d scenarios; want %d", len(measured.Scenarios), len(Scenarios()))
	}
	for _, s := range measured.Scenarios {
		if s.Rate <= 0 || s.Samples == 0 || s.P50 <= 0 || s.P99 < s.P50 || s.Most < s.P99 || s.Errors != 0 || s.Broken != "" {
			t.Errorf("%s: got %+v", s.Name, s)
		}
	}
}

func TestFindsWhatIsBroken(t *testing.T) {
	for _, c := range []struct {
		name   string
		damage func(*store)
		isBad  func(report.Scenario) bool
	}{
		{"stock leaks", func(s *store) { s.leak = 1 }, func(s report.Scenario) bool { return strings.Contains(s.Broken, "stock of") }},
		{"orders are refused", func(s *store) { s.refuse = true }, func(s report.Scenario) bool { return s.Errors == s.Requests && s.Errors > 0 && s.Samples == 0 }},
	} {
		store, url := newStore(t)
		c.damage(store)
		if measured := measureStore(t, url, "hot-1"); !c.isBad(measured.Scenarios[0]) {
			t.Errorf("%s: got %+v", c.name, measured.Scenarios[0])
		}
	}
}

func TestOrdersAreWellFormed(t *testing.T) {
	o := &orders{host: "h:1", prefix: "bench-run-hot", skus: []string{"a", "b"}, users: 10}
	request, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(o.Request(nil, 23))))
	if err != nil {
		t.Fatal(err)
	}
	var order shop.Order
	decoder := json.NewDecoder(request.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&order); err != nil || decoder.More() {
		t.Fatalf("the body: %v", err)
	}
	want := shop.Order{
		Number: "bench-run-hot-23", SKU: "b", Price: "29.99", Quantity: 1,
		User: shop.User{ID: "bench-run-hot-user-3", Email: "bench-run-hot-23@customers.example", FirstName: "John", LastName: "Doe"},
	}
	if !slices.Equal(order.Items, want.Items) || order.Number != want.Number || order.SKU != want.SKU || order.Price != want.Price || order.Quantity != want.Quantity || order.User != want.User {
		t.Errorf("got %+v; want %+v", order, want)
	}
	for address, want := range map[string]string{"Bench-run-hot-23@customers.example": "bench-run-hot-23", "bench-run-hotter-1@customers.example": "", "a@b": ""} {
		if got, ours := o.numberOf(address); ours != (want != "") || ours && got != want {
			t.Errorf("%s: got %q, %t", address, got, ours)
		}
	}
}

func TestAnswersAreJudged(t *testing.T) {
	r := reads{{answer: []byte("[1]")}, {answer: []byte("[2]")}}
	for _, c := range []struct {
		name  string
		err   error
		right bool
	}{
		{"placed", (&orders{}).Check(0, 201, []byte(shop.TextPlaced)), true},
		{"another status", (&orders{}).Check(0, 200, []byte(shop.TextPlaced)), false},
		{"another text", (&orders{}).Check(0, 201, []byte(shop.TextPlaced+"\n")), false},
		{"refused", (&orders{}).Check(0, 409, []byte(shop.TextNotPlaced)), false},
		{"read as before", r.Check(3, 200, []byte("[2]")), true},
		{"read otherwise", r.Check(2, 200, []byte("[2]")), false},
		{"read with another status", r.Check(2, 404, []byte("[1]")), false},
	} {
		if (c.err == nil) != c.right {
			t.Errorf("%s: got %v", c.name, c.err)
		}
	}
}

func TestPromises(t *testing.T) {
	told := map[string]bool{"a": true, "b": true}
	placed := map[string]string{"a": "S", "b": "S"}
	for _, c := range []struct {
		name  string
		err   error
		wants string // "" for none
	}{
		{"all placed", checkTold(told, placed), ""},
		{"one is lost", checkTold(told, map[string]string{"b": "S"}), "answered 201"},
		{"a mail each", compareMails(placed, map[string]int{"a": 1, "b": 1}), ""},
		{"a mail is missing", compareMails(placed, map[string]int{"b": 1}), "order a is placed, and has 0 mails"},
		{"a mail came twice", compareMails(placed, map[string]int{"a": 1, "b": 2}), "order b is placed, and has 2 mails"},
		{"a mail too many", compareMails(placed, map[string]int{"a": 1, "b": 1, "c": 1}), "order c is not placed"},
	} {
		if (c.err != nil) != (c.wants != "") || c.err != nil && !strings.Contains(c.err.Error(), c.wants) {
			t.Errorf("%s: got %v; want %q", c.name, c.err, c.wants)
		}
	}
}

func TestChoose(t *testing.T) {
	if all, err := Choose(""); err != nil || len(all) != len(Scenarios()) {
		t.Errorf("all: got %d, %v", len(all), err)
	}
	if two, err := Choose("hot-64,orders-1"); err != nil || len(two) != 2 || two[0].Name != "hot-64" || two[1].Clients != 1 {
		t.Errorf("two: got %v, %v", two, err)
	}
	if _, err := Choose("orders-1,orders-2"); err == nil || !strings.Contains(err.Error(), `"orders-2"`) || !strings.Contains(err.Error(), "orders-32") {
		t.Errorf("an unknown one: got %v; want it, and those that there are", err)
	}
}

func TestProfileAddress(t *testing.T) {
	log := `{"msg":"starting"}
{"msg":"serving profiles","address":"127.0.0.1:1"}
no JSON: serving profiles
{"msg":"serving profiles","address":"127.0.0.1:2"}
{"msg":"ready"}
`
	if got, err := profileAddress(log); err != nil || got != "127.0.0.1:2" {
		t.Errorf("got %q, %v; want the address of the last start", got, err)
	}
	if _, err := profileAddress(`{"msg":"ready"}`); err == nil {
		t.Error("a log without an address: no error")
	}
}
