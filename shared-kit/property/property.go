// Package property helps tests that draw what they do, with pgregory.net/rapid: how much they explore unless they are told, and checks that must fail because something is broken
// on purpose.
package property

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
)

// Default sets one of rapid's flags (rapid.checks, say) until the test ends, unless the command line or the environment (RAPID_CHECKS) has it.
func Default(t testing.TB, name, value string) {
	t.Helper()
	given := os.Getenv(strings.ToUpper(strings.ReplaceAll(name, ".", "_"))) != ""
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == name })
	if !given {
		Set(t, name, value)
	}
}

// Set sets one of rapid's flags until the test ends.
func Set(t testing.TB, name, value string) {
	t.Helper()
	f := flag.Lookup(name)
	if f == nil {
		t.Fatalf("there is no flag %s: does the test import rapid?", name)
	}
	before := f.Value.String()
	if err := f.Value.Set(value); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Value.Set(before) })
}

// MustFail runs a check that must fail within so many drawn histories, and returns what it says. It fails the test where the check does not. With -rapid.shrinktime=10s it
// looks for a short history that shows the fault, and logs it.
func MustFail(t testing.TB, within int, check func(r *Recorder)) string {
	t.Helper()
	Set(t, "rapid.checks", fmt.Sprint(within))
	Set(t, "rapid.nofailfile", "true")
	Default(t, "rapid.shrinktime", "0s") // only a person who looks at it needs the shortest one
	r := &Recorder{TB: t}
	done := make(chan struct{})
	go func() { // FailNow ends it
		defer close(done)
		check(r)
	}()
	<-done
	if !r.failed {
		t.Fatalf("%d histories did not find what is broken:\n%s", within, r.said.String())
	}
	if flag.Lookup("rapid.shrinktime").Value.String() != "0s" {
		t.Log(r.said.String())
	}
	return r.said.String()
}

// Recorder is a testing.TB that keeps to itself what it hears. It serves one goroutine.
type Recorder struct {
	testing.TB
	failed bool
	said   strings.Builder
}

// Helper implements testing.TB.
func (r *Recorder) Helper() {}

// Failed implements testing.TB.
func (r *Recorder) Failed() bool { return r.failed }

// Fail implements testing.TB.
func (r *Recorder) Fail() { r.failed = true }

// FailNow implements testing.TB.
func (r *Recorder) FailNow() {
	r.failed = true
	runtime.Goexit()
}

// Log implements testing.TB.
func (r *Recorder) Log(args ...any) { fmt.Fprintln(&r.said, args...) }

// Logf implements testing.TB.
func (r *Recorder) Logf(format string, args ...any) { fmt.Fprintf(&r.said, format+"\n", args...) }

// Error implements testing.TB.
func (r *Recorder) Error(args ...any) {
	r.Log(args...)
	r.Fail()
}

// Errorf implements testing.TB.
func (r *Recorder) Errorf(format string, args ...any) {
	r.Logf(format, args...)
	r.Fail()
}

// Fatal implements testing.TB.
func (r *Recorder) Fatal(args ...any) {
	r.Log(args...)
	r.FailNow()
}

// Fatalf implements testing.TB.
func (r *Recorder) Fatalf(format string, args ...any) {
	r.Logf(format, args...)
	r.FailNow()
}
