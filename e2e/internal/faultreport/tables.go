// Package faultreport writes what came of a run of the fault runner: tables for the terminal, and a page.
package faultreport

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/steadfast-shop/steadfast/e2e/internal/chaos"
	"github.com/steadfast-shop/steadfast/e2e/internal/check"
	"github.com/steadfast-shop/steadfast/e2e/internal/faults"
	"github.com/steadfast-shop/steadfast/e2e/internal/history"
	"github.com/steadfast-shop/steadfast/e2e/internal/report"
)

const (
	none = "–"
	// mostShown is how many broken promises are shown in full, and mostCalls how many calls of each.
	mostShown, mostCalls = 5, 25
)

// Kinds lists all kinds of faults.
func Kinds() string {
	rows := [][]string{{"kind", "what"}}
	for _, kind := range chaos.Kinds() {
		rows = append(rows, []string{string(kind.Kind), kind.Text})
	}
	return report.Markdown(rows)
}

// Tables returns the tables of a run.
func Tables(r *faults.Result) string {
	var out strings.Builder
	v := r.Verdict
	fmt.Fprintf(&out, "Seed %d, %v with %d clients, Kafka %s; %d calls, %.0f orders placed a second when all is well; settled after %.1f s\n\n",
		r.Seed, r.Duration, r.Clients, r.Kafka, len(r.Calls), r.Normal, r.Settled.Seconds())
	for _, table := range [][][]string{faultRows(r), answerRows(r), promiseRows(r)} {
		out.WriteString(report.Markdown(table) + "\n")
	}
	fmt.Fprintf(&out, "%d orders are placed and %d are not; %d mails came again; %d dead letters; %d orders have no mail because their address was refused for good.\n",
		v.Placed, v.NotPlaced, v.Repeated, v.Letters, v.Excused)
	if len(v.Undecided) > 0 {
		fmt.Fprintf(&out, "UNDECIDED: whether the reads of %s fit an order was not found out in time; -patience gives more.\n", strings.Join(v.Undecided, ", "))
	}
	for _, note := range r.Notes {
		fmt.Fprintf(&out, "Note: %s\n", note)
	}
	out.WriteString(broken(r))
	return out.String()
}

// faultRows counts the faults by kind, and shows how long it took to recover from them.
func faultRows(r *faults.Result) [][]string {
	rows := [][]string{{"fault", "times", "seconds on", "recovered after: median", "at most", "of"}}
	for _, kind := range chaos.Kinds() {
		times, on := 0, time.Duration(0)
		for _, fault := range r.Faults {
			if fault.Kind == kind.Kind && fault.Began > 0 {
				times, on = times+1, on+fault.Ended-fault.Began
			}
		}
		if times == 0 {
			continue
		}
		rows = append(rows, append([]string{string(kind.Kind), fmt.Sprint(times), fmt.Sprintf("%.1f", on.Seconds())}, recovered(r.Recoveries, kind.Kind)...))
	}
	if len(rows) == 1 {
		rows = append(rows, []string{"none", "0", "0", none, none, "0"})
	}
	return rows
}

// recovered returns the median and the longest of the times to recover from a kind, and of how many: those that no other fault disturbed, or else, as bounds, of all.
func recovered(all []faults.Recovery, kind chaos.Kind) []string {
	var alone, known []time.Duration
	for _, recovery := range all {
		if recovery.Kind != kind || !recovery.Known {
			continue
		}
		known = append(known, recovery.Took)
		if recovery.Alone {
			alone = append(alone, recovery.Took)
		}
	}
	took, bound := alone, ""
	if len(alone) == 0 {
		took, bound = known, "≤ "
	}
	if len(took) == 0 {
		return []string{none, none, "0"}
	}
	slices.Sort(took)
	return []string{fmt.Sprintf("%s%.1f s", bound, took[len(took)/2].Seconds()), fmt.Sprintf("%s%.1f s", bound, took[len(took)-1].Seconds()), fmt.Sprint(len(took))}
}

// answerRows counts the answers by what was asked.
func answerRows(r *faults.Result) [][]string {
	kinds := []history.Kind{history.Place, history.Adjust, history.Stock, history.Status, history.List}
	counts := make(map[string]map[history.Kind]int)
	for _, call := range r.Calls {
		answer := fmt.Sprint(call.Answered)
		if call.Answered == 0 {
			answer = "no answer"
		}
		if counts[answer] == nil {
			counts[answer] = make(map[history.Kind]int)
		}
		counts[answer][call.Kind]++
	}
	rows := [][]string{{"answer", "orders", "adjustments", "stock reads", "status reads", "lists"}}
	for _, answer := range slices.SortedFunc(maps.Keys(counts), cmp.Compare) {
		row, sum := []string{answer}, 0
		for _, kind := range kinds {
			row, sum = append(row, fmt.Sprint(counts[answer][kind])), sum+counts[answer][kind]
		}
		if sum > 0 {
			rows = append(rows, row)
		}
	}
	return rows
}

// promiseRows says of each promise whether it held.
func promiseRows(r *faults.Result) [][]string {
	times := make(map[check.Invariant]int)
	for _, broken := range r.Verdict.Broken {
		times[broken.Invariant]++
	}
	rows := [][]string{{"promise", "held", "what"}}
	for _, promise := range check.Promises() {
		held := "yes"
		if n := times[promise.Invariant]; n > 0 {
			held = fmt.Sprintf("BROKEN × %d", n)
		}
		rows = append(rows, []string{string(promise.Invariant), held, promise.Text})
	}
	return rows
}

// broken shows the first broken promises, with their calls.
func broken(r *faults.Result) string {
	var out strings.Builder
	shown := make(map[check.Invariant]int)
	for _, b := range r.Verdict.Broken {
		if shown[b.Invariant]++; shown[b.Invariant] > mostShown {
			continue
		}
		fmt.Fprintf(&out, "\nBROKEN %s: %s: %s\n", b.Invariant, b.ID, b.Detail)
		for i, call := range b.Calls {
			if i == mostCalls {
				fmt.Fprintf(&out, "  and %d more calls\n", len(b.Calls)-i)
				break
			}
			line, err := json.Marshal(call)
			if err == nil {
				fmt.Fprintf(&out, "  %s\n", line)
			}
		}
	}
	return out.String()
}

// WriteBroken writes all that is broken as JSON.
func WriteBroken(path string, r *faults.Result) error {
	content, err := json.MarshalIndent(map[string]any{"seed": r.Seed, "faults": r.Faults, "broken": r.Verdict.Broken}, "", "  ")
	if err != nil {
		return fmt.Errorf("describe what is broken: %w", err)
	}
	if err := os.WriteFile(path, content, 0o644); err != nil {
		return fmt.Errorf("write what is broken: %w", err)
	}
	return nil
}
