// Package observe reads what a fleet holds: its databases, topics and inbox, and not its services.
package observe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/steadfast-shop/steadfast/auditor/audit"
	auditkafka "github.com/steadfast-shop/steadfast/auditor/kafka"
	"github.com/steadfast-shop/steadfast/auditor/mongodb"
	"github.com/steadfast-shop/steadfast/auditor/postgres"
	"github.com/steadfast-shop/steadfast/shared-proto/topics"

	"github.com/steadfast-shop/steadfast/e2e/internal/check"
	"github.com/steadfast-shop/steadfast/e2e/internal/inbox"
	"github.com/steadfast-shop/steadfast/e2e/internal/kafka"
	"github.com/steadfast-shop/steadfast/e2e/internal/system"
)

const closeWithin = 5 * time.Second

// Observer is connected to everything.
type Observer struct {
	urls    system.URLs
	orders  *mongodb.Orders
	records *auditkafka.Records
	topics  *kafka.Client
	inbox   *inbox.Client
}

// Open connects to the databases, the broker and the inbox.
func Open(ctx context.Context, urls system.URLs) (*Observer, error) {
	o := &Observer{urls: urls, inbox: inbox.New(urls.Inbox)}
	var err error
	if o.orders, err = mongodb.Open(ctx, urls.MongoDB); err != nil {
		return nil, err
	}
	if o.records, err = auditkafka.Open(ctx, strings.Split(urls.Kafka, ",")); err != nil {
		return nil, errors.Join(err, o.Close())
	}
	if o.topics, err = kafka.Dial(urls.Kafka); err != nil {
		return nil, errors.Join(err, o.Close())
	}
	return o, nil
}

// Close ends the connections.
func (o *Observer) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeWithin)
	defer cancel()
	err := o.orders.Close(ctx)
	if o.records != nil {
		err = errors.Join(err, o.records.Close())
	}
	if o.topics != nil {
		err = errors.Join(err, o.topics.Close())
	}
	return err
}

// Settled returns what is still under way, nil where nothing is.
func (o *Observer) Settled(ctx context.Context) error {
	journaled := 0
	for _, err := range o.orders.Journal(ctx) {
		if err != nil {
			return err
		}
		journaled++
	}
	if journaled > 0 {
		return fmt.Errorf("%d orders are in flight", journaled)
	}
	for _, topic := range []string{topics.OrderPlaced, topics.OrderPlacedRetry} {
		waiting := int64(0)
		for partition := range int32(topics.Partitions) {
			bounds, err := o.records.Bounds(ctx, topic, partition)
			if err != nil {
				return err
			}
			committed, err := o.records.Committed(ctx, topic, partition)
			if err != nil {
				return err
			}
			waiting += bounds.End - max(committed, bounds.Start)
		}
		if waiting > 0 {
			return fmt.Errorf("%d records of %s wait", waiting, topic)
		}
	}
	return nil
}

// Consumers tells how the mails' consumer group stands, where that can be told.
func (o *Observer) Consumers() string {
	text, err := o.topics.DescribeGroup(system.Notification)
	if err != nil {
		return err.Error()
	}
	return text
}

// Look reads everything, and has it audited.
func (o *Observer) Look(ctx context.Context) (check.State, error) {
	state := check.State{Orders: make(map[string]check.Order), Events: make(map[string]int), Mails: make(map[string][]check.Mail)}
	for order, err := range o.orders.Orders(ctx) {
		if err != nil {
			return state, err
		}
		state.Orders[order.Number] = order
	}
	for entry, err := range o.orders.Journal(ctx) {
		if err != nil {
			return state, err
		}
		state.Journal = append(state.Journal, entry)
	}
	err := errors.Join(o.lookAtInventory(ctx, &state), o.lookAtTopics(ctx, &state), o.lookAtMails(ctx, &state))
	if err != nil {
		return state, err
	}
	inventory, err := postgres.Open(ctx, o.urls.Postgres)
	if err != nil {
		return state, err
	}
	defer func() { _ = inventory.Close(context.WithoutCancel(ctx)) }()
	report, err := audit.Run(ctx, audit.Sources{Orders: o.orders, Inventory: inventory, Records: o.records}, audit.Options{Grace: -1, JournalAge: time.Nanosecond})
	state.Findings = report.Findings
	return state, err
}

func (o *Observer) lookAtTopics(ctx context.Context, state *check.State) error {
	for partition := range int32(topics.Partitions) {
		bounds, err := o.records.Bounds(ctx, topics.OrderPlaced, partition)
		if err != nil {
			return err
		}
		for record, err := range o.records.Read(ctx, topics.OrderPlaced, partition, bounds) {
			if err != nil {
				return err
			}
			if record.Event != nil {
				state.Events[record.Event.Number]++
			}
		}
	}
	letters, err := o.topics.ReadAll(ctx, topics.OrderPlacedDLQ)
	if err != nil {
		return err
	}
	for _, letter := range letters {
		state.Letters = append(state.Letters, check.Letter{
			Key: string(letter.Key), Reason: letter.Header(topics.HeaderDLQReason), Place: fmt.Sprintf("%s/%d/%d", letter.Topic, letter.Partition, letter.Offset),
		})
	}
	return nil
}

func (o *Observer) lookAtMails(ctx context.Context, state *check.State) error {
	mails, err := o.inbox.Since(ctx, 0)
	if err != nil {
		return err
	}
	for _, mail := range mails {
		for _, to := range mail.To {
			to = strings.ToLower(to)
			state.Mails[to] = append(state.Mails[to], check.Mail{MessageID: mail.MessageID, Subject: mail.Subject, At: mail.ReceivedAt})
		}
	}
	for _, mails := range state.Mails {
		slices.SortFunc(mails, func(a, b check.Mail) int { return a.At.Compare(b.At) })
	}
	return nil
}

// reservationRow is a row of reservations.
type reservationRow struct {
	ID, State string
	Lines     []struct {
		SKU      string `json:"sku_code"`
		Quantity int64  `json:"quantity"`
	}
	CreatedAt  time.Time
	ReleasedAt *time.Time
}

// stockRow is a row of stock.
type stockRow struct {
	SKU      string
	Quantity int64
}

// adjustmentRow is a row of adjustments.
type adjustmentRow struct {
	ID, SKU   string
	Delta     int64
	CreatedAt time.Time
}

func (o *Observer) lookAtInventory(ctx context.Context, state *check.State) error {
	conn, err := pgx.Connect(ctx, o.urls.Postgres)
	if err != nil {
		return fmt.Errorf("connect to the inventory's database: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	stock, stockErr := rows[stockRow](ctx, conn, `SELECT sku_code, quantity FROM stock`)
	reservations, reservationsErr := rows[reservationRow](ctx, conn, `SELECT id, state, lines, created_at, released_at FROM reservations`)
	adjustments, adjustmentsErr := rows[adjustmentRow](ctx, conn, `SELECT id, sku_code, delta, created_at FROM adjustments`)
	if err := cmp.Or(stockErr, reservationsErr, adjustmentsErr); err != nil {
		return fmt.Errorf("read the inventory: %w", err)
	}
	state.Stock, state.Reservations, state.Adjustments = make(map[string]int64), make(map[string]check.Reservation), make(map[string]check.Adjustment)
	for _, row := range stock {
		state.Stock[row.SKU] = row.Quantity
	}
	for _, row := range reservations {
		found := check.Reservation{State: row.State, CreatedAt: row.CreatedAt}
		if row.ReleasedAt != nil {
			found.ReleasedAt = *row.ReleasedAt
		}
		for _, line := range row.Lines {
			found.Lines = append(found.Lines, audit.Line{SKU: line.SKU, Quantity: line.Quantity})
		}
		state.Reservations[row.ID] = found
	}
	for _, row := range adjustments {
		state.Adjustments[row.ID] = check.Adjustment{SKU: row.SKU, Delta: row.Delta, CreatedAt: row.CreatedAt}
	}
	return nil
}

func rows[Row any](ctx context.Context, conn *pgx.Conn, query string, values ...any) ([]Row, error) {
	found, err := conn.Query(ctx, query, values...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(found, pgx.RowToStructByPos[Row])
}
