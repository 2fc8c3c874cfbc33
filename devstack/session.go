package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/steadfast-shop/steadfast/devstack/internal/console"
	"github.com/steadfast-shop/steadfast/devstack/internal/control"
	"github.com/steadfast-shop/steadfast/devstack/internal/logfile"
	"github.com/steadfast-shop/steadfast/devstack/internal/process"
	"github.com/steadfast-shop/steadfast/devstack/internal/stack"
	"github.com/steadfast-shop/steadfast/devstack/internal/supervise"
)

// stopWithin is how long the whole stack may take to stop, by the design ten
// seconds; the rest is for the kills at its end.
const stopWithin = 9700 * time.Millisecond

// documentName is the file in the data directory that describes the running stack.
const documentName = "stack.json"

// sameSignal is the time within which two signals are one.
const sameSignal = 250 * time.Millisecond

// session is one run of the stack.
type session struct {
	plan       *stack.Plan
	supervisor *supervise.Supervisor
	terminal   *console.Console
	quiet      bool
	signals    <-chan os.Signal
	dataDir    string
	socket     string
	started    time.Time

	mu    sync.Mutex
	ready bool // stack.json is there
}

func (s *session) run(ctx context.Context, ledger *process.Ledger) error {
	parts := s.plan.Parts()
	for _, part := range parts {
		if err := logfile.Rotate(part.Log); err != nil {
			return err
		}
	}
	running, stop := context.WithCancel(ctx)
	defer stop()
	stopping, kill := context.WithCancel(ctx)
	defer kill()
	go s.heed(stop, kill)

	s.supervisor = supervise.New(parts, supervise.Options{
		Ledger: ledger, Notify: s.notify,
		BackoffMin: 500 * time.Millisecond, BackoffMax: 5 * time.Second, Probe: 20 * time.Millisecond,
	})
	closeControl, err := control.Serve(ctx, s.socket, s.supervisor, s.describe)
	if err == nil {
		err = s.supervisor.StartAll(running)
		if err == nil {
			s.serve(running, parts)
		} else if running.Err() != nil {
			err = nil // Ctrl-C while starting
		}
		closeControl()
	}
	s.explain(err)

	s.terminal.Say("\nStopping (Ctrl-C kills at once)")
	s.withdraw()
	stopping, cancel := context.WithTimeout(stopping, stopWithin)
	defer cancel()
	s.supervisor.Shutdown(stopping)
	_ = os.Remove(s.socket) // closed already; this is for tidiness
	return err
}

// heed stops everything at the first signal, and kills it at the second. One that
// comes at once is the first again: `timeout`, for one, sends it to the process
// and to its group.
func (s *session) heed(stop, kill func()) {
	<-s.signals
	first := time.Now()
	stop()
	for range s.signals {
		if time.Since(first) > sameSignal {
			kill()
		}
	}
}

// explain shows why a part did not start.
func (s *session) explain(err error) {
	var failure *supervise.StartError
	if errors.As(err, &failure) {
		s.terminal.ShowFailure(failure)
	}
}

// serve is what happens between the start and the stop.
func (s *session) serve(running context.Context, parts []supervise.Part) {
	s.publish()
	s.terminal.ShowWelcome(s.describe())
	var followers sync.WaitGroup
	for _, part := range parts {
		show := func(line string) { s.terminal.ShowLog(part.Name, line) }
		if s.quiet {
			show = func(string) {}
		}
		followers.Go(func() {
			if err := logfile.Follow(running, part.Log, show); err != nil {
				s.terminal.Say("%s: %v", part.Name, err)
			}
		})
	}
	<-running.Done()
	followers.Wait()
}

// notify is called for every change of a part's state.
func (s *session) notify(event supervise.Event) {
	s.terminal.ShowEvent(event)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ready {
		s.writeDocument()
	}
}

// publish writes stack.json, which from now on follows every change.
func (s *session) publish() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ready = true
	s.writeDocument()
}

// withdraw removes stack.json, which no longer tells the truth.
func (s *session) withdraw() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ready = false
	if err := os.Remove(s.documentPath()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.terminal.Say("cannot remove %s: %v", s.documentPath(), err)
	}
}

func (s *session) describe() stack.Document {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.describeLocked()
}

func (s *session) describeLocked() stack.Document {
	return stack.Document{
		Ready: s.ready, PID: os.Getpid(), StartedAt: s.started, Data: s.dataDir, Control: s.socket,
		URLs: s.plan.URLs(), Parts: s.plan.Describe(s.supervisor.Statuses()),
	}
}

func (s *session) documentPath() string { return filepath.Join(s.dataDir, documentName) }

func (s *session) writeDocument() {
	if err := replaceFile(s.documentPath(), s.describeLocked()); err != nil {
		s.terminal.Say("cannot write %s: %v", s.documentPath(), err)
	}
}

// replaceFile writes the value as JSON in one step: readers see all or nothing.
func replaceFile(path string, value any) error {
	file, err := os.OpenFile(path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600) //nolint:gosec // in our own data directory
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	if err := errors.Join(writeJSON(file, value), file.Close()); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

func writeJSON(out io.Writer, value any) error {
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}
