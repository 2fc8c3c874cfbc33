// Package histories drives the real order protocol (Service, Relay and Sweeper of two replicas) through random histories in memory: every call to the outside is a message that
// arrives, is lost, comes late or twice, and processes crash between any two of them. After each step, and when all has settled, the promises must hold.
package histories

import (
	"flag"
	"fmt"
	"os"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"
)

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
	e.histories, e.steps = e.histories+1, e.steps+h.steps
	for _, n := range h.counts {
		e.calls += n
	}
	if thrown != nil {
		panic(thrown)
	}
	if found != nil {
		rt.Fatalf("broken: %s\n%s\n%s", found.invariant, found.detail, h)
	}
}

// setFlag sets one of rapid's flags for the test, unless the command line or the environment has it.
func setFlag(t *testing.T, name, environment, value string) {
	t.Helper()
	given := os.Getenv(environment) != ""
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == name })
	if given {
		return
	}
	f := flag.Lookup(name)
	before := f.Value.String()
	if err := f.Value.Set(value); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Value.Set(before) })
}

// TestHistories explores the protocol as it is. -rapid.checks=100000 explores more of it.
func TestHistories(t *testing.T) {
	setFlag(t, "rapid.checks", "RAPID_CHECKS", "2000")
	var e explorer
	moves := steps()
	rapid.Check(t, func(rt *rapid.T) { e.check(t, rt, moves, fault{}) })
	t.Log(fmt.Sprintf("%d histories with %d steps and %d calls to the outside", e.histories, e.steps, e.calls))
}
