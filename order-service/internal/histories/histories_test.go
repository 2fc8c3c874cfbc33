// Package histories drives the real order protocol (Service, Relay and Sweeper of two replicas) through random histories in memory: every call to the outside is a message that
// arrives, is lost, comes late or twice, and processes crash between any two of them. After each step, and when all has settled, the promises must hold.
package histories

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"
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
	setFlag(t, "rapid.nofailfile", "RAPID_NOFAILFILE", "true")
	setFlag(t, "rapid.shrinktime", "RAPID_SHRINKTIME", "0s")
	for _, f := range faults() {
		t.Run(f.name, func(t *testing.T) {
			lookup := flag.Lookup("rapid.checks")
			before := lookup.Value.String()
			defer func() { _ = lookup.Value.Set(before) }()
			if err := lookup.Value.Set(fmt.Sprint(within)); err != nil {
				t.Fatal(err)
			}
			var e explorer
			r := &recorder{TB: t}
			moves := steps()
			r.run(func() { rapid.Check(r, func(rt *rapid.T) { e.check(t, rt, moves, f) }) })
			if !r.failed {
				t.Fatalf("%d histories did not find it", e.histories)
			}
			after := regexp.MustCompile(`failed after (\d+) tests: broken: (.*)`).FindStringSubmatch(r.text.String())
			if after == nil || !slices.Contains(f.breaks, after[2]) {
				t.Fatalf("it was found by another invariant than %q:\n%s", f.breaks, r.text.String())
			}
			t.Logf("found in history %s+1: %s", after[1], after[2])
		})
	}
}

// recorder takes the outcome of a check that is to fail.
type recorder struct {
	testing.TB
	failed bool
	text   strings.Builder
}

// run runs the check in a goroutine of its own, which FailNow ends.
func (r *recorder) run(check func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		check()
	}()
	<-done
}

func (r *recorder) Helper()      {}
func (r *recorder) Failed() bool { return r.failed }
func (r *recorder) Fail()        { r.failed = true }
func (r *recorder) FailNow()     { r.failed = true; runtime.Goexit() }

func (r *recorder) Log(args ...any)                   { fmt.Fprintln(&r.text, args...) }
func (r *recorder) Logf(format string, args ...any)   { fmt.Fprintf(&r.text, format+"\n", args...) }
func (r *recorder) Error(args ...any)                 { r.Log(args...); r.Fail() }
func (r *recorder) Errorf(format string, args ...any) { r.Logf(format, args...); r.Fail() }
func (r *recorder) Fatal(args ...any)                 { r.Log(args...); r.FailNow() }
func (r *recorder) Fatalf(format string, args ...any) { r.Logf(format, args...); r.FailNow() }
