package process

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Ledger is a folder that tells which children run, one file for each, so that
// the next start can end what a killed parent left behind.
type Ledger struct {
	dir string
}

// entry is the content of one file of the ledger.
type entry struct {
	PID      int            `json:"pid"`
	Identity string         `json:"identity"`
	Signal   syscall.Signal `json:"signal"`
}

// OpenLedger makes the folder if it is missing.
func OpenLedger(dir string) (*Ledger, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make process ledger: %w", err)
	}
	return &Ledger{dir: dir}, nil
}

// Record notes that the child called name runs; sig is what ends it at once
// without harm.
func (l *Ledger) Record(name string, pid int, sig syscall.Signal) error {
	id, err := identity(pid)
	if err != nil {
		return nil //nolint:nilerr // it has ended already, so there is nothing to leave behind
	}
	data, err := json.Marshal(entry{PID: pid, Identity: id, Signal: sig})
	if err != nil {
		return fmt.Errorf("encode ledger entry: %w", err)
	}
	if err := os.WriteFile(l.path(name), data, 0o600); err != nil {
		return fmt.Errorf("record process: %w", err)
	}
	return nil
}

// Forget notes that the child called name has ended.
func (l *Ledger) Forget(name string) {
	_ = os.Remove(l.path(name)) // a stale entry is told apart by its identity
}

func (l *Ledger) path(name string) string {
	return filepath.Join(l.dir, name+".json")
}

// StopLeftovers ends every recorded process that still runs and returns their
// names. A process that does not go is an error, for it may hold ports and data.
func (l *Ledger) StopLeftovers(ctx context.Context) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(l.dir, "*.json"))
	if err != nil {
		return nil, fmt.Errorf("list process ledger: %w", err)
	}
	var stopped []string
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		running, err := stopLeftover(ctx, file)
		if err != nil {
			return stopped, fmt.Errorf("stop the %s that an earlier run left: %w", name, err)
		}
		if running {
			stopped = append(stopped, name)
		}
		l.Forget(name)
	}
	return stopped, nil
}

func stopLeftover(ctx context.Context, file string) (bool, error) {
	data, err := os.ReadFile(file) //nolint:gosec // the name comes from our own folder
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read ledger entry: %w", err)
	}
	var e entry
	if json.Unmarshal(data, &e) != nil || e.PID <= 1 || !e.alive() {
		return false, nil //nolint:nilerr // torn by a crash, or gone: nothing to stop
	}
	for _, sig := range []syscall.Signal{e.Signal, syscall.SIGKILL} {
		if err := syscall.Kill(e.PID, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
			return false, fmt.Errorf("signal process %d: %w", e.PID, err)
		}
		if e.gone(ctx, 3*time.Second) {
			return true, nil
		}
	}
	return false, fmt.Errorf("process %d does not end", e.PID)
}

func (e entry) alive() bool {
	id, err := identity(e.PID)
	return err == nil && id == e.Identity
}

// gone waits until the process has ended. It is no child of ours, so there is
// nothing to wait on but its disappearance.
func (e entry) gone(ctx context.Context, limit time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for e.alive() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return !e.alive()
		}
	}
	return true
}
