package order_test

import (
	"encoding/json"
	"net/mail"
	"regexp"
	"testing"

	"github.com/steadfast-shop/steadfast/order-service/internal/order"
)

var (
	// aPrice is the documented form of a price, as JSON writes numbers.
	aPrice = regexp.MustCompile(`^(0|[1-9][0-9]{0,9})(\.[0-9]{1,2})?$`)
	// aMailbox is RFC 5321's Mailbox with a Dot-string and a domain of two labels or more.
	aMailbox = regexp.MustCompile("^([A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*)@([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)(\\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)+$")
)

// FuzzPriceAndEmail holds the two validators to their grammars, written down once more: they take what these describe, and nothing else that a client can send.
func FuzzPriceAndEmail(f *testing.F) {
	for _, text := range []string{
		"29.99", "0", "0.0", "00", "1.", ".5", "1.234", "-0", "1e2", "9999999999.99", "10000000000", "99999999999999999999", "٣",
		"user@example.com", `"a"@example.com`, "a@b", "a@b.c", "a..b@c.de", ".a@c.de", "a@c.de.", "a@-c.de", "a@[127.0.0.1]", "A <a@b.cd>", "<a@b.cd>", "a@b.cd (x)", "a @b.cd", "ü@b.cd",
		"a@b@c.de", "a@b.cd,e@f.gh", "a@xn--bcher-kva.example",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		checkPrice(t, text)
		checkEmail(t, text)
	})
}

func checkPrice(t *testing.T, text string) {
	t.Helper()
	price, err := order.ParsePrice(text)
	if json.Valid([]byte(text)) && (err == nil) != aPrice.MatchString(text) {
		t.Errorf("ParsePrice(%q): %v; its form says otherwise", text, err)
	}
	if err != nil {
		if price != (order.Price{}) {
			t.Errorf("ParsePrice(%q) = %s beside %v", text, price, err)
		}
		return
	}
	if price.Minor() < 0 || price.Minor() > order.MaxPriceMinor {
		t.Errorf("ParsePrice(%q) = %d minor units", text, price.Minor())
	}
	if aPrice.MatchString(text) && price.String() != text {
		t.Errorf("ParsePrice(%q) comes back as %q", text, price)
	}
	again, err := order.NewPrice(price.Minor(), price.Decimals())
	if err != nil || again != price {
		t.Errorf("ParsePrice(%q) = %s, made anew %s, %v", text, price, again, err)
	}
}

func checkEmail(t *testing.T, text string) {
	t.Helper()
	taken := order.CheckEmail(text) == ""
	parts := aMailbox.FindStringSubmatch(text)
	if want := parts != nil && len(parts[1]) <= 64; taken != want {
		t.Errorf("CheckEmail(%q) takes it: %t; its form says %t", text, taken, want)
	}
	if !taken {
		return
	}
	if parsed, err := mail.ParseAddress((&mail.Address{Address: text}).String()); err != nil || parsed.Address != text {
		t.Errorf("%q cannot be written into a mail: %v", text, err)
	}
}
