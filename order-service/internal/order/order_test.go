package order_test

import (
	"strings"
	"testing"

	"github.com/steadfast-shop/steadfast/order-service/internal/order"
	"github.com/steadfast-shop/steadfast/order-service/internal/ordertest"
)

func TestParsePrice(t *testing.T) {
	for _, c := range []struct {
		text  string
		minor int64
		ok    bool
	}{
		{"29.99", 2999, true},
		{"29.9", 2990, true},
		{"29.90", 2990, true},
		{"30", 3000, true},
		{"0", 0, true},
		{"0.01", 1, true},
		{"9999999999.99", order.MaxPriceMinor, true},
		{"10000000000", 0, false},
		{"99999999999999999999", 0, false},
		{"29.999", 0, false},
		{"29.990", 0, false},
		{"29.", 0, false},
		{".5", 0, false},
		{"-1", 0, false},
		{"-0", 0, false},
		{"+1", 0, false},
		{"1e2", 0, false},
		{"1.5e1", 0, false},
		{"", 0, false},
	} {
		price, err := order.ParsePrice(c.text)
		if (err == nil) != c.ok || price.Minor() != c.minor {
			t.Errorf("ParsePrice(%q) = %d minor units, %v; want %d, ok %v", c.text, price.Minor(), err, c.minor, c.ok)
		}
		if err == nil && price.String() != c.text {
			t.Errorf("ParsePrice(%q) is returned as %q", c.text, price)
		}
	}
}

func TestNewPriceRefusesWhatWasNeverWritten(t *testing.T) {
	for _, c := range []struct {
		minor    int64
		decimals int
	}{{-1, 2}, {order.MaxPriceMinor + 1, 2}, {2999, 1}, {2990, 0}, {100, -1}, {100, 3}} {
		if price, err := order.NewPrice(c.minor, c.decimals); err == nil {
			t.Errorf("NewPrice(%d, %d) = %s; want an error", c.minor, c.decimals, price)
		}
	}
}

func TestCheckEmail(t *testing.T) {
	for _, right := range []string{"user@example.com", "first.last+tag@sub.example.org", "o'neil@example.co.uk", "x@xn--bcher-kva.example", `"odd local"@example.com`} {
		// A quoted local part with a space is an address by the book, but no shop's customer has one.
		if wrong := order.CheckEmail(right); (wrong != "") != strings.Contains(right, " ") {
			t.Errorf("CheckEmail(%q) = %q", right, wrong)
		}
	}
	for _, address := range []string{
		"", "user", "user@", "@example.com", "user@localhost", "user@example..com", "user@-example.com", "user@example.com.", "a b@example.com",
		"User <user@example.com>", "user@example.com, other@example.com", "user@exa_mple.com", "user@[127.0.0.1]", "üser@example.com", "user@bücher.example",
		strings.Repeat("x", 65) + "@example.com", "user@" + strings.Repeat("x", 64) + ".com", "user@example.com\r\nBcc: other@example.com",
	} {
		if order.CheckEmail(address) == "" {
			t.Errorf("CheckEmail(%q) finds nothing wrong", address)
		}
	}
}

func TestFingerprint(t *testing.T) {
	base := ordertest.Buy("N", "user", ordertest.Units("A", 1), ordertest.Units("B", 2))
	same := ordertest.Buy("N", "user", order.Line{SKU: "A", Quantity: 1, Price: ordertest.Price("29.9")}, ordertest.Units("B", 2))
	if base.Fingerprint() != same.Fingerprint() {
		t.Error("29.90 and 29.9 make different fingerprints")
	}
	for name, change := range map[string]func(*order.Order){
		"user":           func(o *order.Order) { o.Customer.UserID = "other" },
		"e-mail":         func(o *order.Order) { o.Customer.Email = "other@example.com" },
		"first name":     func(o *order.Order) { o.Customer.FirstName = "Other" },
		"last name":      func(o *order.Order) { o.Customer.LastName = "Other" },
		"SKU":            func(o *order.Order) { o.Lines[0].SKU = "C" },
		"quantity":       func(o *order.Order) { o.Lines[0].Quantity = 3 },
		"price":          func(o *order.Order) { o.Lines[0].Price = ordertest.Price("29.91") },
		"a line less":    func(o *order.Order) { o.Lines = o.Lines[:1] },
		"lines' order":   func(o *order.Order) { o.Lines[0], o.Lines[1] = o.Lines[1], o.Lines[0] },
		"names' borders": func(o *order.Order) { o.Customer.FirstName, o.Customer.LastName = "ZoëO", "'Neil" },
	} {
		changed := ordertest.Buy("N", "user", ordertest.Units("A", 1), ordertest.Units("B", 2))
		change(&changed)
		if changed.Fingerprint() == base.Fingerprint() {
			t.Errorf("another %s makes the same fingerprint", name)
		}
	}
}
