package httpapi

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/steadfast-shop/steadfast/inventory-service/internal/stock"
	"github.com/steadfast-shop/steadfast/shared-kit/input"
	"github.com/steadfast-shop/steadfast/shared-kit/problem"
)

// paramSKUCode is the query parameter that names a SKU, and may be repeated.
const paramSKUCode = "skuCode"

// readItem reads {"skuCode":"SKU001","quantity":100}.
func readItem(r *http.Request) (stock.Item, *problem.Problem) {
	body, invalid := input.Body(r)
	if invalid != nil {
		return stock.Item{}, invalid
	}
	var faults input.Faults
	var item stock.Item
	if object, ok := input.ParseObject(body, &faults); ok {
		item.SKUCode = object.Text("skuCode", input.MaxID)
		item.Quantity = object.Int("quantity", 1, stock.MaxUnits)
		object.End()
	}
	return item, faults.Problem()
}

// readAdjustment reads {"adjustmentId":"A-1","delta":-3}.
func readAdjustment(r *http.Request, skuCode string) (stock.Adjustment, *problem.Problem) {
	body, invalid := input.Body(r)
	if invalid != nil {
		return stock.Adjustment{}, invalid
	}
	var faults input.Faults
	adjustment := stock.Adjustment{SKUCode: skuCode}
	if wrong := input.CheckText(skuCode, input.MaxID); wrong != "" {
		faults.Add("skuCode", wrong)
	}
	if object, ok := input.ParseObject(body, &faults); ok {
		adjustment.ID = object.Text("adjustmentId", input.MaxID)
		adjustment.Delta = readDelta(object)
		object.End()
	}
	return adjustment, faults.Problem()
}

func readDelta(object *input.Object) int64 {
	text, ok := object.Number("delta")
	if !ok {
		return 0
	}
	delta, err := strconv.ParseInt(text, 10, 64)
	if err != nil || delta == 0 || delta < -stock.MaxUnits || delta > stock.MaxUnits {
		object.Fault("delta", fmt.Sprintf("must be a whole number from -%d to %d, and not 0", stock.MaxUnits, stock.MaxUnits))
	}
	return delta
}

// readSKUCodes reads the SKUs from the body, a JSON array, or from the query, but not from both.
func readSKUCodes(r *http.Request) ([]string, *problem.Problem) {
	body, invalid := input.Body(r)
	if invalid != nil {
		return nil, invalid
	}
	var faults input.Faults
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		faults.Add("", "the query is malformed: "+err.Error())
	}
	skuCodes := query[paramSKUCode]
	for _, name := range slices.Sorted(maps.Keys(query)) {
		if name != paramSKUCode {
			faults.Add(name, "is unknown; leave it out")
		}
	}
	switch {
	case len(body) > 0 && len(skuCodes) > 0:
		faults.Add(paramSKUCode, "is there besides a body; send the SKUs in one of them")
	case len(body) > 0:
		skuCodes = input.ParseTexts(body, stock.MaxLines, input.MaxID, &faults)
	case len(skuCodes) == 0:
		faults.Add("", "no SKU is asked for; send a JSON array of them, or ?skuCode= once for each")
	default:
		checkSKUCodes(skuCodes, &faults)
	}
	return skuCodes, faults.Problem()
}

func checkSKUCodes(skuCodes []string, faults *input.Faults) {
	if len(skuCodes) > stock.MaxLines {
		faults.Add(paramSKUCode, fmt.Sprintf("may be there at most %d times", stock.MaxLines))
		return
	}
	for i, skuCode := range skuCodes {
		if wrong := input.CheckText(skuCode, input.MaxID); wrong != "" {
			faults.Add(fmt.Sprintf("%s[%d]", paramSKUCode, i), wrong)
		}
	}
}
