package check

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"github.com/steadfast-shop/steadfast/auditor/audit"

	"github.com/steadfast-shop/steadfast/e2e/internal/history"
)

// checkStock adds every SKU up, and finds reads below zero.
func (j *judge) checkStock() {
	want := make(map[string]int64)
	for _, call := range j.Calls {
		if call.Kind == history.Create && call.Answered == http.StatusCreated {
			want[call.SKUs[0]] = call.Quantity
		}
		for i, quantity := range quantitiesOf(call) {
			switch {
			case quantity == nil:
				j.broken(StockBalances, call.SKUs[i], fmt.Sprintf("call %d read that there is no such SKU", call.ID), call)
			case *quantity < 0:
				j.broken(StockNotNegative, call.SKUs[i], fmt.Sprintf("call %d read %d", call.ID, *quantity), call)
			}
		}
	}
	initial := maps.Clone(want)
	for _, adjustment := range j.State.Adjustments {
		want[adjustment.SKU] += adjustment.Delta
	}
	adjusted := maps.Clone(want)
	for _, order := range j.State.Orders {
		if order.Status != audit.Placed {
			continue
		}
		for _, line := range order.Lines {
			want[line.SKU] -= line.Quantity
		}
	}
	for _, sku := range slices.Sorted(maps.Keys(want)) {
		got, found := j.State.Stock[sku]
		if !found || got != want[sku] {
			j.broken(StockBalances, sku, fmt.Sprintf("%d on stock; want %d = %d initial %+d adjusted - %d placed", got, want[sku], initial[sku], adjusted[sku]-initial[sku], adjusted[sku]-want[sku]))
		}
	}
	for sku, quantity := range j.State.Stock {
		if quantity < 0 {
			j.broken(StockNotNegative, sku, fmt.Sprintf("%d on stock", quantity))
		}
	}
}

// quantitiesOf returns what a call read of each of its SKUs, nothing where it read none.
func quantitiesOf(call history.Call) []*int64 {
	var quantities []*int64
	if call.Kind != history.Stock || call.Answered != http.StatusOK || json.Unmarshal([]byte(call.Body), &quantities) != nil || len(quantities) != len(call.SKUs) {
		return nil
	}
	return quantities
}

// checkAdjustments: what was answered 200 is there, once, and what was refused is not.
func (j *judge) checkAdjustments() {
	for _, call := range j.Calls {
		if call.Kind != history.Adjust {
			continue
		}
		made, found := j.State.Adjustments[call.Adjustment]
		switch {
		case call.Answered == http.StatusOK && (!found || made.SKU != call.SKUs[0] || made.Delta != call.Delta):
			j.broken(StockBalances, call.Adjustment, fmt.Sprintf("call %d was answered 200; the adjustment is %+v", call.ID, made), call)
		case call.Answered == http.StatusConflict && found && made.Delta == call.Delta && j.neverAnswered(call, http.StatusOK):
			j.broken(StockBalances, call.Adjustment, fmt.Sprintf("call %d was answered 409; the adjustment was made", call.ID), call)
		}
	}
}

// neverAnswered says whether no try of the same adjustment was answered so, or is unknown: one that was late may have been made after another was refused.
func (j *judge) neverAnswered(call history.Call, status int) bool {
	return !slices.ContainsFunc(j.Calls, func(c history.Call) bool {
		return c.Kind == history.Adjust && c.Adjustment == call.Adjustment && c.ID != call.ID && (c.Answered == status || c.Answered == 0 || c.Answered >= http.StatusInternalServerError)
	})
}

// checkReservations: a reservation holds stock exactly for its PLACED order, and exactly its lines.
func (j *judge) checkReservations() {
	for number, reservation := range j.State.Reservations {
		if reservation.State == audit.Reserved && j.State.Orders[number].Status != audit.Placed {
			j.broken(NoStrayReservation, number, fmt.Sprintf("%v is held; the order is %s", reservation.Lines, j.describe(number)), j.about(number)...)
		}
		if _, isDecided := j.State.Orders[number]; !isDecided { // a journal entry came before the reservation, and ends with a decision only
			j.broken(OneFate, number, "its reservation is "+reservation.State+", and it was never decided", j.about(number)...)
		}
	}
	for number, order := range j.State.Orders {
		reservation := j.State.Reservations[number]
		if order.Status == audit.Placed && (reservation.State != audit.Reserved || !maps.Equal(units(reservation.Lines), units(order.Lines))) {
			j.broken(NoStrayReservation, number, fmt.Sprintf("the order is %s; the reservation is %q with %v", j.describe(number), reservation.State, reservation.Lines), j.about(number)...)
		}
	}
}

// units adds lines up by SKU.
func units(lines []audit.Line) map[string]int64 {
	sums := make(map[string]int64, len(lines))
	for _, line := range lines {
		sums[line.SKU] += line.Quantity
	}
	return sums
}
