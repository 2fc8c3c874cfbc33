// Package histories drives the real order protocol (Service, Relay and Sweeper of two replicas) through random histories in memory: every call to the outside is a message that
// arrives, is lost, comes late or twice, and processes crash between any two of them. After each step, and when all has settled, the promises must hold.
package histories

import (
	"os"
	"regexp"
	"runtime/debug"
	"slices"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"

	"github.com/steadfast-shop/steadfast/shared-kit/property"
)

func TestMain(m *testing.M) {
	debug.SetGCPercent(800) // each process makes room for much that its relay never holds here
	os.Exit(m.Run())
}

// explorer counts what has been explored.
type explorer struct{ histories, steps, calls int }

// check lives one drawn history through and fails where an invariant does not hold.
func (e *explorer) check(t *testing.T, rt *rapid.T, moves *rapid.Generator[step], f fault) {
	rt.Helper()
	initial := map[string]int64{"A": rapid.Int64Range(0, 4).Draw(rt, "units of A"), "B": rapid.Int64Range(0, 2).Draw(rt, "units of B")}
	var (
		h      *history
		found  *broken
		thrown any
	)
	synctest.Test(t, func(*testing.T) {
		h = newHistory(f, initial)
		defer func() {
			thrown = recover() // rapid's, who must not lose it in the bubble
			h.end()
		}()
		found = h.run(rt, moves)
	})
	e.histories, e.steps, e.calls = e.histories+1, e.steps+h.steps, e.calls+h.network.Sent()
	if thrown != nil {
		panic(thrown)
	}
	if found != nil {
		rt.Fatalf("broken: %s\n%s\n%s", found.invariant, found.detail, h)
	}
}

// TestHistories explores the protocol as it is. -rapid.checks=100000 explores more of it.
func TestHistories(t *testing.T) {
	property.Default(t, "rapid.checks", "1000")
	var e explorer
	moves := steps()
	rapid.Check(t, func(rt *rapid.T) { e.check(t, rt, moves, fault{}) })
	t.Logf("%d histories with %d steps and %d calls to the outside", e.histories, e.steps, e.calls)
}

// TestHistoriesRepeat lives the same drawn histories twice: unless they are the same, a failure could be neither repeated nor shrunk.
func TestHistoriesRepeat(t *testing.T) {
	moves := steps()
	rapid.Check(t, func(rt *rapid.T) {
		drawn := rapid.SliceOfN(moves, 30, 120).Draw(rt, "steps")
		var told [2]string
		for i := range told {
			synctest.Test(t, func(*testing.T) {
				h := newHistory(fault{}, map[string]int64{"A": 2, "B": 1})
				defer h.end()
				for _, s := range drawn {
					h.move(s)
					h.judge()
				}
				h.settle()
				told[i] = h.String()
			})
		}
		if told[0] != told[1] {
			rt.Fatalf("once:\n%s\nand then:\n%s", told[0], told[1])
		}
	})
}

// TestDeliberateFaults breaks one rule at a time. Each must be found within so many histories, by an invariant that it breaks.
func TestDeliberateFaults(t *testing.T) {
	const within = 5000
	for _, f := range faults() {
		t.Run(f.name, func(t *testing.T) {
			var e explorer
			moves := steps()
			said := property.MustFail(t, within, func(r *property.Recorder) {
				rapid.Check(r, func(rt *rapid.T) { e.check(t, rt, moves, f) })
			})
			found := regexp.MustCompile(`failed after (\d+) tests: broken: (.*)`).FindStringSubmatch(said)
			if found == nil || !slices.Contains(f.breaks, found[2]) {
				t.Fatalf("it was found by another invariant than %q:\n%s", f.breaks, said)
			}
			t.Logf("broken after %s histories: %s", found[1], found[2])
		})
	}
}
