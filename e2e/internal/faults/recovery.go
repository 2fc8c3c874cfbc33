package faults

import (
	"net/http"
	"slices"
	"time"

	"github.com/steadfast-shop/steadfast/e2e/internal/chaos"
	"github.com/steadfast-shop/steadfast/e2e/internal/history"
)

const (
	// window is over how long a rate is taken.
	window = 2 * time.Second
	// recovered is the share of the normal rate from which orders count as placed as usual: clients are few, and choose by chance.
	recovered = 0.6
	lookStep  = 100 * time.Millisecond
)

// Recovery is how long it took after a fault until orders were placed as usual.
type Recovery struct {
	Kind chaos.Kind
	// Took is from the fault's end to the beginning of the first two seconds in which at least 60 % of the normal rate of orders was answered 201.
	Took time.Duration
	// Known says that it was: not where the run ended first.
	Known bool
	// Alone says that no other fault was on meanwhile. Where one was, the fault itself may have been recovered from sooner.
	Alone bool
}

// recover201 returns the normal rate of placed orders by the second, which is the median of all windows in which there was no fault, and how long it took to come back to it after each fault.
func recover201(calls []history.Call, faults []chaos.Fault, duration time.Duration) (normal float64, recoveries []Recovery) {
	var placed []time.Duration
	for _, call := range calls {
		if call.Kind == history.Place && call.Answered == http.StatusCreated {
			placed = append(placed, call.Ended)
		}
	}
	slices.Sort(placed)
	within := func(from, to time.Duration) int {
		first, _ := slices.BinarySearch(placed, from)
		last, _ := slices.BinarySearch(placed, to)
		return last - first
	}
	var quiet []int
	for from := window; from+window < duration; from += window {
		if !faultIn(faults, from-window, from+window) {
			quiet = append(quiet, within(from, from+window))
		}
	}
	if len(quiet) == 0 {
		return 0, nil
	}
	slices.Sort(quiet)
	usual := quiet[len(quiet)/2]
	enough := max(1, int(recovered*float64(usual)))
	for i, fault := range faults {
		others := slices.Delete(slices.Clone(faults), i, i+1)
		if fault.Began == 0 {
			continue
		}
		found := Recovery{Kind: fault.Kind}
		for at := fault.Ended; at+window <= duration; at += lookStep {
			if within(at, at+window) >= enough {
				found.Took, found.Known, found.Alone = at-fault.Ended, true, !faultIn(others, fault.Ended, at+window)
				break
			}
		}
		recoveries = append(recoveries, found)
	}
	return float64(usual) / window.Seconds(), recoveries
}

// faultIn says whether a fault was on in that time.
func faultIn(faults []chaos.Fault, from, to time.Duration) bool {
	return slices.ContainsFunc(faults, func(f chaos.Fault) bool { return f.Began > 0 && f.Began < to && (f.Ended > from || f.Ended == 0) })
}
