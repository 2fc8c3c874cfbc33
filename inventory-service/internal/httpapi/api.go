// Package httpapi serves the inventory's part of the public REST API.
package httpapi

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/gin-gonic/gin"

	"github.com/steadfast-shop/steadfast/inventory-service/internal/stock"
	"github.com/steadfast-shop/steadfast/shared-kit/problem"
)

// The bodies of the two answers that are plain text.
const (
	bodyCreated  = "Inventory created successfully"
	bodyConflict = "Inventory creation failed"
)

// inventory is what this package needs of stock.Service.
type inventory interface {
	CreateItem(ctx context.Context, item stock.Item) error
	Quantities(ctx context.Context, skuCodes []string) ([]*int64, error)
	Adjust(ctx context.Context, adjustment stock.Adjustment) (quantity int64, err error)
}

type api struct{ inventory inventory }

// Register adds the inventory's routes.
func Register(routes gin.IRoutes, inventory inventory) {
	a := &api{inventory}
	routes.POST("/api/inventory", a.createItem)
	routes.GET("/api/inventory", a.listQuantities)
	routes.POST("/api/inventory/:skuCode/adjustments", a.adjustStock)
}

func (a *api) createItem(c *gin.Context) {
	item, invalid := readItem(c.Request)
	if invalid != nil {
		problem.Write(c, invalid)
		return
	}
	err := a.inventory.CreateItem(c.Request.Context(), item)
	switch {
	case errors.Is(err, stock.ErrItemExists):
		c.String(http.StatusConflict, bodyConflict)
	case err != nil:
		writeError(c, err)
	default:
		c.Header("Location", "/api/inventory?skuCode="+url.QueryEscape(item.SKUCode))
		c.String(http.StatusCreated, bodyCreated)
	}
}

func (a *api) listQuantities(c *gin.Context) {
	skuCodes, invalid := readSKUCodes(c.Request)
	if invalid != nil {
		problem.Write(c, invalid)
		return
	}
	quantities, err := a.inventory.Quantities(c.Request.Context(), skuCodes)
	if err != nil {
		writeError(c, err)
		return
	}
	c.JSON(http.StatusOK, quantities)
}

// adjusted is the answer to an adjustment.
type adjusted struct {
	SKUCode  string `json:"skuCode"`
	Quantity int64  `json:"quantity"`
}

func (a *api) adjustStock(c *gin.Context) {
	adjustment, invalid := readAdjustment(c.Request, c.Param("skuCode"))
	if invalid != nil {
		problem.Write(c, invalid)
		return
	}
	quantity, err := a.inventory.Adjust(c.Request.Context(), adjustment)
	if err != nil {
		writeError(c, err)
		return
	}
	c.JSON(http.StatusOK, adjusted{SKUCode: adjustment.SKUCode, Quantity: quantity})
}
