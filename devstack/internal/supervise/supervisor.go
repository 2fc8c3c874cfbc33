package supervise

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/steadfast-shop/steadfast/devstack/internal/process"
)

// ErrUnknownPart is returned for a name that no part has.
var ErrUnknownPart = errors.New("no such part")

// Options are what a supervisor works with.
type Options struct {
	Ledger *process.Ledger
	// Notify is called for every change of state, from many goroutines.
	Notify func(Event)
	// BackoffMin and BackoffMax are the pauses before a crashed part starts
	// again: the first, and the longest that doubling leads to.
	BackoffMin, BackoffMax time.Duration
	// Probe is the pause between two readiness probes.
	Probe time.Duration
}

// Supervisor keeps parts running.
type Supervisor struct {
	runners map[string]*runner
	order   []string
	cancel  context.CancelFunc
	wait    sync.WaitGroup
}

// New makes a supervisor of parts, given in the order in which they are to be
// stopped. Nothing is started yet.
func New(parts []Part, options Options) *Supervisor {
	ctx, cancel := context.WithCancel(context.Background())
	s := &Supervisor{runners: map[string]*runner{}, cancel: cancel}
	starter := process.NewStarter()
	for _, part := range parts {
		r := newRunner(part, options, starter)
		s.runners[part.Name] = r
		s.order = append(s.order, part.Name)
		s.wait.Go(func() { r.run(ctx) })
	}
	return s
}

// StartAll starts every part, as soon as its needs are ready, and returns when
// all are ready. The first part that cannot start ends it with an error; what
// runs by then keeps running until Shutdown.
func (s *Supervisor) StartAll(ctx context.Context) error {
	ready := map[string]chan struct{}{}
	for name := range s.runners {
		ready[name] = make(chan struct{})
	}
	group, ctx := errgroup.WithContext(ctx)
	for name, r := range s.runners {
		group.Go(func() error {
			for _, need := range r.part.Needs {
				select {
				case <-ready[need]:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			if err := s.Start(ctx, name); err != nil {
				return err
			}
			close(ready[name])
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return fmt.Errorf("start: %w", err)
	}
	return nil
}

// Start starts one part and returns when it is ready.
func (s *Supervisor) Start(ctx context.Context, name string) error {
	r, known := s.runners[name]
	if !known {
		return fmt.Errorf("%w: %q", ErrUnknownPart, name)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, r.part.ReadyWithin,
		fmt.Errorf("%s is not ready after %v", name, r.part.ReadyWithin))
	defer cancel()
	err := r.ask(ctx, command{verb: start})
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		return &StartError{Part: name, Log: r.part.Log, Err: err}
	}
	return nil
}

// StartError tells which part did not become ready.
type StartError struct {
	Part string
	Log  string // where its last words are
	Err  error
}

func (e *StartError) Error() string { return e.Part + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *StartError) Unwrap() error { return e.Err }

// Stop asks one part to end, kills it if it takes too long, and keeps it down.
func (s *Supervisor) Stop(ctx context.Context, name string) error {
	r, known := s.runners[name]
	if !known {
		return fmt.Errorf("%w: %q", ErrUnknownPart, name)
	}
	return r.ask(ctx, command{verb: stop, grace: r.part.StopWithin})
}

// Kill ends one part's process with SIGKILL, as a crash would; it is restarted.
func (s *Supervisor) Kill(ctx context.Context, name string) error {
	r, known := s.runners[name]
	if !known {
		return fmt.Errorf("%w: %q", ErrUnknownPart, name)
	}
	return r.ask(ctx, command{verb: crash})
}

// Shutdown stops all parts, one after the other but for those that are to be
// stopped beside each other, and ends the supervisor. When
// ctx ends before it is done, the rest is killed at once.
func (s *Supervisor) Shutdown(ctx context.Context) {
	for _, name := range s.order {
		s.runners[name].retire()
	}
	for _, names := range s.together() {
		group, stopping := errgroup.WithContext(ctx)
		for _, name := range names {
			group.Go(func() error { return s.Stop(stopping, name) })
		}
		if err := group.Wait(); err != nil {
			break
		}
	}
	s.killAll()
	s.cancel()
	s.wait.Wait()
}

// together is the order of stopping, with the parts in one group that are to be
// stopped at the same time.
func (s *Supervisor) together() [][]string {
	var groups [][]string
	for _, name := range s.order {
		if last := len(groups) - 1; last >= 0 && s.runners[name].part.StopBeside {
			groups[last] = append(groups[last], name)
		} else {
			groups = append(groups, []string{name})
		}
	}
	return groups
}

// killAll ends what still runs, without any order.
func (s *Supervisor) killAll() {
	var all sync.WaitGroup
	for _, r := range s.runners {
		all.Go(func() {
			_ = r.ask(context.Background(), command{verb: stop}) // it only ends with the process
		})
	}
	all.Wait()
}

// Statuses returns what every part does now, in the order of stopping.
func (s *Supervisor) Statuses() []Status {
	statuses := make([]Status, 0, len(s.order))
	for _, name := range s.order {
		statuses = append(statuses, s.runners[name].snapshot())
	}
	return statuses
}
