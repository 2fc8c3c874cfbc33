// Package process starts child processes that end with their parent, and finds
// the ones that an earlier parent left behind.
package process

import (
	"os"
	"os/exec"
	"runtime"
	"syscall"
)

// Starter starts children that do not share the terminal's signals and that
// the kernel ends when this process dies, where it can (Linux).
type Starter struct {
	requests   chan request
	background chan request
}

type request struct {
	cmd    *exec.Cmd
	orphan syscall.Signal
	result chan error
}

// NewStarter starts the two operating system threads that create all children.
// They live as long as the process: on Linux a child's parent death signal is
// sent when the thread that created it ends, not when the process does.
func NewStarter() *Starter {
	s := &Starter{requests: make(chan request), background: make(chan request)}
	go serve(s.requests, func() {})
	go serve(s.background, lowerPriority)
	return s
}

// serve creates children on a thread of its own, whose priority they inherit.
func serve(requests <-chan request, prepare func()) {
	runtime.LockOSThread()
	prepare()
	for r := range requests {
		detach(r.cmd, r.orphan)
		r.result <- r.cmd.Start()
	}
}

// Start starts cmd in a session of its own. orphan is the signal that the child
// gets should this process die before it.
func (s *Starter) Start(cmd *exec.Cmd, orphan syscall.Signal) error {
	return send(s.requests, cmd, orphan)
}

// StartInBackground is Start for a child that is to yield to the others where
// there is too little processor time for all (on Linux; elsewhere it is Start).
func (s *Starter) StartInBackground(cmd *exec.Cmd, orphan syscall.Signal) error {
	err := send(s.background, cmd, orphan)
	if err == nil {
		lowerSessionPriority(cmd.Process.Pid)
	}
	return err
}

func send(requests chan<- request, cmd *exec.Cmd, orphan syscall.Signal) error {
	r := request{cmd: cmd, orphan: orphan, result: make(chan error)}
	requests <- r
	return <-r.result
}

// SignalGroup sends sig to the process and all that it started in its session.
// A process that is gone already is no error.
func SignalGroup(p *os.Process, sig syscall.Signal) {
	_ = syscall.Kill(-p.Pid, sig)
}
