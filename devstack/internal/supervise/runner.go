package supervise

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"github.com/steadfast-shop/steadfast/devstack/internal/process"
)

const (
	// startAttempts is how many crashes in a row end a start that someone waits
	// for. One crash may come from what a killed predecessor has not let go of yet.
	startAttempts = 3
	// stable is how long a process must have lived for its crash to count as the
	// first again.
	stable = 10 * time.Second
	// lastWait is the time between KillSignal and SIGKILL.
	lastWait = time.Second
)

var errShutDown = errors.New("the supervisor has shut down")

type verb int

const (
	start verb = iota // answered when the part is ready
	stop              // answered when the process has ended
	crash             // answered when the process has been killed
)

type command struct {
	verb   verb
	grace  time.Duration // for stop: how long the process may take
	answer chan error
}

// runner owns one part: only its goroutine starts the process and reacts to its
// end, so there is nothing to lock but the status that others read.
type runner struct {
	part     Part
	options  Options
	starter  *process.Starter
	commands chan command
	retired  context.Context //nolint:containedctx // the runner's own life: done when the part must not start any more
	retire   context.CancelFunc
	gone     chan struct{} // closed when no command is taken any more

	wanted  bool // the part should run
	crashes int  // in a row
	waiters []chan error

	mu     sync.Mutex
	status Status
}

func newRunner(part Part, options Options, starter *process.Starter) *runner {
	retired, retire := context.WithCancel(context.Background())
	return &runner{
		part: part, options: options, starter: starter,
		commands: make(chan command), retired: retired, retire: retire, gone: make(chan struct{}),
		status: Status{Name: part.Name, State: Waiting},
	}
}

// ask hands c to the runner and waits for the answer.
func (r *runner) ask(ctx context.Context, c command) error {
	c.answer = make(chan error, 1)
	select {
	case r.commands <- c:
	case <-r.gone:
		return errShutDown
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-c.answer:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *runner) run(ctx context.Context) {
	defer close(r.gone)
	for {
		if r.wanted {
			r.live()
			continue
		}
		select {
		case c := <-r.commands:
			r.commandIdle(c)
		case <-ctx.Done():
			return
		}
	}
}

// commandIdle handles a command while there is no process.
func (r *runner) commandIdle(c command) {
	switch {
	case c.verb == start && r.retired.Err() == nil:
		r.wanted, r.crashes = true, 0
		r.waiters = append(r.waiters, c.answer)
	case c.verb == stop:
		r.giveUp(errors.New("was stopped"))
		c.answer <- nil
	default:
		c.answer <- errors.New("is not running")
	}
}

// live is one life of the process, from its preparation to what follows its end.
func (r *runner) live() {
	began := time.Now()
	r.report(Starting, 0, "", 0)
	cmd, err := r.launch()
	if err != nil {
		r.answerWaiters(err) // what cannot be prepared now cannot be a moment later
		r.afterCrash(err, 0)
		return
	}
	pid := cmd.Process.Pid
	r.report(Starting, pid, "", 0)
	l := life{
		runner: r, cmd: cmd, began: began,
		ended: make(chan error, 1), ready: make(chan struct{}), deadline: time.NewTimer(time.Hour),
	}
	l.deadline.Stop()
	probing, stopProbing := context.WithCancel(context.Background())
	var helpers sync.WaitGroup
	helpers.Go(func() { l.ended <- cmd.Wait() })
	helpers.Go(func() { l.probe(probing) })
	err = l.attend()
	stopProbing()
	helpers.Wait()
	r.options.Ledger.Forget(r.part.Name)
	l.finish(err)
}

// launch prepares and starts the process with its output in the log file.
func (r *runner) launch() (*exec.Cmd, error) {
	say := func(detail string) { r.report(Starting, 0, detail, 0) }
	cmd, err := r.part.Command(r.retired, say)
	if err != nil {
		return nil, err
	}
	log, err := os.OpenFile(r.part.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	defer log.Close() //nolint:errcheck // the child has its own copy
	cmd.Stdout, cmd.Stderr = log, log
	start := r.starter.Start
	if r.part.Background {
		start = r.starter.StartInBackground
	}
	if err := start(cmd, r.part.KillSignal); err != nil {
		return nil, fmt.Errorf("start process: %w", err)
	}
	if err := r.options.Ledger.Record(r.part.Name, cmd.Process.Pid, r.part.KillSignal); err != nil {
		process.SignalGroup(cmd.Process, syscall.SIGKILL)
		return nil, errors.Join(err, cmd.Wait())
	}
	return cmd, nil
}

// afterCrash plans the next start, or gives up if the part is not wanted.
func (r *runner) afterCrash(cause error, lived time.Duration) {
	if lived > stable {
		r.crashes = 0
	}
	r.crashes++
	if r.retired.Err() != nil {
		r.giveUp(cause)
		return
	}
	if r.crashes >= startAttempts {
		r.answerWaiters(cause)
	}
	r.mu.Lock()
	r.status.Restarts++
	r.mu.Unlock()
	pause := min(r.options.BackoffMin<<min(r.crashes-1, 10), r.options.BackoffMax)
	r.report(Restarting, 0, fmt.Sprintf("%v; starts again in %v", cause, pause), 0)
	timer := time.NewTimer(pause)
	defer timer.Stop()
	for r.wanted {
		select {
		case <-timer.C:
			return
		case <-r.retired.Done():
			r.giveUp(cause)
		case c := <-r.commands:
			if c.verb == start {
				r.waiters = append(r.waiters, c.answer)
				return
			}
			r.commandIdle(c)
		}
	}
}

// giveUp makes a part that has no process stay down.
func (r *runner) giveUp(cause error) {
	r.wanted = false
	r.answerWaiters(cause)
	if r.snapshot().State != Stopped {
		r.report(Stopped, 0, cause.Error(), 0)
	}
}

func (r *runner) answerWaiters(err error) {
	for _, waiter := range r.waiters {
		waiter <- err
	}
	r.waiters = nil
}

func (r *runner) report(state State, pid int, detail string, took time.Duration) {
	r.mu.Lock()
	r.status.State, r.status.PID = state, pid
	event := Event{Status: r.status, Detail: detail, Took: took}
	r.mu.Unlock()
	r.options.Notify(event)
}

func (r *runner) snapshot() Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.status
}
