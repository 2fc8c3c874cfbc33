// Package order holds the rules of ordering: what an order is, and the protocol that gives each order number one fate; ../../README.md tells it in words.
package order

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/mail"
	"strings"
	"time"
)

// Limits of an order.
const (
	// MaxLines is the most lines that one order may have.
	MaxLines = 1000
	// MaxQuantity is the most units that one line may ask for.
	MaxQuantity = 1_000_000_000
	// MaxEmail is the longest e-mail address, in characters (RFC 5321, 4.5.3.1.3, less the angle brackets).
	MaxEmail = 254
)

// Order is a request to buy that has been found valid.
type Order struct {
	// Number identifies the order for ever.
	Number string
	// Customer is who buys.
	Customer Customer
	// Lines are what is bought, in the order of the request: 1 to MaxLines.
	Lines []Line
}

// Customer is who placed an order.
type Customer struct {
	UserID    string
	Email     string
	FirstName string
	LastName  string
}

// Line is one position of an order.
type Line struct {
	// SKU is the code of the article.
	SKU string
	// Quantity is the number of units, 1 to MaxQuantity.
	Quantity int64
	// Price is the price of one unit.
	Price Price
}

// Fingerprint tells orders under the same number apart: equal for the same customer and lines, whatever the notation (29.9 and 29.90), else different.
func (o Order) Fingerprint() string {
	type line struct {
		SKU      string
		Quantity int64
		Minor    int64
	}
	lines := make([]line, len(o.Lines))
	for i, l := range o.Lines {
		lines[i] = line{l.SKU, l.Quantity, l.Price.Minor()}
	}
	// JSON keeps neighbouring fields apart, which joined texts would not.
	canonical, err := json.Marshal([]any{o.Customer, lines})
	if err != nil { // strings and ints always marshal
		panic(err)
	}
	sum := sha256.Sum256(canonical)
	return hex.EncodeToString(sum[:])
}

// CheckEmail returns what is wrong with an e-mail address, "" where nothing is. It takes what RFC 5321 calls a mailbox with a domain of at least two labels, in ASCII.
func CheckEmail(address string) string {
	const wrong = "must be an e-mail address such as user@example.com"
	parsed, err := mail.ParseAddress(address)
	if err != nil || parsed.Address != address || parsed.Name != "" {
		return wrong
	}
	local, domain, _ := cutLast(address, "@")
	if len(local) > 64 || !strings.Contains(domain, ".") || strings.ContainsFunc(address, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return wrong
	}
	for label := range strings.SplitSeq(domain, ".") {
		if !isHostLabel(label) {
			return wrong
		}
	}
	return ""
}

func cutLast(s, separator string) (before, after string, found bool) {
	i := strings.LastIndex(s, separator)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(separator):], true
}

func isHostLabel(label string) bool {
	if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
		return false
	}
	return !strings.ContainsFunc(label, func(r rune) bool {
		return r != '-' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	})
}

// Status is where an order stands.
type Status string

// The states of an order. Pending is the only one that changes, once.
const (
	// Pending orders are in the journal and not decided.
	Pending Status = "PENDING"
	// Placed orders hold their stock for ever, and their customer gets an e-mail.
	Placed Status = "PLACED"
	// Rejected orders met too little stock or an unknown SKU.
	Rejected Status = "REJECTED"
	// Cancelled orders were abandoned before they were decided.
	Cancelled Status = "CANCELLED"
)

// Entry is an order in the in-flight journal: it still owes something.
type Entry struct {
	Order       Order
	Fingerprint string
	// ReceivedAt is when it was journaled, to the millisecond.
	ReceivedAt time.Time
	// TraceParent is the W3C trace of the request, so that what happens later belongs to it.
	TraceParent string
}

// Decision is the fate of an order number. It holds nothing about the customer but the user id.
type Decision struct {
	Number      string
	Status      Status
	UserID      string
	Lines       []Line
	Fingerprint string
	ReceivedAt  time.Time
	// DecidedAt is when the decision was written, to the millisecond; zero while the order is pending.
	DecidedAt time.Time
}

// decide makes the decision that ends an entry.
func (e Entry) decide(status Status, at time.Time) Decision {
	return Decision{
		Number:      e.Order.Number,
		Status:      status,
		UserID:      e.Order.Customer.UserID,
		Lines:       e.Order.Lines,
		Fingerprint: e.Fingerprint,
		ReceivedAt:  e.ReceivedAt,
		DecidedAt:   at,
	}
}

// String names the order without saying anything about the customer.
func (o Order) String() string { return fmt.Sprintf("order %q", o.Number) }
