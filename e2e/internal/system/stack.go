package system

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/steadfast-shop/steadfast/e2e/internal/poll"
)

const (
	startWithin   = time.Minute
	commandWithin = 30 * time.Second
	restartWithin = time.Minute
	// StopWithin is how long a whole stack, or one service, may take to stop.
	StopWithin = 10 * time.Second
)

// Options says which stack to start.
type Options struct {
	// Programs is the folder with the programs that Build built.
	Programs string
	// Data is the folder that devstack keeps the data in; a stack that is started on it again has what it had.
	Data string
	// Ports is where the stack, and services beside it, get their ports from.
	Ports *Ports
	// Environment holds settings as NAME=value, on top of those of this process.
	Environment []string
	// Arguments are further ones for devstack run.
	Arguments []string
	// Within is how long the start may take; 0 means a minute, which leaves no time for downloads.
	Within time.Duration
	// Apart gives devstack a process group of its own, so that a Ctrl-C at the terminal reaches it only through Stop.
	Apart bool
}

// URLs are where the parts are reached.
type URLs struct {
	Gateway       string `json:"gateway"`
	GatewayAdmin  string `json:"gateway_admin"`
	Order         string `json:"order"`
	Inventory     string `json:"inventory"`
	InventoryGRPC string `json:"inventory_grpc"` // host:port
	Notification  string `json:"notification"`
	MongoDB       string `json:"mongodb"`
	Postgres      string `json:"postgres"`
	Kafka         string `json:"kafka"` // host:port, or several with commas
	SMTP          string `json:"smtp"`  // host:port
	Inbox         string `json:"inbox"`
	Traces        string `json:"traces"`
}

// Stack is a running system of its own.
type Stack struct {
	URLs URLs

	options Options
	command *exec.Cmd
	ended   chan struct{} // closed once devstack has ended
}

// document is devstack's stack.json.
type document struct {
	Ready bool   `json:"ready"`
	URLs  URLs   `json:"urls"`
	Parts []part `json:"parts"`
}

type part struct {
	Name  string `json:"name"`
	State string `json:"state"`
	PID   int    `json:"pid"`
}

// stackPorts are the settings for the ports of a stack.
func stackPorts() []string {
	return []string{
		"GATEWAY_PORT", "GATEWAY_ADMIN_PORT", "ORDER_PORT", "INVENTORY_PORT", "INVENTORY_GRPC_PORT", "NOTIFICATION_PORT",
		"DEVSTACK_POSTGRES_PORT", "DEVSTACK_MONGODB_PORT", "DEVSTACK_KAFKA_PORT", "DEVSTACK_KAFKA_CONTROLLER_PORT",
		"DEVSTACK_KAFKA_2_PORT", "DEVSTACK_KAFKA_2_CONTROLLER_PORT", "DEVSTACK_KAFKA_3_PORT", "DEVSTACK_KAFKA_3_CONTROLLER_PORT",
		"DEVSTACK_SMTP_PORT", "DEVSTACK_INBOX_PORT",
		"DEVSTACK_OTLP_PORT", "DEVSTACK_TRACES_PORT",
	}
}

// Start starts a stack on free ports and waits until all of it is ready.
func Start(ctx context.Context, options Options) (*Stack, error) {
	output, err := os.OpenFile(options.Data+".log", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open devstack's log: %w", err)
	}
	defer output.Close() //nolint:errcheck // the child has its own copy
	s := &Stack{options: options, ended: make(chan struct{})}
	s.command = exec.CommandContext(context.WithoutCancel(ctx), filepath.Join(options.Programs, devstack),
		append([]string{"run", "--quiet", "--data", options.Data, "--bin", options.Programs}, options.Arguments...)...)
	s.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: options.Apart}
	settings := stackPorts()
	ports, err := options.Ports.Take(ctx, len(settings))
	if err != nil {
		return nil, err
	}
	s.command.Env = append(os.Environ(), options.Environment...)
	for i, setting := range settings {
		s.command.Env = append(s.command.Env, setting+"="+ports[i])
	}
	s.command.Stdout, s.command.Stderr = output, output
	if err := s.command.Start(); err != nil {
		return nil, fmt.Errorf("start devstack: %w", err)
	}
	go func() {
		defer close(s.ended)
		_ = s.command.Wait() // ProcessState keeps how it ended
	}()
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(options.Within, startWithin))
	defer cancel()
	err = poll.Until(ctx, func(context.Context) error {
		select {
		case <-s.ended:
			cancel() // it does not come any more
			return fmt.Errorf("devstack has ended: %s", s.command.ProcessState)
		default:
		}
		described, err := s.read()
		s.URLs = described.URLs
		return err
	})
	if err != nil {
		log, _ := os.ReadFile(options.Data + ".log")
		return nil, errors.Join(fmt.Errorf("wait for the stack: %w", err), errors.New(string(log)), s.kill())
	}
	return s, nil
}

// PIDs returns the processes of devstack itself and of the parts that it runs, by name.
func (s *Stack) PIDs() (map[string]int, error) {
	described, err := s.read()
	if err != nil {
		return nil, err
	}
	pids := map[string]int{devstack: s.command.Process.Pid}
	for _, p := range described.Parts {
		if p.PID != 0 {
			pids[p.Name] = p.PID
		}
	}
	return pids, nil
}

// Stop stops the whole stack in order. Taking longer than StopWithin is an error, and so is an exit status other than 0.
func (s *Stack) Stop() error {
	if err := s.command.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("ask the stack to stop: %w", err)
	}
	timer := time.NewTimer(StopWithin + 2*time.Second) // a busy machine may be late with the process's end
	defer timer.Stop()
	select {
	case <-s.ended:
	case <-timer.C:
		return errors.Join(fmt.Errorf("the stack has not stopped within %v", StopWithin), s.kill())
	}
	if !s.command.ProcessState.Success() {
		return fmt.Errorf("devstack ended with %s", s.command.ProcessState)
	}
	return nil
}

func (s *Stack) kill() error {
	if err := s.command.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill devstack: %w", err)
	}
	<-s.ended
	return nil
}

// StopPart stops one part in order; it stays down until StartPart.
func (s *Stack) StopPart(ctx context.Context, name string) error {
	return s.devstack(ctx, "stop", name)
}

// StartPart starts a part that was stopped and waits until it is ready.
func (s *Stack) StartPart(ctx context.Context, name string) error {
	return s.devstack(ctx, "start", name)
}

func (s *Stack) devstack(ctx context.Context, verb, name string) error {
	ctx, cancel := context.WithTimeout(ctx, commandWithin)
	defer cancel()
	program := filepath.Join(s.options.Programs, devstack)
	output, err := exec.CommandContext(ctx, program, verb, name, "--data", s.options.Data).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", verb, name, err, output)
	}
	return nil
}

// KillPart ends a part by SIGKILL and waits until devstack has it ready again.
func (s *Stack) KillPart(ctx context.Context, name string) error {
	killed, err := s.part(name)
	if err != nil {
		return err
	}
	if err := syscall.Kill(killed.PID, syscall.SIGKILL); err != nil {
		return fmt.Errorf("kill %s: %w", name, err)
	}
	ctx, cancel := context.WithTimeout(ctx, restartWithin)
	defer cancel()
	err = poll.Until(ctx, func(context.Context) error {
		now, err := s.part(name)
		if err == nil && (now.PID == killed.PID || now.State != "ready") {
			err = fmt.Errorf("it is %s", now.State)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("wait for %s after its kill: %w", name, err)
	}
	return nil
}

// FreezePart stops a part's processes by SIGSTOP, until thaw is called. thaw may be called again.
func (s *Stack) FreezePart(name string) (thaw func(), err error) {
	frozen, err := s.part(name)
	if err != nil {
		return nil, err
	}
	return freeze(frozen.PID)
}

func (s *Stack) part(name string) (part, error) {
	described, err := s.read()
	if err != nil {
		return part{}, err
	}
	for _, p := range described.Parts {
		if p.Name == name {
			return p, nil
		}
	}
	return part{}, fmt.Errorf("the stack has no part %s", name)
}

func (s *Stack) read() (document, error) {
	data, err := os.ReadFile(filepath.Join(s.options.Data, "stack.json"))
	if err != nil {
		return document{}, fmt.Errorf("read what the stack tells: %w", err)
	}
	var described document
	if err := json.Unmarshal(data, &described); err != nil {
		return document{}, fmt.Errorf("read what the stack tells: %w", err)
	}
	if !described.Ready {
		return document{}, errors.New("the stack is not ready")
	}
	return described, nil
}

// Complaints returns the lines in the services' logs that no run may have: of panics and of data races.
func (s *Stack) Complaints() ([]string, error) {
	var found []string
	for _, name := range Services() {
		path := filepath.Join(s.options.Data, "logs", name+".log")
		lines, err := complaintsIn(path)
		if err != nil {
			return nil, err
		}
		for _, line := range lines {
			found = append(found, name+": "+line)
		}
	}
	return found, nil
}

func complaintsIn(log string) ([]string, error) {
	data, err := os.ReadFile(log)
	if err != nil {
		return nil, fmt.Errorf("read log: %w", err)
	}
	var found []string
	for line := range strings.Lines(string(data)) {
		if strings.Contains(line, "DATA RACE") || strings.HasPrefix(line, "panic:") || strings.HasPrefix(line, "fatal error:") || strings.Contains(line, "panic in a handler") {
			found = append(found, strings.TrimSpace(line)+" (see "+log+")")
		}
	}
	return found, nil
}

// Log returns what a part has written since the stack started.
func (s *Stack) Log(name string) (string, error) {
	data, err := os.ReadFile(filepath.Join(s.options.Data, "logs", name+".log"))
	if err != nil {
		return "", fmt.Errorf("read log: %w", err)
	}
	return string(data), nil
}
