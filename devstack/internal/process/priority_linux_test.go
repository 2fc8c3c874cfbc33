package process_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/steadfast-shop/steadfast/devstack/internal/process"
)

func TestChildrenInTheBackgroundHaveALowerPriority(t *testing.T) {
	own, err := syscall.Getpriority(syscall.PRIO_PROCESS, 0)
	if err != nil {
		t.Fatal(err)
	}
	starter := process.NewStarter()
	for _, c := range []struct {
		name    string
		start   func(*exec.Cmd, syscall.Signal) error
		lowered bool
	}{
		{"background", starter.StartInBackground, true},
		{"others", starter.Start, false}, // after the first: its thread must not have been lowered
	} {
		cmd := exec.CommandContext(t.Context(), "sleep", "60")
		if err := c.start(cmd, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		nice, err := syscall.Getpriority(syscall.PRIO_PROCESS, cmd.Process.Pid)
		if lowered := nice < own; err != nil || lowered != c.lowered { // the system call returns 20 - nice
			t.Errorf("%s: priority %d of %d, %v; want it lowered: %v", c.name, nice, own, err, c.lowered)
		}
		group, err := os.ReadFile(fmt.Sprintf("/proc/%d/autogroup", cmd.Process.Pid))
		if err == nil && strings.TrimSpace(string(group)) != "" && strings.HasSuffix(strings.TrimSpace(string(group)), "nice 0") == c.lowered {
			t.Errorf("%s: session %s", c.name, group)
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Error(err)
		}
		_ = cmd.Wait() // it was killed
	}
}
