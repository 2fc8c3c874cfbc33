package process_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"

	"github.com/steadfast-shop/steadfast/devstack/internal/process"
)

func sleeper(t *testing.T) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sleep", "60")
	if err := process.NewStarter().Start(cmd, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	return cmd
}

func TestLeftoversAreStopped(t *testing.T) {
	dir := t.TempDir()
	ledger, err := process.OpenLedger(dir)
	if err != nil {
		t.Fatal(err)
	}
	cmd := sleeper(t)
	if err := ledger.Record("part", cmd.Process.Pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()

	stopped, err := ledger.StopLeftovers(t.Context())
	if err != nil || !slices.Equal(stopped, []string{"part"}) {
		t.Fatalf("got %v, %v, want [part]", stopped, err)
	}
	if err := <-ended; err == nil {
		t.Error("the process ended with status 0, want a signal")
	}
	if again, err := ledger.StopLeftovers(t.Context()); err != nil || len(again) > 0 {
		t.Errorf("second time: got %v, %v, want nothing", again, err)
	}
}

// After a reboot, the pid in the ledger may be anyone's.
func TestOtherProcessWithTheSamePIDIsSpared(t *testing.T) {
	dir := t.TempDir()
	ledger, err := process.OpenLedger(dir)
	if err != nil {
		t.Fatal(err)
	}
	cmd := sleeper(t)
	entry := `{"pid":` + strconv.Itoa(cmd.Process.Pid) + `,"identity":"another boot/1","signal":9}`
	if err := os.WriteFile(filepath.Join(dir, "part.json"), []byte(entry), 0o600); err != nil {
		t.Fatal(err)
	}
	if stopped, err := ledger.StopLeftovers(t.Context()); err != nil || len(stopped) > 0 {
		t.Errorf("got %v, %v, want nothing stopped", stopped, err)
	}
	if err := syscall.Kill(cmd.Process.Pid, 0); err != nil {
		t.Errorf("the process is gone: %v", err)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}
