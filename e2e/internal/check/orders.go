package check

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/steadfast-shop/steadfast/auditor/audit"

	"github.com/steadfast-shop/steadfast/e2e/internal/history"
	"github.com/steadfast-shop/steadfast/e2e/internal/shop"
)

const (
	pending   = "PENDING"
	rejected  = "REJECTED"
	cancelled = "CANCELLED"
	decimals  = 2
)

// content tells two orders with the same number apart.
func content(order *shop.Order) string {
	return fmt.Sprint(order.User.ID, " ", order.User.Email, " ", linesOf(order))
}

// linesOf are an order's lines in the form of the database.
func linesOf(order *shop.Order) []audit.Line {
	var lines []audit.Line
	for _, item := range order.Lines() {
		lines = append(lines, audit.Line{SKU: item.SKU, Quantity: item.Quantity, PriceMinor: minor(item.Price.String())})
	}
	return lines
}

// minor reads a price of at most two decimals; anything else is -1, which no price is.
func minor(price string) int64 {
	whole, part, _ := strings.Cut(price, ".")
	if len(part) > decimals {
		return -1
	}
	value, err := strconv.ParseInt(whole+part+strings.Repeat("0", decimals-len(part)), 10, 64)
	if err != nil {
		return -1
	}
	return value
}

// isPlaced says whether this very order is placed.
func (j *judge) isPlaced(order *shop.Order) bool {
	decided, found := j.State.Orders[order.Number]
	return found && decided.Status == audit.Placed && decided.UserID == order.User.ID && slices.Equal(decided.Lines, linesOf(order))
}

// describe says what became of a number.
func (j *judge) describe(number string) string {
	decided, found := j.State.Orders[number]
	if !found {
		return "not decided"
	}
	return fmt.Sprintf("%s with %v", decided.Status, decided.Lines)
}

// checkOrders holds the answers to orders to the decisions, and to each other.
func (j *judge) checkOrders() {
	for number, calls := range j.sent {
		fates := make(map[string]int)
		for _, call := range calls {
			if call.Answered == http.StatusCreated && !j.isPlaced(call.Order) {
				j.broken(CreatedIsPlaced, number, fmt.Sprintf("call %d was answered 201; the order is %s", call.ID, j.describe(number)), j.about(number)...)
			}
			if call.Answered == http.StatusConflict && j.isPlaced(call.Order) {
				j.broken(RefusedLeftNothing, number, fmt.Sprintf("call %d was answered 409; the order is placed", call.ID), j.about(number)...)
			}
			if call.Answered != http.StatusCreated && call.Answered != http.StatusConflict {
				continue
			}
			key := content(call.Order)
			if before := fates[key]; before != 0 && before != call.Answered {
				j.broken(OneFate, number, fmt.Sprintf("the same order was answered %d and %d", before, call.Answered), j.about(number)...)
			}
			fates[key] = call.Answered
		}
		if decided, found := j.State.Orders[number]; found && decided.Status == audit.Placed {
			j.verdict.Placed++
		} else {
			j.verdict.NotPlaced++
		}
	}
	for number, decided := range j.State.Orders {
		if len(j.sent[number]) == 0 {
			j.broken(OneFate, number, "nobody has sent this order, and it is "+decided.Status)
		}
		if !slices.Contains([]string{audit.Placed, rejected, cancelled}, decided.Status) {
			j.broken(OneFate, number, "it is "+decided.Status, j.about(number)...)
		}
	}
	for _, entry := range j.State.Journal {
		j.broken(JournalEmpty, entry.Number, "received "+entry.ReceivedAt.UTC().Format(time.RFC3339Nano)+", and "+j.describe(entry.Number), j.about(entry.Number)...)
	}
}

// sight is what a reader saw of an order.
type sight struct {
	status string // "" where it was not known
	call   history.Call
}

// checkReads holds what was read of orders to what was known before, and to the decisions.
func (j *judge) checkReads() {
	for number, calls := range j.statuses {
		var decided []sight
		for _, call := range calls {
			seen, readable := statusOf(call)
			if !readable {
				continue
			}
			decision, isDecided := j.State.Orders[number]
			if isSettled(seen) && (!isDecided || decision.Status != seen) {
				j.broken(OneFate, number, fmt.Sprintf("call %d read %s; the order is %s", call.ID, seen, j.describe(number)), j.about(number)...)
			}
			if seen == pending && !isDecided {
				j.broken(OneFate, number, fmt.Sprintf("call %d read %s; the order was never decided", call.ID, seen), j.about(number)...)
			}
			for _, before := range decided {
				if before.call.Ended < call.Called && before.status != seen {
					j.broken(OneFate, number, fmt.Sprintf("call %d read %s, and later call %d %s", before.call.ID, before.status, call.ID, cmp.Or(seen, "nothing")), j.about(number)...)
				}
			}
			if isSettled(seen) {
				decided = append(decided, sight{seen, call})
			}
			if seen != audit.Placed && j.createdBefore(number, call.Called) {
				j.broken(CreatedIsPlaced, number, fmt.Sprintf("call %d read %s after a 201", call.ID, cmp.Or(seen, "nothing")), j.about(number)...)
			}
		}
	}
	byUser := make(map[string][]string)
	for number, calls := range j.sent {
		byUser[calls[0].Order.User.ID] = append(byUser[calls[0].Order.User.ID], number)
	}
	for user, calls := range j.lists {
		for _, call := range calls {
			j.checkList(call, byUser[user])
		}
	}
}

func isSettled(status string) bool { return status != "" && status != pending }

// createdBefore says whether an order with the number was answered 201 before that time.
func (j *judge) createdBefore(number string, at time.Duration) bool {
	return slices.ContainsFunc(j.sent[number], func(c history.Call) bool { return c.Answered == http.StatusCreated && c.Ended < at })
}

// statusOf returns the status that a call has read, "" where the order was not known.
func statusOf(call history.Call) (status string, readable bool) {
	if call.Answered == http.StatusNotFound {
		return "", true
	}
	var fate shop.Fate
	if call.Answered != http.StatusOK || json.Unmarshal([]byte(call.Body), &fate) != nil {
		return "", false
	}
	return fate.Status, true
}

// checkList holds one list to what was placed for certain when it was asked for.
func (j *judge) checkList(call history.Call, numbers []string) {
	var orders []struct {
		Number string `json:"orderNumber"`
	}
	if call.Answered != http.StatusOK || json.Unmarshal([]byte(call.Body), &orders) != nil {
		return
	}
	listed := make(map[string]bool)
	for _, order := range orders {
		if listed[order.Number] {
			j.broken(OneFate, order.Number, fmt.Sprintf("call %d lists it twice", call.ID), call)
		}
		listed[order.Number] = true
		if decided := j.State.Orders[order.Number]; decided.Status != audit.Placed || decided.UserID != call.User {
			j.broken(OneFate, order.Number, fmt.Sprintf("call %d lists it; the order is %s", call.ID, j.describe(order.Number)), append(j.about(order.Number), call)...)
		}
	}
	for _, number := range numbers {
		if !listed[number] && j.createdBefore(number, call.Called) {
			j.broken(CreatedIsPlaced, number, fmt.Sprintf("call %d does not list it, after a 201", call.ID), append(j.about(number), call)...)
		}
	}
}

// checkAnswers finds answers that the API does not have.
func (j *judge) checkAnswers() {
	texts := map[history.Kind]map[int]string{
		history.Place:  {http.StatusCreated: shop.TextPlaced, http.StatusConflict: shop.TextNotPlaced, http.StatusServiceUnavailable: shop.TextUnavailable},
		history.Adjust: {http.StatusOK: "", http.StatusConflict: "", http.StatusServiceUnavailable: shop.TextUnavailable},
		history.Stock:  {http.StatusOK: "", http.StatusServiceUnavailable: shop.TextUnavailable},
		history.Status: {http.StatusOK: "", http.StatusNotFound: "", http.StatusServiceUnavailable: shop.TextUnavailable},
		history.List:   {http.StatusOK: "", http.StatusServiceUnavailable: shop.TextUnavailable},
		history.Create: {http.StatusCreated: shop.TextStocked},
	}
	for _, call := range j.Calls {
		if call.Answered == 0 || call.Error != "" {
			continue // no answer, or not all of it
		}
		want, known := texts[call.Kind][call.Answered]
		if !known || want != "" && call.Body != want {
			j.broken(AnswersAsPromised, cmp.Or(call.Number, call.Adjustment, string(call.Kind)), fmt.Sprintf("call %d was answered %d %q", call.ID, call.Answered, call.Body), call)
		}
	}
}
