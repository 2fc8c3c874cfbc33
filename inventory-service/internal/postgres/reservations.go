package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/steadfast-shop/steadfast/inventory-service/internal/stock"
)

// lineRow is an element of reservations.lines.
type lineRow struct {
	SKUCode  string `json:"sku_code"`
	Quantity int64  `json:"quantity"`
}

// reserveStatement decides reservation $1 of $3 units of the SKUs $2 and returns its state, or nothing where the id is known. A thousand lines are as few round
// trips as one. Rows of stock are locked in the order of their SKUs, and the id is recorded only then, as in releaseStatement, so that no two calls can wait for
// each other. Only locked has the quantities as they are: stock, below, still shows those of the statement's beginning, from which PostgreSQL would first compute,
// and check, a row that may be below zero.
const reserveStatement = `
WITH want AS (
	SELECT * FROM unnest($2::text[], $3::bigint[]) AS line(sku_code, quantity)
), locked AS (
	SELECT stock.sku_code, stock.quantity FROM stock JOIN want USING (sku_code) ORDER BY stock.sku_code FOR UPDATE OF stock
), decided AS (
	SELECT CASE WHEN count(*) = (SELECT count(*) FROM want) THEN 'reserved' ELSE 'refused' END AS state
	FROM locked JOIN want USING (sku_code) WHERE locked.quantity >= want.quantity
), recorded AS (
	INSERT INTO reservations (id, state, lines)
	SELECT $1::text, state, (SELECT jsonb_agg(to_jsonb(want)) FROM want) FROM decided
	ON CONFLICT (id) DO NOTHING
	RETURNING state
), taken AS (
	UPDATE stock SET quantity = locked.quantity - want.quantity FROM locked JOIN want USING (sku_code), recorded
	WHERE recorded.state = 'reserved' AND stock.sku_code = locked.sku_code
)
SELECT state FROM recorded`

// releaseStatement ends the hold of reservation $1, if it has one. The lines never change, so that they may be read before anything is locked.
const releaseStatement = `
WITH held AS (
	SELECT line.* FROM reservations, jsonb_to_recordset(lines) AS line(sku_code text, quantity bigint)
	WHERE id = $1 AND state = 'reserved'
), locked AS (
	SELECT stock.sku_code FROM stock JOIN held USING (sku_code) ORDER BY stock.sku_code FOR UPDATE OF stock
), released AS (
	UPDATE reservations SET state = 'released', released_at = now()
	WHERE (SELECT count(*) FROM locked) > 0 AND id = $1 AND state = 'reserved'
	RETURNING id
)
UPDATE stock SET quantity = stock.quantity + held.quantity FROM held, released WHERE stock.sku_code = held.sku_code`

// Reserve implements stock.Reservations. Concurrent calls go out together; what the batch leaves undecided goes by itself.
func (r *Repository) Reserve(ctx context.Context, id string, lines stock.Lines) (reservation stock.Reservation, err error) {
	err = r.call(ctx, verbReserve, func(ctx context.Context) error {
		state, err := r.reserveTogether(ctx, id, lines)
		if errors.Is(err, errUndecided) {
			reservation, err = r.reserveAlone(ctx, id, lines)
			return err
		}
		reservation = stock.Reservation{ID: id, State: state, Lines: lines}
		return err
	})
	return reservation, err
}

func (r *Repository) reserveAlone(ctx context.Context, id string, lines stock.Lines) (stock.Reservation, error) {
	skuCodes, quantities := make([]string, 0, lines.Len()), make([]int64, 0, lines.Len())
	for line := range lines.All() {
		skuCodes, quantities = append(skuCodes, line.SKUCode), append(quantities, line.Quantity)
	}
	var state stock.State
	// gofail: var reserveAloneBefore struct{}
	err := r.pool.QueryRow(ctx, reserveStatement, id, skuCodes, quantities).Scan(&state)
	// gofail: var reserveAloneAfter struct{}
	if errors.Is(err, pgx.ErrNoRows) {
		// gofail: var faultReserveNotIdempotent struct{}
		// for line := range lines.All() {
		// 	_, _ = r.pool.Exec(ctx, "UPDATE stock SET quantity = quantity - $2 WHERE sku_code = $1", line.SKUCode, line.Quantity)
		// }
		return r.readReservation(ctx, id)
	}
	return stock.Reservation{ID: id, State: state, Lines: lines}, err
}

// Release implements stock.Reservations.
func (r *Repository) Release(ctx context.Context, id string) (reservation stock.Reservation, err error) {
	err = r.call(ctx, "release stock", func(ctx context.Context) error {
		// gofail: var releaseBefore struct{}
		if _, err := r.pool.Exec(ctx, releaseStatement, id); err != nil {
			return err
		}
		// gofail: var releaseAfter struct{}

		reservation, err = r.readReservation(ctx, id)
		if err == nil && reservation.State == stock.Reserved {
			return errMoved
		}
		if !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		// gofail: var releaseUnknownBefore struct{}
		tag, err := r.pool.Exec(ctx, `INSERT INTO reservations (id, state, lines) VALUES ($1, 'released', '[]') ON CONFLICT (id) DO NOTHING`, id)
		// gofail: var releaseUnknownAfter struct{}
		if err == nil && tag.RowsAffected() == 0 {
			return errMoved
		}
		reservation = stock.Reservation{ID: id, State: stock.Released}
		return err
	})
	return reservation, err
}

// readReservation returns what is recorded for the id, or pgx.ErrNoRows.
func (r *Repository) readReservation(ctx context.Context, id string) (stock.Reservation, error) {
	var state stock.State
	var rows []lineRow
	if err := r.pool.QueryRow(ctx, `SELECT state, lines FROM reservations WHERE id = $1`, id).Scan(&state, &rows); err != nil {
		return stock.Reservation{}, err
	}
	lines := make([]stock.Line, 0, len(rows))
	for _, row := range rows {
		lines = append(lines, stock.Line(row))
	}
	return stock.Reservation{ID: id, State: state, Lines: stock.NewLines(lines...)}, nil
}
