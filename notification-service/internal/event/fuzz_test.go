package event

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	eventsv1 "github.com/steadfast-shop/steadfast/shared-proto/events/v1"
)

// FuzzDecode reads anything as an event. What is read obeys the contract and comes back the same when it is written and read again; an error shows no address.
func FuzzDecode(f *testing.F) {
	for _, value := range []string{
		``, `{}`, "\xff\xfe", `null`, `{"orderNumber":"ORD-1","customer":{"email":"john@example.com"},"lines":[{"skuCode":"A","quantity":"1"}]}`,
		`{"orderNumber":"ORD-1","gift":{"to":["x"]},"customer":{"userId":"u","email":"ü@example.com","firstName":"J","lastName":"D"},"lines":[{"skuCode":"A","quantity":1e3,"unitPriceMinor":2999}],"placedAt":"2026-01-02T03:04:05.678Z"}`,
		`{"orderNumber":"O","customer":{"email":"\"a b\"@example.com","firstName":"\u0007"},"lines":[{"skuCode":"A","quantity":"-1"}]}`,
		`{"order_number":"O","customer":{"email":"a@b (c)"},"lines":[{"skuCode":"A","quantity":"9223372036854775807","unitPriceMinor":"-1"}]}`,
	} {
		f.Add([]byte(value))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		order, err := Decode(value)
		if err != nil {
			if order != nil || strings.Contains(err.Error(), "@") {
				t.Errorf("got %v and %q", order, err)
			}
			return
		}
		checkContract(t, order)
		written, err := protojson.Marshal(order)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := Decode(written); err != nil || !proto.Equal(again, order) {
			t.Errorf("%s came back as %v, %v", written, again, err)
		}
	})
}

func checkContract(t *testing.T, order *eventsv1.OrderPlaced) {
	t.Helper()
	customer := order.GetCustomer()
	texts := []string{order.GetOrderNumber(), customer.GetFirstName(), customer.GetLastName()}
	for _, line := range order.GetLines() {
		texts = append(texts, line.GetSkuCode())
		if line.GetQuantity() < 1 || line.GetUnitPriceMinor() < 0 || line.GetSkuCode() == "" {
			t.Errorf("the line %v was taken", line)
		}
	}
	for _, text := range texts {
		if utf8.RuneCountInString(text) > 128 || strings.ContainsFunc(text, unicode.IsControl) {
			t.Errorf("the text %q was taken", text)
		}
	}
	address := customer.GetEmail()
	if !strings.Contains(address, "@") || utf8.RuneCountInString(address) > 254 || strings.ContainsFunc(address, unicode.IsControl) || strings.HasPrefix(address, "<") {
		t.Errorf("the address %q was taken", address)
	}
	if strings.TrimSpace(order.GetOrderNumber()) == "" || len(order.GetLines()) < 1 || len(order.GetLines()) > 1000 {
		t.Errorf("the event %v was taken", order)
	}
}
