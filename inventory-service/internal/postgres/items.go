package postgres

import (
	"context"
	"errors"
	"fmt"

	"gorm.io/gorm"

	"github.com/steadfast-shop/steadfast/inventory-service/internal/stock"
)

// itemRow is a row of the table stock.
type itemRow struct {
	SKUCode         string `gorm:"primaryKey"`
	Quantity        int64
	InitialQuantity int64
}

// TableName implements gorm's Tabler.
func (itemRow) TableName() string { return "stock" }

// adjustmentRow is a row of the table adjustments.
type adjustmentRow struct {
	ID       string `gorm:"primaryKey"`
	SKUCode  string
	Delta    int64
	Quantity int64
}

// TableName implements gorm's Tabler.
func (adjustmentRow) TableName() string { return "adjustments" }

func (row adjustmentRow) recorded() stock.RecordedAdjustment {
	return stock.RecordedAdjustment{
		Adjustment: stock.Adjustment{ID: row.ID, SKUCode: row.SKUCode, Delta: row.Delta},
		Quantity:   row.Quantity,
	}
}

// CreateItem implements stock.Items.
func (r *Repository) CreateItem(ctx context.Context, item stock.Item) error {
	row := itemRow{SKUCode: item.SKUCode, Quantity: item.Quantity, InitialQuantity: item.Quantity}
	return r.call(ctx, "create an item", func(ctx context.Context) error {
		// gofail: var createItemBefore struct{}
		err := r.orm.WithContext(ctx).Create(&row).Error
		// gofail: var createItemAfter struct{}
		if errors.Is(err, gorm.ErrDuplicatedKey) {
			return stock.ErrItemExists
		}
		return err
	})
}

// Quantities implements stock.Items.
func (r *Repository) Quantities(ctx context.Context, skuCodes []string) (map[string]int64, error) {
	var rows []itemRow
	err := r.call(ctx, "read quantities", func(ctx context.Context) error {
		return r.orm.WithContext(ctx).Select("sku_code", "quantity").Where("sku_code IN ?", skuCodes).Find(&rows).Error
	})
	if err != nil {
		return nil, err
	}
	quantities := make(map[string]int64, len(rows))
	for _, row := range rows {
		quantities[row.SKUCode] = row.Quantity
	}
	return quantities, nil
}

// Adjust implements stock.Items.
func (r *Repository) Adjust(ctx context.Context, adjustment stock.Adjustment) (recorded stock.RecordedAdjustment, err error) {
	err = r.call(ctx, "adjust stock", func(ctx context.Context) error {
		var before, after *int64
		// gofail: var adjustBefore struct{}
		err := r.pool.QueryRow(ctx, adjustStatement, adjustment.ID, adjustment.SKUCode, adjustment.Delta, int64(stock.MaxQuantity)).Scan(&before, &after)
		// gofail: var adjustAfter struct{}
		if err != nil {
			return err
		}
		if after != nil {
			recorded = stock.RecordedAdjustment{Adjustment: adjustment, Quantity: *after}
			return nil
		}
		recorded, err = r.readAdjustment(ctx, adjustment.ID)
		if !errors.Is(err, gorm.ErrRecordNotFound) {
			return err
		}
		return refusal(adjustment, before)
	})
	return recorded, err
}

func (r *Repository) readAdjustment(ctx context.Context, id string) (stock.RecordedAdjustment, error) {
	var row adjustmentRow
	if err := r.orm.WithContext(ctx).Take(&row, "id = ?", id).Error; err != nil {
		return stock.RecordedAdjustment{}, err
	}
	return row.recorded(), nil
}

// refusal names the reason for which an adjustment was not recorded.
func refusal(adjustment stock.Adjustment, before *int64) error {
	if before == nil {
		return stock.ErrUnknownSKU
	}
	if _, err := adjustment.Apply(*before); err != nil {
		return err
	}
	return fmt.Errorf("an adjustment by %d was neither recorded nor refused at a stock of %d", adjustment.Delta, *before)
}

// adjustStatement applies adjustment $1 of SKU $2 by $3, up to a stock of $4, and tells the stock before it and, where it was recorded, after it. Its row of
// stock is locked first; a known id ends at the conflict, which also sees what other calls have recorded since the statement began.
const adjustStatement = `
WITH locked AS (
	SELECT sku_code, quantity FROM stock WHERE sku_code = $2 FOR UPDATE
), recorded AS (
	INSERT INTO adjustments (id, sku_code, delta, quantity)
	SELECT $1::text, sku_code, $3::bigint, quantity + $3 FROM locked WHERE quantity + $3 BETWEEN 0 AND $4::bigint
	ON CONFLICT (id) DO NOTHING
	RETURNING sku_code, quantity
), changed AS (
	UPDATE stock SET quantity = recorded.quantity FROM recorded WHERE stock.sku_code = recorded.sku_code
)
SELECT (SELECT quantity FROM locked), (SELECT quantity FROM recorded)`
