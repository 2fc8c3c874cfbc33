package event

import (
	"strings"
	"testing"
)

func TestDecode(t *testing.T) {
	const customer = `"customer":{"userId":"u","email":"john@example.com","firstName":"John","lastName":"Doe"}`
	const lines = `"lines":[{"skuCode":"SKU001","quantity":"2","unitPriceMinor":"2999"}]`
	tests := []struct {
		name, value, want string // want is part of the error, "" means that it is read
	}{
		{"whole", `{"orderNumber":"ORD-1",` + customer + `,` + lines + `,"placedAt":"2026-01-02T03:04:05.678Z"}`, ""},
		{"field of a newer producer", `{"orderNumber":"ORD-1","gift":true,` + customer + `,` + lines + `}`, ""},
		{"no name", `{"orderNumber":"ORD-1","customer":{"email":"john@example.com"},` + lines + `}`, ""},
		{"free of charge", `{"orderNumber":"ORD-1",` + customer + `,"lines":[{"skuCode":"A","quantity":"1"}]}`, ""},
		{"nothing", ``, "no value"},
		{"no JSON", `hello john@example.com`, "not an events.v1.OrderPlaced"},
		{"another JSON", `[1,2]`, "not an events.v1.OrderPlaced"},
		{"wrong type", `{"orderNumber":7}`, "not an events.v1.OrderPlaced"},
		{"empty object", `{}`, "orderNumber must not be blank"},
		{"no lines", `{"orderNumber":"ORD-1",` + customer + `}`, "lines must be 1 to 1000"},
		{"no quantity", `{"orderNumber":"ORD-1",` + customer + `,"lines":[{"skuCode":"A"}]}`, "lines [0].quantity"},
		{"no SKU", `{"orderNumber":"ORD-1",` + customer + `,"lines":[{"quantity":"1"}]}`, "lines [0].skuCode"},
		{"negative price", `{"orderNumber":"ORD-1",` + customer + `,"lines":[{"skuCode":"A","quantity":"1","unitPriceMinor":"-1"}]}`, "lines [0].unitPriceMinor"},
		{"no address", `{"orderNumber":"ORD-1","customer":{"firstName":"John"},` + lines + `}`, "customer.email must not be blank"},
		{"no real address", `{"orderNumber":"ORD-1","customer":{"email":"john"},` + lines + `}`, "customer.email must be an e-mail address"},
		{"display name", `{"orderNumber":"ORD-1","customer":{"email":"John <john@example.com>"},` + lines + `}`, "customer.email must be an e-mail address"},
		{"brackets", `{"orderNumber":"ORD-1","customer":{"email":"<john@example.com>"},` + lines + `}`, "customer.email must be an e-mail address"},
		{"two addresses", `{"orderNumber":"ORD-1","customer":{"email":"a@example.com, b@example.com"},` + lines + `}`, "customer.email must be an e-mail address"},
		{"address of two lines", `{"orderNumber":"ORD-1","customer":{"email":"a@example.com\r\nBcc: b@example.com"},` + lines + `}`, "control characters"},
		{"number of two lines", `{"orderNumber":"ORD\r\nBcc: b@example.com",` + customer + `,` + lines + `}`, "orderNumber must not hold control characters"},
		{"name of two lines", `{"orderNumber":"ORD-1","customer":{"email":"john@example.com","firstName":"a\nb"},` + lines + `}`, "customer.firstName must not hold control characters"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			order, err := Decode([]byte(test.value))
			switch {
			case test.want == "" && err != nil:
				t.Errorf("got %v, want it read", err)
			case test.want == "" && order.GetOrderNumber() != "ORD-1":
				t.Errorf("got order number %q, want ORD-1", order.GetOrderNumber())
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("got %v, want %q", err, test.want)
			case err != nil && strings.Contains(err.Error(), "@"):
				t.Errorf("the error %q shows an address", err)
			}
		})
	}
}

func TestOrderNumber(t *testing.T) {
	for value, want := range map[string]string{
		`{"orderNumber":"ORD-1"}`: "ORD-1", // what else is wrong does not matter
		`{"orderNumber":"ORD-1","customer":{"email":"john"},"gift":true}`: "ORD-1",
		`{}`: "", ``: "", `hello`: "", `{"orderNumber":7}`: "", `{"orderNumber":" "}`: "", `{"orderNumber":"a\nb"}`: "",
	} {
		if got := OrderNumber([]byte(value)); got != want {
			t.Errorf("%s: got %q, want %q", value, got, want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"orderNumber":"ORD-1","customer":{"email":"john@example.com"},"lines":[{"skuCode":"A","quantity":"1"}]}`))
	f.Add([]byte(`{}`))
	f.Add([]byte{0xff, 0xfe})
	f.Fuzz(func(t *testing.T, value []byte) {
		order, err := Decode(value)
		if (order == nil) == (err == nil) {
			t.Errorf("got %v and %v, want either", order, err)
		}
	})
}
