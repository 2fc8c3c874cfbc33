package mongodb

import (
	"fmt"
	"time"

	"github.com/steadfast-shop/steadfast/order-service/internal/order"
)

// entryRow is a document of the collection inflight.
type entryRow struct {
	Number      string    `bson:"_id"`
	Order       orderRow  `bson:"order"`
	Fingerprint string    `bson:"fingerprint"`
	ReceivedAt  time.Time `bson:"receivedAt"`
	TraceParent string    `bson:"traceParent,omitempty"`
}

type orderRow struct {
	UserID    string    `bson:"userId"`
	Email     string    `bson:"email"`
	FirstName string    `bson:"firstName"`
	LastName  string    `bson:"lastName"`
	Lines     []lineRow `bson:"lines"`
}

// lineRow keeps the price as whole minor units: not every server that speaks the protocol keeps decimals exact.
type lineRow struct {
	SKU        string `bson:"skuCode"`
	Quantity   int64  `bson:"quantity"`
	PriceMinor int64  `bson:"priceMinor"`
	Decimals   int    `bson:"priceDecimals"`
}

// decisionRow is a document of the collection orders.
type decisionRow struct {
	Number      string    `bson:"_id"`
	Status      string    `bson:"status"`
	UserID      string    `bson:"userId"`
	Lines       []lineRow `bson:"lines"`
	Fingerprint string    `bson:"fingerprint"`
	ReceivedAt  time.Time `bson:"receivedAt"`
	DecidedAt   time.Time `bson:"decidedAt"`
}

func rowOfEntry(e order.Entry) any {
	customer := e.Order.Customer
	return entryRow{
		Number: e.Order.Number,
		Order: orderRow{
			UserID: customer.UserID, Email: customer.Email, FirstName: customer.FirstName, LastName: customer.LastName,
			Lines: rowsOfLines(e.Order.Lines),
		},
		Fingerprint: e.Fingerprint,
		ReceivedAt:  e.ReceivedAt,
		TraceParent: e.TraceParent,
	}
}

func (r entryRow) entry() (order.Entry, error) {
	lines, err := linesOfRows(r.Order.Lines)
	if err != nil {
		return order.Entry{}, fmt.Errorf("read journal entry %q: %w", r.Number, err)
	}
	return order.Entry{
		Order: order.Order{
			Number:   r.Number,
			Customer: order.Customer{UserID: r.Order.UserID, Email: r.Order.Email, FirstName: r.Order.FirstName, LastName: r.Order.LastName},
			Lines:    lines,
		},
		Fingerprint: r.Fingerprint,
		ReceivedAt:  r.ReceivedAt.UTC(),
		TraceParent: r.TraceParent,
	}, nil
}

func rowOfDecision(d order.Decision) any {
	return decisionRow{
		Number: d.Number, Status: string(d.Status), UserID: d.UserID, Lines: rowsOfLines(d.Lines),
		Fingerprint: d.Fingerprint, ReceivedAt: d.ReceivedAt, DecidedAt: d.DecidedAt,
	}
}

func (r decisionRow) decision() (order.Decision, error) {
	lines, err := linesOfRows(r.Lines)
	if err != nil {
		return order.Decision{}, fmt.Errorf("read decision %q: %w", r.Number, err)
	}
	return order.Decision{
		Number: r.Number, Status: order.Status(r.Status), UserID: r.UserID, Lines: lines,
		Fingerprint: r.Fingerprint, ReceivedAt: r.ReceivedAt.UTC(), DecidedAt: r.DecidedAt.UTC(),
	}, nil
}

func rowsOfLines(lines []order.Line) []lineRow {
	rows := make([]lineRow, len(lines))
	for i, l := range lines {
		rows[i] = lineRow{SKU: l.SKU, Quantity: l.Quantity, PriceMinor: l.Price.Minor(), Decimals: l.Price.Decimals()}
	}
	return rows
}

func linesOfRows(rows []lineRow) ([]order.Line, error) {
	lines := make([]order.Line, len(rows))
	for i, r := range rows {
		price, err := order.NewPrice(r.PriceMinor, r.Decimals)
		if err != nil {
			return nil, fmt.Errorf("price of line %d: %w", i, err)
		}
		lines[i] = order.Line{SKU: r.SKU, Quantity: r.Quantity, Price: price}
	}
	return lines, nil
}
