package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/steadfast-shop/steadfast/e2e/internal/inbox"
	"github.com/steadfast-shop/steadfast/e2e/internal/promises"
	"github.com/steadfast-shop/steadfast/e2e/internal/shop"
	"github.com/steadfast-shop/steadfast/e2e/internal/system"
)

func TestInventoryAPI(t *testing.T) {
	w := sharedWorld(t)
	ctx, one, two, unknown := t.Context(), newID("SKU"), newID("SKU"), newID("SKU")
	send := func(method, path, body string) shop.Answer {
		t.Helper()
		return must(t)(w.shop.Send(ctx, method, path, body))
	}
	wantText(t, send("POST", "/api/inventory", `{"skuCode":"`+one+`","quantity":100}`), 201, "Inventory created successfully")
	wantText(t, send("POST", "/api/inventory", `{"skuCode":"`+two+`","quantity":50}`), 201, "Inventory created successfully")
	wantText(t, send("POST", "/api/inventory", `{"skuCode":"`+one+`","quantity":7}`), 409, "Inventory creation failed")

	wantJSON(t, send("GET", "/api/inventory", `["`+one+`","`+two+`"]`), `[100,50]`)
	wantJSON(t, send("GET", "/api/inventory?skuCode="+one+"&skuCode="+two, ""), `[100,50]`)
	wantJSON(t, send("GET", "/api/inventory", `["`+two+`","`+unknown+`","`+one+`","`+two+`"]`), `[50,null,100,50]`)
	wantJSON(t, send("GET", "/api/inventory?skuCode="+unknown, ""), `[null]`)
	thousand := strings.TrimSuffix(strings.Repeat(`"`+one+`",`, 1000), ",")
	wantJSON(t, send("GET", "/api/inventory", "["+thousand+"]"), "["+strings.TrimSuffix(strings.Repeat("100,", 1000), ",")+"]")

	adjust := func(sku, id string, delta int) shop.Answer {
		t.Helper()
		return send("POST", "/api/inventory/"+sku+"/adjustments", fmt.Sprintf(`{"adjustmentId":%q,"delta":%d}`, id, delta))
	}
	first, second := newID("A"), newID("A")
	wantJSON(t, adjust(one, first, -3), `{"skuCode":"`+one+`","quantity":97}`)
	wantJSON(t, adjust(one, second, 5), `{"skuCode":"`+one+`","quantity":102}`)
	wantJSON(t, adjust(one, first, -3), `{"skuCode":"`+one+`","quantity":97}`) // the same id again: the same answer, and no change
	wantProblem(t, adjust(unknown, newID("A"), 1), 404, "unknown_sku")
	wantProblem(t, adjust(one, newID("A"), -103), 409, "insufficient_stock")
	wantProblem(t, adjust(one, first, -4), 409, "adjustment_conflict")
	wantJSON(t, send("GET", "/api/inventory?skuCode="+one, ""), `[102]`)
}

func TestOrderAPI(t *testing.T) {
	w := sharedWorld(t)
	record := promises.NewRecord()
	ctx, sku, other, user, number := t.Context(), newStock(t, w, record, 100), newStock(t, w, record, 10), newID("user"), newID("ORD")
	customer := `"userDetails":{"userId":"` + user + `","email":"` + user + `@example.com","firstName":"John","lastName":"Doe"}`
	place := func(body string, headers ...string) shop.Answer {
		t.Helper()
		return must(t)(w.shop.Send(ctx, http.MethodPost, "/api/order", body, headers...))
	}
	oneLine := func(number, sku string, quantity int) string {
		return fmt.Sprintf(`{"orderNumber":%q,"skuCode":%q,"price":29.99,"quantity":%d,%s}`, number, sku, quantity, customer)
	}
	placed := place(oneLine(number, sku, 2))
	wantText(t, placed, 201, "Order placement completed successfully")
	if got := placed.Header.Get("Order-Number"); got != number {
		t.Errorf("Order-Number %q; want %q", got, number)
	}
	if got, want := placed.Header.Get("Location"), "/api/order/"+user+"/"+number; got != want {
		t.Errorf("Location %q; want %q", got, want)
	}
	if got := placed.Header.Get("Gateway-Attempts"); got != "1" {
		t.Errorf("Gateway-Attempts %q; want 1", got)
	}
	wantText(t, place(oneLine(number, sku, 2)), 201, shop.TextPlaced)             // a replay
	wantText(t, place(oneLine(number, sku, 3)), 409, "Order placement failed")    // the number is taken
	wantText(t, place(oneLine(newID("ORD"), sku, 1000)), 409, shop.TextNotPlaced) // not enough
	wantText(t, place(oneLine(newID("ORD"), newID("SKU"), 1)), 409, shop.TextNotPlaced)

	lines := newID("ORD")
	items := `"items":[{"skuCode":"` + sku + `","price":5,"quantity":1},{"skuCode":"` + other + `","price":0.50,"quantity":3}]`
	wantText(t, place(`{"orderNumber":"`+lines+`",`+items+`,`+customer+`}`), 201, shop.TextPlaced)
	tooMany := `"items":[{"skuCode":"` + sku + `","price":5,"quantity":1},{"skuCode":"` + other + `","price":0.50,"quantity":30}]`
	wantText(t, place(`{"orderNumber":"`+newID("ORD")+`",`+tooMany+`,`+customer+`}`), 409, shop.TextNotPlaced)
	wantJSON(t, must(t)(w.shop.SendJSON(ctx, http.MethodGet, "/api/inventory", []string{sku, other})), `[97,7]`)

	first := `{"orderNumber":"` + number + `","skuCode":"` + sku + `","quantity":2,"userId":"` + user + `","price":29.99}`
	second := `{"orderNumber":"` + lines + `","userId":"` + user + `",` + items + `}`
	wantJSON(t, must(t)(w.shop.Orders(ctx, user, "")), `[`+first+`,`+second+`]`)
	wantJSON(t, must(t)(w.shop.Orders(ctx, newID("user"), "")), `[]`)
	page := must(t)(w.shop.Orders(ctx, user, "limit=1"))
	wantJSON(t, page, `[`+first+`]`)
	next, found := strings.CutSuffix(strings.TrimPrefix(page.Header.Get("Link"), "<"), `>; rel="next"`)
	if !found {
		t.Fatalf("Link %q", page.Header.Get("Link"))
	}
	last := must(t)(w.shop.Send(ctx, http.MethodGet, next, ""))
	wantJSON(t, last, `[`+second+`]`)
	if link := last.Header.Get("Link"); link != "" {
		t.Errorf("the last page has the Link %q", link)
	}
}

func TestOrderNumberIsMadeWhereThereIsNone(t *testing.T) {
	w := sharedWorld(t)
	sku, key := newStock(t, w, promises.NewRecord(), 10), newID("key")
	order := newOrder(sku, 1)
	order.Number = ""
	made := must(t)(w.shop.Place(t.Context(), order))
	wantText(t, made, 201, shop.TextPlaced)
	if number := made.Header.Get("Order-Number"); len(number) != 36 || number[14] != '7' {
		t.Errorf("Order-Number %q; want a UUIDv7", number)
	}
	body, err := json.Marshal(order)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second is the first again
		keyed := must(t)(w.shop.Send(t.Context(), http.MethodPost, "/api/order", string(body), "Idempotency-Key", key))
		wantText(t, keyed, 201, shop.TextPlaced)
		if number := keyed.Header.Get("Order-Number"); number != key {
			t.Errorf("Order-Number %q; want %q", number, key)
		}
	}
	wantJSON(t, must(t)(w.shop.SendJSON(t.Context(), http.MethodGet, "/api/inventory", []string{sku})), `[8]`)
}

func TestOrderStatus(t *testing.T) {
	w := sharedWorld(t)
	began, sku := time.Now(), newStock(t, w, promises.NewRecord(), 10)
	placed, rejected := newOrder(sku, 2), newOrder(sku, 100)
	for order, want := range map[*shop.Order]string{&placed: "PLACED", &rejected: "REJECTED"} {
		must(t)(w.shop.Place(t.Context(), *order))
		fate, known, err := w.shop.Fate(t.Context(), order.User.ID, order.Number)
		if err != nil || !known {
			t.Fatal(known, err)
		}
		if fate.Status != want || fate.Number != order.Number || fate.UserID != order.User.ID || len(fate.Items) != 1 || fate.Items[0] != order.Lines()[0] {
			t.Errorf("got %+v; want %s with %v", fate, want, order.Lines())
		}
		if fate.ReceivedAt.Before(began.Add(-time.Second)) || fate.DecidedAt.Before(fate.ReceivedAt) || fate.DecidedAt.After(time.Now().Add(time.Second)) {
			t.Errorf("received at %v, decided at %v; began at %v", fate.ReceivedAt, fate.DecidedAt, began)
		}
	}
	for _, path := range []string{placed.User.ID + "/" + newID("ORD"), newID("user") + "/" + placed.Number} {
		wantProblem(t, must(t)(w.shop.Send(t.Context(), http.MethodGet, "/api/order/"+path, "")), 404, "order_not_found")
	}
	wantJSON(t, must(t)(w.shop.Orders(t.Context(), rejected.User.ID, "")), `[]`)
}

func TestPriceComesBackAsItWasSent(t *testing.T) {
	w := sharedWorld(t)
	sku := newStock(t, w, promises.NewRecord(), 100)
	for _, price := range []json.Number{"29.99", "29.9", "29.90", "30", "30.00", "0", "0.01", "9999999999.99"} {
		order := newOrder(sku, 1)
		order.Price = price
		wantText(t, must(t)(w.shop.Place(t.Context(), order)), 201, shop.TextPlaced)
		wantJSON(t, must(t)(w.shop.Orders(t.Context(), order.User.ID, "")),
			fmt.Sprintf(`[{"orderNumber":%q,"skuCode":%q,"quantity":1,"userId":%q,"price":%s}]`, order.Number, sku, order.User.ID, price))
	}
}

func TestUnusualIDs(t *testing.T) {
	w := sharedWorld(t)
	sku := newID("S/K U?&#%é<b>")
	wantText(t, must(t)(w.shop.Stock(t.Context(), sku, 10)), 201, shop.TextStocked)
	order := newOrder(sku, 1)
	order.Number, order.User.ID = newID("ORD/1 ?#%2F&ü"), newID("user/../%")
	order.User.FirstName, order.User.LastName = "<b>Jörg</b>", "{{.}}"
	placed := must(t)(w.shop.Place(t.Context(), order))
	wantText(t, placed, 201, shop.TextPlaced)
	status := must(t)(w.shop.Send(t.Context(), http.MethodGet, placed.Header.Get("Location"), ""))
	if status.Status != 200 || !strings.Contains(status.Body, `"PLACED"`) {
		t.Errorf("GET %s: %s", placed.Header.Get("Location"), status)
	}
	if list := must(t)(w.shop.Orders(t.Context(), order.User.ID, "")); !strings.Contains(list.Body, `"quantity":1`) {
		t.Errorf("list: %s", list)
	}
	answer := must(t)(w.shop.Adjust(t.Context(), sku, newID("A"), 1))
	if answer.Status != 200 || !strings.Contains(answer.Body, `"quantity":10`) {
		t.Errorf("adjust: %s", answer)
	}
	mail := waitForMail(t, w, order)
	if strings.Contains(mail.HTML, "<b>J") || !strings.Contains(mail.Text, "<b>Jörg</b> {{.}}") {
		t.Errorf("the mail's text is\n%s\nand its HTML\n%s", mail.Text, mail.HTML)
	}
}

func TestMailOfAnOrder(t *testing.T) {
	w := sharedWorld(t)
	sku := newStock(t, w, promises.NewRecord(), 10)
	order := newOrder(sku, 3)
	must(t)(w.shop.Place(t.Context(), order))
	mail := waitForMail(t, w, order)
	if !strings.Contains(mail.Subject, order.Number) || mail.MessageID == "" || mail.From != "orders@steadfast.example" {
		t.Errorf("subject %q, Message-ID %q, from %q", mail.Subject, mail.MessageID, mail.From)
	}
	if got := mail.Header("Content-Type"); !strings.HasPrefix(got, "multipart/alternative") {
		t.Errorf("Content-Type %q", got)
	}
	for _, want := range []string{"John", order.Number, sku, "29.99", "89.97"} {
		if !strings.Contains(mail.Text, want) || !strings.Contains(mail.HTML, want) {
			t.Errorf("%q is missing in the text or the HTML:\n%s\n%s", want, mail.Text, mail.HTML)
		}
	}
}

// TestDataSurvivesARestart stops a whole stack and starts it again on its data.
func TestDataSurvivesARestart(t *testing.T) {
	w := ownWorld(t)
	record := promises.NewRecord()
	sku := newStock(t, w, record, 10)
	order := newOrder(sku, 4)
	if _, err := record.Place(t.Context(), w.shop, order); err != nil {
		t.Fatal(err)
	}
	checkPromises(t, w.system(), record, 0)
	list := must(t)(w.shop.Orders(t.Context(), order.User.ID, ""))
	if err := w.close(); err != nil {
		t.Fatal(err)
	}
	if left := system.Leftovers(w.data); len(left) > 0 {
		t.Errorf("processes are left: %v", left)
	}
	again, err := openWorld(w.data)
	if err != nil {
		t.Fatal(err)
	}
	*w = *again // what the cleanup closes
	wantJSON(t, must(t)(w.shop.Orders(t.Context(), order.User.ID, "")), list.Body)
	if _, err := record.Place(t.Context(), w.shop, order); err != nil { // a replay
		t.Fatal(err)
	}
	if _, err := record.Place(t.Context(), w.shop, newOrder(sku, 5)); err != nil {
		t.Fatal(err)
	}
	report := checkPromises(t, w.system(), record, 0)
	if report.Placed != 2 || record.Answers(201) != 3 {
		t.Errorf("%d orders are placed, %d answers were 201; want 2 and 3", report.Placed, record.Answers(201))
	}
}

// waitForMail returns the mail of an order.
func waitForMail(t *testing.T, w *world, order shop.Order) inbox.Mail {
	t.Helper()
	var mail inbox.Mail
	eventually(t, readdressed, func(ctx context.Context) error {
		mails, err := w.inbox.ByRecipient(ctx)
		if err != nil {
			return err
		}
		if len(mails[order.User.Email]) == 0 {
			return fmt.Errorf("order %s has no mail", order.Number)
		}
		mail, err = w.inbox.Read(ctx, mails[order.User.Email][0].ID)
		return err
	})
	return mail
}
