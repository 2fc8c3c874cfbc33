package supervise

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"syscall"
	"time"

	"github.com/steadfast-shop/steadfast/devstack/internal/process"
)

// life is one process of a part, from its start to its end.
type life struct {
	*runner
	cmd   *exec.Cmd
	began time.Time
	ended chan error    // the process's end
	ready chan struct{} // closed when it serves

	isReady   bool
	stopAsked time.Time // zero unless someone asked for the end
	stoppers  []chan error
	deadline  *time.Timer // runs when the process must end by a time
	harsh     syscall.Signal
}

// probe closes ready at the first probe that succeeds.
func (l *life) probe(ctx context.Context) {
	tick := time.NewTicker(l.options.Probe)
	defer tick.Stop()
	for {
		attempt, cancel := context.WithTimeout(ctx, 2*time.Second)
		err := l.part.Ready(attempt)
		cancel()
		if err == nil {
			close(l.ready)
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// attend reacts to everything that happens while the process runs, and returns
// how it ended.
func (l *life) attend() error {
	defer l.deadline.Stop()
	ready := l.ready
	for {
		select {
		case err := <-l.ended:
			return err
		case <-ready:
			select {
			case err := <-l.ended: // what answered was somebody else at our port
				return err
			default:
			}
			ready, l.isReady = nil, true
			if l.stopAsked.IsZero() {
				l.report(Ready, l.cmd.Process.Pid, "", time.Since(l.began))
				l.answerWaiters(nil)
			}
		case c := <-l.commands:
			l.obey(c)
		case <-l.deadline.C:
			process.SignalGroup(l.cmd.Process, l.harsh)
			l.harsh = syscall.SIGKILL
			l.deadline.Reset(lastWait)
		}
	}
}

func (l *life) obey(c command) {
	switch c.verb {
	case start:
		switch {
		case !l.stopAsked.IsZero():
			c.answer <- errors.New("is being stopped")
		case l.isReady:
			c.answer <- nil
		default:
			l.waiters = append(l.waiters, c.answer)
		}
	case stop:
		l.stoppers = append(l.stoppers, c.answer)
		if l.stopAsked.IsZero() {
			l.stopAsked, l.wanted = time.Now(), false
			l.report(Stopping, l.cmd.Process.Pid, "", 0)
			if c.grace > 0 {
				_ = l.cmd.Process.Signal(l.part.StopSignal) // it fails only when the process has ended
			}
		}
		l.harsh = l.part.KillSignal
		l.deadline.Reset(c.grace)
	case crash:
		process.SignalGroup(l.cmd.Process, syscall.SIGKILL)
		c.answer <- nil
	}
}

// finish decides what follows the end of the process.
func (l *life) finish(err error) {
	switch {
	case !l.stopAsked.IsZero():
		l.answerWaiters(errors.New("was stopped"))
		l.report(Stopped, 0, "", time.Since(l.stopAsked))
	case err == nil:
		l.wanted = false
		l.answerWaiters(errors.New("ended by itself with status 0"))
		l.report(Stopped, 0, "ended by itself with status 0; it stays down until it is started", 0)
	default:
		l.afterCrash(fmt.Errorf("ended: %w", err), time.Since(l.began))
	}
	for _, stopper := range l.stoppers {
		stopper <- nil
	}
}
