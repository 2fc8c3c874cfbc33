package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/steadfast-shop/steadfast/inventory-service/internal/stock"
)

// reserveLimit is the most reservations that are decided together.
const reserveLimit = 128

// errUndecided is what a batch answers for a reservation that has to go by itself.
var errUndecided = errors.New("the batch has not decided the reservation")

// verbReserve says what a call is for, in errors and traces.
const verbReserve = "reserve stock"

// demand is a reservation that waits for its batch, which writes the state.
type demand struct {
	ctx   context.Context //nolint:containedctx // the call's: only its trace is looked at
	id    string
	lines stock.Lines
	state stock.State
}

// reserveManyStatement decides what it can of the reservations $1, whose lines are $2 as JSON, and $4 and $5 with the reservation's place $3, and returns the state of each
// that it has decided. A reservation that would not fit even alone is refused; one that fits behind all others of the batch before it is reserved. What is left out is in
// between, or has an id that is known. Rows are locked in the order of reserveStatement: stock by SKU, then ids in order, so that batches of
// two replicas cannot wait for each other.
const reserveManyStatement = `
WITH want AS (
	SELECT * FROM unnest($3::bigint[], $4::text[], $5::bigint[]) AS line(place, sku_code, quantity)
), locked AS (
	SELECT sku_code, quantity FROM stock WHERE sku_code = ANY($4::text[]) ORDER BY sku_code FOR UPDATE
), line AS (
	SELECT place, sku_code, want.quantity, locked.quantity AS available, bool_or(coalesce(want.quantity > locked.quantity, true)) OVER (PARTITION BY place) AS refused
	FROM want LEFT JOIN locked USING (sku_code)
), queue AS (
	SELECT place, refused, available, sum(CASE WHEN refused THEN 0 ELSE quantity END) OVER (PARTITION BY sku_code ORDER BY place) AS with_all_before FROM line
), decided AS (
	SELECT place, CASE WHEN refused THEN 'refused' ELSE 'reserved' END AS state FROM queue
	GROUP BY place, refused HAVING refused OR bool_and(with_all_before <= available)
), asked AS (
	SELECT * FROM ROWS FROM (unnest($1::text[]), unnest($2::jsonb[])) WITH ORDINALITY AS asked(id, lines, place)
), recorded AS (
	INSERT INTO reservations (id, state, lines)
	SELECT id, state, lines FROM asked JOIN decided USING (place) ORDER BY id COLLATE "C"
	ON CONFLICT (id) DO NOTHING
	RETURNING id, state
), taken AS (
	SELECT sku_code, sum(want.quantity)::bigint AS quantity
	FROM want JOIN asked USING (place) JOIN recorded USING (id) WHERE recorded.state = 'reserved' GROUP BY sku_code
), changed AS (
	UPDATE stock SET quantity = locked.quantity - taken.quantity FROM locked JOIN taken USING (sku_code) WHERE stock.sku_code = locked.sku_code
)
SELECT id, state FROM recorded`

// RunReservations lets concurrent calls of Reserve go out together, until ctx ends. Reserve works only meanwhile.
func (r *Repository) RunReservations(ctx context.Context) error { return r.reserves.Run(ctx) }

// WaitingReservations returns how many reservations wait to go out together.
func (r *Repository) WaitingReservations() int { return r.reserves.Waiting() }

// reserveTogether lets the next batch decide the reservation; errUndecided where it does not.
func (r *Repository) reserveTogether(ctx context.Context, id string, lines stock.Lines) (stock.State, error) {
	ctx, span := startWait(ctx, verbReserve)
	defer span.End()
	d := &demand{ctx: ctx, id: id, lines: lines}
	if err := r.reserves.Do(ctx, d); err != nil {
		return "", err
	}
	return d.state, nil
}

// reserveMany decides a batch with one statement.
func (r *Repository) reserveMany(ctx context.Context, demands []*demand) []error {
	results := make([]error, len(demands))
	places := make(map[string]int, len(demands))
	var (
		ids, lines, skuCodes   []string
		linePlaces, quantities []int64
	)
	for i, d := range demands {
		results[i] = errUndecided
		if _, repeated := places[d.id]; repeated {
			continue // the record of the first one will answer it
		}
		places[d.id] = i
		ids, lines = append(ids, d.id), append(lines, linesJSON(d.lines))
		for line := range d.lines.All() {
			linePlaces, skuCodes, quantities = append(linePlaces, int64(len(ids))), append(skuCodes, line.SKUCode), append(quantities, line.Quantity)
		}
	}
	var id string
	var state stock.State
	// gofail: var reserveManyBefore struct{}
	rows, _ := r.pool.Query(joinBatch(ctx, verbReserve, demands), reserveManyStatement, ids, lines, linePlaces, skuCodes, quantities) // its error is also that of the rows
	_, err := pgx.ForEachRow(rows, []any{&id, &state}, func() error {
		i := places[id]
		demands[i].state, results[i] = state, nil
		return nil
	})
	// gofail: var reserveManyAfter struct{}
	if err == nil {
		return results
	}
	// Nothing was recorded, whatever rows have come. One that cannot be recorded must not keep the others out, so each goes by itself then.
	if len(demands) > 1 && !isAway(err) && !isTransient(err) && ctx.Err() == nil {
		err = errUndecided
	}
	for i := range results {
		results[i] = err
	}
	return results
}

func linesJSON(lines stock.Lines) string {
	rows := make([]lineRow, 0, lines.Len())
	for line := range lines.All() {
		rows = append(rows, lineRow(line))
	}
	text, err := json.Marshal(rows)
	if err != nil { // strings and ints always marshal
		panic(fmt.Errorf("encode lines: %w", err))
	}
	return string(text)
}
