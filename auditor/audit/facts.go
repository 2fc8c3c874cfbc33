package audit

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// What an order or a reservation may be in.
const (
	// Placed orders hold their stock for ever, and owe an event and a mail.
	Placed = "PLACED"
	// Reserved reservations hold stock; every other state holds none.
	Reserved = "reserved"
)

// Line is a quantity of one SKU, at a unit price in minor units where the source knows one.
type Line struct {
	SKU        string
	Quantity   int64
	PriceMinor int64
}

// Order is a decision of order-service.
type Order struct {
	Number    string
	Status    string
	UserID    string
	Lines     []Line
	DecidedAt time.Time
}

// JournalEntry is an order in flight.
type JournalEntry struct {
	Number     string
	ReceivedAt time.Time
}

// Item is a SKU's row of stock.
type Item struct {
	SKU      string
	Initial  int64
	Quantity int64
}

// Adjustment is a change of stock by hand.
type Adjustment struct {
	SKU   string
	Delta int64
}

// Reservation is what inventory-service recorded for an order number.
type Reservation struct {
	ID        string
	State     string
	Lines     []Line
	CreatedAt time.Time
}

// Record is a record of one of the topics.
type Record struct {
	Offset int64
	At     time.Time
	// Key is the order number on all topics.
	Key string
	// Gone says that the record has no value: on the ledger it takes the entry back.
	Gone bool
	// Event is what the value says, nil where it is no OrderPlaced (on the ledger it never is).
	Event *Event
	// Redriven is, on the dead-letter topic, the offset of the letter that this record marks as sent through again; nil where it is a letter.
	Redriven *int64
}

// Event is an OrderPlaced.
type Event struct {
	Number string
	UserID string
	Lines  []Line
}

// hash stands for an order number in memory: 16 bytes of its SHA-256, whatever its length.
type hash [16]byte

func hashOf(number string) hash {
	sum := sha256.Sum256([]byte(number))
	return hash(sum[:16])
}

// digest is equal for the same customer and the same lines in the same order.
func digest(userID string, lines []Line) uint64 {
	if lines == nil {
		lines = []Line{}
	}
	canonical, err := json.Marshal([]any{userID, lines})
	if err != nil { // strings and ints always marshal
		panic(err)
	}
	sum := sha256.Sum256(canonical)
	return binary.BigEndian.Uint64(sum[:8])
}

// unitsOf adds lines up: each SKU once, sorted, without prices. It is the form in which a reservation and an order can be compared.
func unitsOf(lines []Line) []Line {
	sums := make(map[string]int64, len(lines))
	for _, line := range lines {
		sums[line.SKU] += line.Quantity
	}
	units := make([]Line, 0, len(sums))
	for sku, quantity := range sums {
		units = append(units, Line{SKU: sku, Quantity: quantity})
	}
	slices.SortFunc(units, func(a, b Line) int { return cmp.Compare(a.SKU, b.SKU) })
	return units
}

// describe writes units for people, at most a few.
func describe(lines []Line) string {
	const most = 3
	text := ""
	for i, line := range unitsOf(lines) {
		if i == most {
			return text + ", …"
		}
		if i > 0 {
			text += ", "
		}
		text += fmt.Sprintf("%d of %s", line.Quantity, line.SKU)
	}
	if text == "" {
		return "nothing"
	}
	return text
}
