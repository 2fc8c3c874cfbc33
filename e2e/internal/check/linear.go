package check

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/steadfast-shop/steadfast/auditor/audit"

	"github.com/steadfast-shop/steadfast/e2e/internal/history"
)

const (
	// clockMargin covers that times come from several processes of one machine, and that some are kept in milliseconds.
	clockMargin = 20 * time.Millisecond
	// end is when what nobody saw the end of has ended.
	end = time.Duration(1 << 62)
)

// step is something that happened to the stock of one SKU, at one moment between its call and its return.
type step struct {
	// change is what it did to the quantity, which must not fall below zero by it.
	change int64
	// isRead says that it saw the quantity, and refused that it found less than -change there.
	isRead, refused bool
	read            int64
	// what it was, for people.
	what string
}

// model is the stock of one SKU: a number.
func model(initial int64) porcupine.Model {
	return porcupine.Model{
		Init: func() any { return initial },
		Step: func(state, input, _ any) (bool, any) {
			quantity, s := state.(int64), input.(step)
			switch {
			case s.isRead:
				return quantity == s.read, quantity
			case s.refused:
				return quantity+s.change < 0, quantity
			default:
				return quantity+s.change >= 0, quantity + s.change
			}
		},
		DescribeOperation: func(input, _ any) string { return input.(step).what },
	}
}

// timeline is what happened to each SKU.
type timeline map[string][]porcupine.Operation

// add adds a step. The times are widened to what they are known to.
func (t timeline) add(sku string, s step, called, ended time.Duration) {
	t[sku] = append(t[sku], porcupine.Operation{Input: s, Call: int64(called), Return: int64(max(called, ended))})
}

// checkLinear looks for an order of all that happened to each SKU in which every read saw what was there.
//
// A read, and a change by hand with an answer, took place between call and return. An order's take is known better by what the databases have noted: not before the transaction that recorded
// its reservation began, and before its decision was written. So it does not matter what its clients were told, and when: an order that was answered 503 and is placed later has its one take,
// and one that was cancelled has two steps, the take, and giving back, which began at the time noted for it and was over when it was first seen in the database. Whether a cancelled order took
// anything at all, its reservation tells. What was refused for want of stock must find too little at its time; of orders with several lines nobody knows which of them it was, so that these are left out.
func (j *judge) checkLinear() {
	initial, steps := make(map[string]int64), make(timeline)
	for _, call := range j.Calls {
		switch {
		case call.Kind == history.Create && call.Answered == http.StatusCreated:
			initial[call.SKUs[0]] = call.Quantity
		case call.Kind == history.Stock:
			for i, quantity := range quantitiesOf(call) {
				if quantity != nil {
					steps.add(call.SKUs[i], step{isRead: true, read: *quantity, what: fmt.Sprintf("call %d reads %d", call.ID, *quantity)}, call.Called, call.Ended)
				}
			}
		}
	}
	j.addAdjustments(steps)
	for number, reservation := range j.State.Reservations {
		j.addReservation(steps, number, reservation)
	}
	skus := slices.Sorted(maps.Keys(steps))
	deadline := time.Now().Add(j.Patience)
	var (
		mu      sync.Mutex
		workers sync.WaitGroup
		next    = make(chan string)
	)
	for range 2 {
		workers.Go(func() {
			for sku := range next {
				wrong, decided := search(initial[sku], steps[sku], deadline)
				mu.Lock()
				switch {
				case wrong != nil:
					j.notLinear(sku, wrong)
				case !decided:
					j.verdict.Undecided = append(j.verdict.Undecided, sku)
				}
				mu.Unlock()
			}
		})
	}
	for _, sku := range skus {
		next <- sku
	}
	close(next)
	workers.Wait()
	slices.Sort(j.verdict.Undecided)
}

// since is a time of a database, which has been checked to be one machine's, since the run began.
func (j *judge) since(at time.Time) time.Duration { return at.Sub(j.Began.Round(0)) }

// seen is by when a change was in the database.
func (j *judge) seen(id string) time.Duration {
	if at, found := j.Facts.Seen[id]; found {
		return at
	}
	return end
}

func (j *judge) addReservation(steps timeline, number string, reservation Reservation) {
	created, decided := j.since(reservation.CreatedAt)-clockMargin, end
	order, isDecided := j.State.Orders[number]
	if isDecided && order.Status != cancelled { // a cancelled order may still be reserved for, until its release
		decided = j.since(order.DecidedAt) + clockMargin
	}
	for sku, quantity := range units(reservation.Lines) {
		taken := step{change: -quantity, what: fmt.Sprintf("%s takes %d", number, quantity)}
		switch {
		case reservation.State == audit.Reserved:
			steps.add(sku, taken, created, decided)
		case reservation.State == "refused" && len(reservation.Lines) == 1 && decided != end:
			if _, known := j.State.Stock[sku]; known {
				steps.add(sku, step{change: -quantity, refused: true, what: fmt.Sprintf("%s is refused %d", number, quantity)}, created, decided)
			}
		case !reservation.ReleasedAt.IsZero():
			steps.add(sku, taken, created, j.seen(number))
			steps.add(sku, step{change: quantity, what: fmt.Sprintf("%s gives back %d", number, quantity)}, j.since(reservation.ReleasedAt)-clockMargin, j.seen(number))
		}
	}
}

// addAdjustments adds each adjustment once: made, at the latest when the first of its tries was answered 200, or refused.
func (j *judge) addAdjustments(steps timeline) {
	made := make(map[string]time.Duration)
	for _, call := range j.Calls {
		if call.Kind != history.Adjust {
			continue
		}
		switch call.Answered {
		case http.StatusOK:
			if at, found := made[call.Adjustment]; !found || call.Ended < at {
				made[call.Adjustment] = call.Ended
			}
		case http.StatusConflict:
			steps.add(call.SKUs[0], step{change: call.Delta, refused: true, what: fmt.Sprintf("call %d is refused %+d", call.ID, call.Delta)}, call.Called, call.Ended)
		}
	}
	for id, adjustment := range j.State.Adjustments {
		ended := j.seen(id)
		if at, found := made[id]; found {
			ended = min(at, ended)
		}
		steps.add(adjustment.SKU, step{change: adjustment.Delta, what: fmt.Sprintf("%s adjusts by %+d", id, adjustment.Delta)}, j.since(adjustment.CreatedAt)-clockMargin, ended)
	}
}

// search returns the steps that fit no order, or whether it could decide. It goes from one moment at which nothing was under way to the next: what there was then is known, whatever the order
// before, for it is the sum of all changes.
func search(initial int64, steps []porcupine.Operation, deadline time.Time) (wrong []porcupine.Operation, decided bool) {
	slices.SortFunc(steps, func(a, b porcupine.Operation) int { return cmp.Compare(a.Call, b.Call) })
	decided = true
	for len(steps) > 0 {
		size, last := 1, steps[0].Return
		for size < len(steps) && steps[size].Call <= last {
			last = max(last, steps[size].Return)
			size++
		}
		part := steps[:size]
		patience := time.Until(deadline)
		if patience <= 0 {
			return nil, false
		}
		switch porcupine.CheckOperationsTimeout(model(initial), part, patience) {
		case porcupine.Illegal:
			return part, true
		case porcupine.Unknown:
			decided = false
		case porcupine.Ok:
		}
		for _, operation := range part {
			if s := operation.Input.(step); !s.isRead && !s.refused {
				initial += s.change
			}
		}
		steps = steps[size:]
	}
	return nil, decided
}

// notLinear reports the steps that fit no order, and the calls among them.
func (j *judge) notLinear(sku string, wrong []porcupine.Operation) {
	first, last := wrong[0].Call, int64(0)
	for _, operation := range wrong {
		last = max(last, operation.Return)
	}
	detail := fmt.Sprintf("no order of these %d fits:", len(wrong))
	const most = 40
	for i, operation := range wrong {
		if i == most {
			detail += " …"
			break
		}
		detail += fmt.Sprintf("\n  %9.3f s to %9.3f s: %s", time.Duration(operation.Call).Seconds(), time.Duration(operation.Return).Seconds(), operation.Input.(step).what)
	}
	var calls []history.Call
	for _, call := range j.Calls {
		if slices.Contains(call.SKUs, sku) && int64(call.Ended) >= first && int64(call.Called) <= last && len(calls) < most {
			calls = append(calls, call)
		}
	}
	j.broken(ReadsLinearizable, sku, detail, calls...)
}
