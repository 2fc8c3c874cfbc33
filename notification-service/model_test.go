package main

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/steadfast-shop/steadfast/shared-kit/property"
)

// modelStep is one move, as it was drawn.
type modelStep struct {
	kind       string
	which, how int
}

// modelSteps draws moves whole, so that a failing history can be shrunk by leaving some out.
func modelSteps() *rapid.Generator[modelStep] {
	var kinds []string
	for _, of := range []struct {
		kind  string
		times int
	}{
		{"finish", 1}, {"answer", 25}, {"event", 8}, {"pass", 12}, {"arrive", 4}, {"lose", 3}, {"hold", 2}, {"copy", 1}, {"put off", 1}, {"crash", 2}, {"stop", 1}, {"start", 2}, {"cut", 1}, {"mend", 1},
	} {
		kinds = append(kinds, slices.Repeat([]string{of.kind}, of.times)...)
	}
	bit, which, how := rapid.Bool(), rapid.IntRange(0, 7), rapid.IntRange(0, 7)
	return rapid.Custom(func(t *rapid.T) modelStep {
		n := 0
		for b := 1; b < len(kinds); b *= 2 {
			if bit.Draw(t, "bit") {
				n += b
			}
		}
		return modelStep{kinds[n], which.Draw(t, "which"), how.Draw(t, "how")}
	})
}

// modelOrders are what is published; of them refusedOrder and poison can never be mailed.
var modelOrders = []string{"A", "B", "C", refusedOrder, poison} //nolint:gochecknoglobals // constant

func (h *modelHistory) move(s modelStep) {
	place := s.which % 2
	m := h.places[place]
	switch s.kind {
	case "event":
		key := modelOrders[s.which%len(modelOrders)]
		number := modelPartitionOf(key)
		if s.how == 7 { // as another partitioner may see it
			number = 1 - number
		}
		h.publish(key, number)
	case "pass":
		h.pass([]time.Duration{time.Second, 300 * time.Millisecond, 3 * time.Second, 40 * time.Second, 7 * time.Second, 20 * time.Second}[s.which%6])
	case "crash":
		if m != nil {
			h.crash(place, s.how%2 == 1)
		}
	case "stop":
		if m != nil {
			h.note("%s stops", m.id)
			h.places[place] = nil
			m.stop()
		}
	case "start":
		if m == nil {
			h.start(place)
		}
	case "cut", "mend":
		if m != nil {
			h.note("%s: %s", m.id, s.kind)
			h.kafka.setCut(m.id, s.kind == "cut")
		}
	default:
		h.moveMessage(s)
	}
}

func (h *modelHistory) moveMessage(s modelStep) {
	var fit []*property.Message
	for _, m := range h.network.UnderWay() {
		if s.kind == "answer" || s.kind == "lose" || !m.HasArrived() && !m.IsGone() && (m.Call == callMail || s.kind != "put off") {
			fit = append(fit, m)
		}
	}
	if len(fit) == 0 {
		return
	}
	m := fit[s.which%len(fit)]
	switch s.kind {
	case "answer":
		h.answer(m)
	case "arrive":
		h.note("%s arrives", m)
		h.network.Arrive(m)
	case "lose":
		h.lose(m)
	case "hold":
		h.note("%s is late", m)
		h.network.Hold(m)
	case "copy":
		if m.Call != callMail { // SMTP repeats nothing by itself
			h.network.Copy(m)
			h.answer(m)
		}
	case "put off":
		h.note("%s is put off", m)
		h.network.ArriveInPart(m)
		h.network.Answer(m)
	}
}

// run draws a history and lives it through.
func (h *modelHistory) run(t *rapid.T, steps *rapid.Generator[modelStep]) (invariant, detail string) {
	for h.steps < 120 {
		s := steps.Draw(t, "step")
		if s.kind == "finish" {
			break
		}
		h.steps++
		h.move(s)
		if invariant, detail := h.judge(); invariant != "" {
			return invariant, detail
		}
	}
	return h.settle()
}

// modelExplorer counts what has been explored.
type modelExplorer struct {
	metrics                        *metrics
	histories, steps, calls, mails int
}

func (e *modelExplorer) check(t *testing.T, rt *rapid.T, steps *rapid.Generator[modelStep], f modelFault) {
	rt.Helper()
	var (
		h                 *modelHistory
		invariant, detail string
		thrown            any
	)
	synctest.Test(t, func(*testing.T) {
		h = newModelHistory(t, f, e.metrics)
		defer func() {
			thrown = recover() // rapid's, who must not lose it in the bubble
			h.end()
		}()
		invariant, detail = h.run(rt, steps)
	})
	e.histories, e.steps, e.calls = e.histories+1, e.steps+h.steps, e.calls+h.network.Sent()
	for _, mails := range h.mails {
		e.mails += mails
	}
	if thrown != nil {
		panic(thrown)
	}
	if invariant != "" {
		rt.Fatalf("broken: %s\n%s\n%s", invariant, detail, h)
	}
}

// TestModel drives two real members of the group, from their sessions to the ledger, through random histories in memory: mails and writes are lost, late or repeated, processes
// crash, stop and lose touch with the group. -rapid.checks=20000 explores more.
func TestModel(t *testing.T) {
	property.Default(t, "rapid.checks", "300")
	e := modelExplorer{metrics: newModelMetrics()}
	steps := modelSteps()
	rapid.Check(t, func(rt *rapid.T) { e.check(t, rt, steps, modelFault{}) })
	t.Logf("%d histories with %d steps, %d calls to the outside and %d mails", e.histories, e.steps, e.calls, e.mails)
}

// TestModelRepeats lives the same drawn histories twice: unless nearly all are the same, a failure could be neither repeated nor shrunk. Where two goroutines become ready in one instant,
// Go chooses by chance, so one in ten may differ.
func TestModelRepeats(t *testing.T) {
	property.Default(t, "rapid.checks", "50")
	steps, shared := modelSteps(), newModelMetrics()
	all, differ, first := 0, 0, ""
	rapid.Check(t, func(rt *rapid.T) {
		drawn := rapid.SliceOfN(steps, 30, 90).Draw(rt, "steps")
		var told [2]string
		for i := range told {
			synctest.Test(t, func(*testing.T) {
				h := newModelHistory(t, modelFault{}, shared)
				defer h.end()
				for _, s := range drawn {
					h.move(s)
					h.judge()
				}
				h.settle()
				told[i] = h.String()
			})
		}
		all++
		if told[0] != told[1] {
			differ, first = differ+1, firstDifference(told[0], told[1])
		}
	})
	if t.Logf("%d of %d histories differed", differ, all); 10*differ > all {
		t.Errorf("%d of %d histories differed, one of them so:\n%s", differ, all, first)
	}
}

// firstDifference returns where two texts part, with the lines before.
func firstDifference(a, b string) string {
	left, right := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range min(len(left), len(right)) {
		if left[i] != right[i] {
			return strings.Join(left[:i+1], "\n") + "\nor\n" + right[i]
		}
	}
	return "one is longer"
}
