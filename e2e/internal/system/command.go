package system

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
)

// Output is what a command wrote, and how it ended.
type Output struct {
	Stdout, Stderr string
	Status         int
}

// Run runs a program with a command to its end, with nothing but these settings.
func Run(ctx context.Context, programs, name string, settings []string, args ...string) (Output, error) {
	ctx, cancel := context.WithTimeout(ctx, commandWithin)
	defer cancel()
	command := exec.CommandContext(ctx, filepath.Join(programs, name), args...)
	command.Env = settings
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	err := command.Run()
	var failure *exec.ExitError
	if err != nil && !errors.As(err, &failure) || ctx.Err() != nil {
		return Output{}, errors.Join(fmt.Errorf("run %s %q: %w", name, args, err), ctx.Err())
	}
	return Output{Stdout: stdout.String(), Stderr: stderr.String(), Status: command.ProcessState.ExitCode()}, nil
}
