// Package postgres reads inventory-service's database for the auditor: in one read-only transaction, which sees one moment, batch by batch.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/steadfast-shop/steadfast/auditor/audit"
)

const (
	connectTimeout = 5 * time.Second
	// batchTimeout bounds each statement, here and at the server.
	batchTimeout = time.Minute
	// idleTimeout ends the snapshot of an auditor that was frozen or cut off: it would keep the server from cleaning up. Between two batches of reservations come those of orders.
	idleTimeout = 10 * time.Minute
	batchSize   = 1000
)

// Inventory is the inventory's database. It implements audit.Inventory.
type Inventory struct {
	// point answers single questions while the snapshot has its own connection.
	point  *pgx.Conn
	config *pgx.ConnConfig
}

// Open connects to the database at the URL.
func Open(ctx context.Context, url string) (*Inventory, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, errors.New("INVENTORY_POSTGRES_URL is no PostgreSQL URL; write it like postgres://user:password@host:5432/inventory") // the error may quote the password
	}
	config.ConnectTimeout = connectTimeout
	for name, value := range map[string]string{
		"application_name":                    "auditor",
		"default_transaction_read_only":       "on",
		"statement_timeout":                   fmt.Sprint(batchTimeout.Milliseconds()),
		"idle_in_transaction_session_timeout": fmt.Sprint(idleTimeout.Milliseconds()),
	} {
		config.RuntimeParams[name] = value
	}
	point, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("connect to the inventory's PostgreSQL: %w", err)
	}
	return &Inventory{point: point, config: config}, nil
}

// Close ends the connection.
func (i *Inventory) Close(ctx context.Context) error { return i.point.Close(ctx) }

// reservationRow is a row of reservations.
type reservationRow struct {
	ID        string
	State     string
	Lines     []lineRow
	CreatedAt time.Time
}

// lineRow is an element of reservations.lines.
type lineRow struct {
	SKU      string `json:"sku_code"`
	Quantity int64  `json:"quantity"`
}

func (r reservationRow) reservation() audit.Reservation {
	lines := make([]audit.Line, len(r.Lines))
	for i, line := range r.Lines {
		lines[i] = audit.Line{SKU: line.SKU, Quantity: line.Quantity}
	}
	return audit.Reservation{ID: r.ID, State: r.State, Lines: lines, CreatedAt: r.CreatedAt}
}

// Find implements audit.Inventory.
func (i *Inventory) Find(ctx context.Context, number string) (*audit.Reservation, error) {
	ctx, cancel := context.WithTimeout(ctx, batchTimeout)
	defer cancel()
	rows, err := i.point.Query(ctx, `SELECT id, state, lines, created_at FROM reservations WHERE id = $1`, number)
	if err != nil {
		return nil, fmt.Errorf("look for a reservation: %w", err)
	}
	row, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[reservationRow])
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for a reservation: %w", err)
	}
	found := row.reservation()
	return &found, nil
}

// Snapshot implements audit.Inventory.
func (i *Inventory) Snapshot(ctx context.Context) (audit.Snapshot, error) {
	conn, err := pgx.ConnectConfig(ctx, i.config.Copy())
	if err != nil {
		return nil, fmt.Errorf("connect to the inventory's PostgreSQL: %w", err)
	}
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err == nil {
		_, err = tx.Exec(ctx, `SELECT FROM stock LIMIT 1`) // the snapshot is taken by the first statement
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("take a snapshot of the inventory: %w", err), conn.Close(context.WithoutCancel(ctx)))
	}
	return &snapshot{conn, tx}, nil
}

// snapshot implements audit.Snapshot.
type snapshot struct {
	conn *pgx.Conn
	tx   pgx.Tx
}

// Close implements audit.Snapshot.
func (s *snapshot) Close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	if err := errors.Join(s.tx.Rollback(ctx), s.conn.Close(ctx)); err != nil {
		return fmt.Errorf("end the snapshot of the inventory: %w", err)
	}
	return nil
}

// Items implements audit.Snapshot.
func (s *snapshot) Items(ctx context.Context) iter.Seq2[audit.Item, error] {
	return batches(ctx, s.tx, `SELECT sku_code, initial_quantity, quantity FROM stock WHERE sku_code > $1 ORDER BY sku_code LIMIT $2`,
		func(item audit.Item) (string, audit.Item) { return item.SKU, item })
}

// adjustmentRow is a row of adjustments.
type adjustmentRow struct {
	ID    string
	SKU   string
	Delta int64
}

// Adjustments implements audit.Snapshot.
func (s *snapshot) Adjustments(ctx context.Context) iter.Seq2[audit.Adjustment, error] {
	return batches(ctx, s.tx, `SELECT id, sku_code, delta FROM adjustments WHERE id > $1 ORDER BY id LIMIT $2`,
		func(row adjustmentRow) (string, audit.Adjustment) {
			return row.ID, audit.Adjustment{SKU: row.SKU, Delta: row.Delta}
		})
}

// Reservations implements audit.Snapshot.
func (s *snapshot) Reservations(ctx context.Context) iter.Seq2[audit.Reservation, error] {
	return batches(ctx, s.tx, `SELECT id, state, lines, created_at FROM reservations WHERE id > $1 ORDER BY id LIMIT $2`,
		func(row reservationRow) (string, audit.Reservation) { return row.ID, row.reservation() })
}

// batches yields the rows of a query that takes the key to go on behind, which no row has empty, and the size of a batch. Keys are COLLATE "C": sorted byte by byte.
func batches[Row, Fact any](ctx context.Context, tx pgx.Tx, query string, fact func(Row) (string, Fact)) iter.Seq2[Fact, error] {
	return func(yield func(Fact, error) bool) {
		for last := ""; ; {
			rows, err := batch[Row](ctx, tx, query, last)
			if err != nil {
				var none Fact
				yield(none, fmt.Errorf("read the inventory: %w", err))
				return
			}
			for _, row := range rows {
				key, one := fact(row)
				if last = key; !yield(one, nil) {
					return
				}
			}
			if len(rows) < batchSize {
				return
			}
		}
	}
}

func batch[Row any](ctx context.Context, tx pgx.Tx, query, last string) ([]Row, error) {
	ctx, cancel := context.WithTimeout(ctx, batchTimeout)
	defer cancel()
	rows, err := tx.Query(ctx, query, last, batchSize)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[Row])
}
