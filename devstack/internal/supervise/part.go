// Package supervise keeps a set of processes running: it starts them in the
// order of their needs, restarts the ones that crash, and stops them in order.
package supervise

import (
	"context"
	"os/exec"
	"syscall"
	"time"
)

// Part is one process of the stack.
type Part struct {
	Name string
	// Needs names the parts that must be ready before the first start.
	Needs []string
	// Command prepares what the process needs (a data directory, say) and
	// returns it ready to start. It runs before every start.
	Command func(ctx context.Context, say func(string)) (*exec.Cmd, error)
	// Ready returns nil once the process serves. It is one probe of many.
	Ready func(ctx context.Context) error
	// ReadyWithin bounds the first start, preparation included.
	ReadyWithin time.Duration
	// StopSignal asks for an orderly end; StopWithin is how long it may take.
	StopSignal syscall.Signal
	StopWithin time.Duration
	// StopBeside lets it be stopped at the same time as the part before it in the
	// order, and not after that one's end.
	StopBeside bool
	// KillSignal ends the process at once. It is SIGKILL, but for a server that
	// has children of its own to end.
	KillSignal syscall.Signal
	// Log is the file that the process writes to.
	Log string
	// Background parts yield to the others where there is too little processor time for all.
	Background bool
}

// State is where a part is in its life.
type State string

// The states of a part.
const (
	Waiting    State = "waiting"    // never started yet
	Starting   State = "starting"   // its process runs or is being prepared, and does not serve yet
	Ready      State = "ready"      // it serves
	Restarting State = "restarting" // it crashed and is about to start again
	Stopping   State = "stopping"   // it was asked to end
	Stopped    State = "stopped"    // it ended, and stays down until it is started
)

// Status is what a part does now.
type Status struct {
	Name     string
	State    State
	PID      int // 0 while no process runs
	Restarts int // after crashes, since the supervisor began
}

// Event tells that a part has changed its state.
type Event struct {
	Status
	// Detail says why, or what is being prepared; it may be empty.
	Detail string
	// Took is the time from the start of the process's preparation to Ready,
	// or from the request to stop to its end.
	Took time.Duration
}
