// Package stacktest runs parts of the local stack (../../devstack) for tests that need a real database or broker.
package stacktest

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

const (
	startTimeout = 3 * time.Minute // a build of devstack from nothing is most of it
	stopTimeout  = 20 * time.Second
)

// Stack is a running local stack.
type Stack struct {
	// MongoDB is the URI of the MongoDB-compatible server, or of the one that ORDER_MONGODB_URI names.
	MongoDB string
	// Postgres is the URL of the inventory's database, or what INVENTORY_POSTGRES_URL names.
	Postgres string
	// Kafka is the broker's host:port, or what KAFKA_BOOTSTRAP_SERVERS names.
	Kafka string

	dir      string
	devstack string
	process  *exec.Cmd
	exited   chan error
}

// Main runs a package's tests with the named parts, and returns the exit status.
func Main(parts string, run func(*Stack) int) int {
	stack, err := Start(parts)
	if err != nil {
		fmt.Fprintln(os.Stderr, "these tests need parts of the local stack:", err)
		return 1
	}
	status := run(stack)
	if err := stack.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return status
}

// Start builds devstack, runs the named parts of it on free ports, and returns once they are ready. Stop ends them.
func Start(parts string) (stack *Stack, err error) {
	dir, err := os.MkdirTemp("", "steadfast-stack-*")
	if err != nil {
		return nil, fmt.Errorf("make a folder for the stack: %w", err)
	}
	stack = &Stack{dir: dir, devstack: filepath.Join(dir, "devstack"), exited: make(chan error, 1)}
	defer func() {
		if err != nil {
			err = errors.Join(err, stack.Stop())
		}
	}()
	_, here, _, _ := runtime.Caller(0)
	build := exec.Command("go", "build", "-o", stack.devstack, ".") //nolint:noctx // the test's time-out bounds it
	build.Dir = filepath.Join(filepath.Dir(here), "..", "..", "devstack")
	build.Env = append(os.Environ(), "GOWORK=off")
	if output, err := build.CombinedOutput(); err != nil {
		return stack, fmt.Errorf("build devstack: %w\n%s", err, output)
	}
	data := filepath.Join(dir, "data")
	stack.process = exec.Command(stack.devstack, "run", "--data", data, "--free-ports", "--quiet", "--only", parts) //nolint:noctx // see above
	log, err := os.Create(filepath.Join(dir, "devstack.log"))
	if err != nil {
		return stack, fmt.Errorf("make the stack's log: %w", err)
	}
	defer log.Close() //nolint:errcheck // the child has its own
	stack.process.Stdout, stack.process.Stderr = log, log
	if err := stack.process.Start(); err != nil {
		stack.process = nil
		return stack, fmt.Errorf("start devstack: %w", err)
	}
	go func() { stack.exited <- stack.process.Wait() }()
	if err := stack.awaitReady(filepath.Join(data, "stack.json")); err != nil {
		said, _ := os.ReadFile(log.Name())
		return stack, fmt.Errorf("%w\n%s", err, said)
	}
	return stack, nil
}

// awaitReady waits for the file that devstack writes when all parts are ready.
func (s *Stack) awaitReady(path string) error {
	deadline := time.After(startTimeout)
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case err := <-s.exited:
			s.exited <- err
			return fmt.Errorf("devstack ended before it was ready: %w", err)
		case <-deadline:
			return errors.New("devstack was not ready in time")
		case <-ticker.C:
		}
		var document struct {
			Ready bool `json:"ready"`
			URLs  struct {
				MongoDB  string `json:"mongodb"`
				Postgres string `json:"postgres"`
				Kafka    string `json:"kafka"`
			} `json:"urls"`
		}
		data, err := os.ReadFile(path)
		if err == nil && json.Unmarshal(data, &document) == nil && document.Ready {
			s.MongoDB, s.Postgres, s.Kafka = document.URLs.MongoDB, document.URLs.Postgres, document.URLs.Kafka
			return nil
		}
	}
}

// Control sends a command (stop, start, kill) for one part to the running stack.
func (s *Stack) Control(command, part string) error {
	output, err := exec.Command(s.devstack, command, part, "--data", filepath.Join(s.dir, "data")).CombinedOutput() //nolint:noctx // see above
	if err != nil {
		return fmt.Errorf("%s %s: %w\n%s", command, part, err, output)
	}
	return nil
}

// Stop ends the stack and deletes its data.
func (s *Stack) Stop() error {
	var err error
	if s.process != nil {
		if err = s.process.Process.Signal(syscall.SIGTERM); errors.Is(err, os.ErrProcessDone) {
			err = nil
		}
		select {
		case stopped := <-s.exited:
			err = errors.Join(err, stopped)
		case <-time.After(stopTimeout):
			err = errors.Join(err, errors.New("devstack did not stop in time"), s.process.Process.Kill())
		}
	}
	return errors.Join(err, os.RemoveAll(s.dir))
}
