// Package datadir guards the folder that a local stack keeps everything in: one
// stack at a time, and nothing removed that is not a stack's.
package datadir

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

const (
	lockName = "lock" // locked while a stack runs; holds its pid
	// marker says that the folder is a stack's, and may be emptied.
	marker     = "DEVSTACK"
	markerText = "This folder belongs to Steadfast's local stack. `devstack run --fresh` empties it.\n"
)

// Dir is a data directory that is locked for us.
type Dir struct {
	Path string
	lock *os.File
}

// Open makes the folder if it is missing, and locks it. A folder that holds
// other things is refused. mode is the folder's when it is made.
func Open(path string, mode fs.FileMode) (*Dir, error) {
	if err := claim(path, mode); err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(filepath.Join(path, lockName), os.O_CREATE|os.O_RDWR, 0o600) //nolint:gosec // the user's choice of folder
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		holder, _ := io.ReadAll(lock)
		err = fmt.Errorf("another devstack (process %s) runs on %s; stop it, or give this one a folder of its own with --data",
			strings.TrimSpace(string(holder)), path)
		return nil, errors.Join(err, lock.Close())
	}
	_, err = lock.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	if err := errors.Join(err, lock.Truncate(int64(len(strconv.Itoa(os.Getpid()))+1))); err != nil {
		return nil, errors.Join(fmt.Errorf("write lock: %w", err), lock.Close())
	}
	return &Dir{Path: path, lock: lock}, nil
}

// claim puts the marker into a folder that is new or empty.
func claim(path string, mode fs.FileMode) error {
	if err := os.MkdirAll(path, mode); err != nil {
		return fmt.Errorf("make data directory: %w", err)
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return fmt.Errorf("read data directory: %w", err)
	}
	for _, entry := range entries {
		if entry.Name() == marker {
			return nil
		}
	}
	if len(entries) > 0 {
		return fmt.Errorf("%s is not empty, and no data directory of devstack; choose another one with --data", path)
	}
	if err := os.WriteFile(filepath.Join(path, marker), []byte(markerText), 0o644); err != nil { //nolint:gosec // for everybody to read
		return fmt.Errorf("mark data directory: %w", err)
	}
	return nil
}

// Empty removes everything but what makes the folder ours.
func (d *Dir) Empty() error {
	entries, err := os.ReadDir(d.Path)
	if err != nil {
		return fmt.Errorf("read data directory: %w", err)
	}
	for _, entry := range entries {
		if entry.Name() == marker || entry.Name() == lockName {
			continue
		}
		if err := os.RemoveAll(filepath.Join(d.Path, entry.Name())); err != nil {
			return fmt.Errorf("empty data directory: %w", err)
		}
	}
	return nil
}

// Close gives the folder free.
func (d *Dir) Close() error { return d.lock.Close() }
