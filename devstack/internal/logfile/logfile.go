// Package logfile keeps the files that the parts write their output to: it
// follows them, bounds their size, and reads their last lines.
package logfile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"
)

const (
	// maxSize is where a file is cut while its part runs.
	maxSize  = 64 << 20
	lookEach = 100 * time.Millisecond
)

// Rotate moves the log of the last run out of the way, as path.1.
func Rotate(path string) error {
	if err := os.Rename(path, path+".1"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("rotate log: %w", err)
	}
	return nil
}

// LastLines returns up to n lines from the end of the file; none if it cannot
// be read.
func LastLines(path string, n int) []string {
	const enough = 64 << 10
	file, err := os.Open(path) //nolint:gosec // one of the stack's logs
	if err != nil {
		return nil
	}
	defer file.Close() //nolint:errcheck // only read
	if info, err := file.Stat(); err == nil && info.Size() > enough {
		if _, err := file.Seek(-enough, io.SeekEnd); err != nil {
			return nil
		}
	}
	content, err := io.ReadAll(file)
	if err != nil || len(bytes.TrimSpace(content)) == 0 {
		return nil
	}
	lines := strings.Split(strings.TrimRight(string(content), "\n"), "\n")
	return lines[max(0, len(lines)-n):]
}

// Follow hands each whole line that is appended to the file to show, from the
// start of the file until ctx ends. The parts write to their files themselves, so
// that neither a slow terminal nor a stopped devstack can hold them up. A file
// that grows beyond bounds is moved to path.1 by copying, for the part keeps it open.
func Follow(ctx context.Context, path string, show func(line string)) error {
	f := follower{path: path, show: show}
	defer f.close()
	tick := time.NewTicker(lookEach)
	defer tick.Stop()
	for {
		if err := f.look(); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return f.look() // the last words
		}
	}
}

type follower struct {
	path string
	show func(string)
	file *os.File
	read int64
	rest []byte // of a line that has not ended yet
}

func (f *follower) close() {
	if f.file != nil {
		_ = f.file.Close() // only read
	}
}

func (f *follower) look() error {
	if f.file == nil {
		file, err := os.OpenFile(f.path, os.O_RDWR, 0)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("follow log: %w", err)
		}
		f.file = file
	}
	buffer := make([]byte, 64<<10)
	for {
		n, err := f.file.ReadAt(buffer, f.read)
		f.read += int64(n)
		f.take(buffer[:n])
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("follow log: %w", err)
		}
	}
	if f.read > maxSize {
		return f.cut()
	}
	return nil
}

func (f *follower) take(data []byte) {
	f.rest = append(f.rest, data...)
	for {
		line, rest, whole := bytes.Cut(f.rest, []byte("\n"))
		if !whole {
			return
		}
		f.show(string(line))
		f.rest = rest
	}
}

// cut copies the file to path.1 and empties it. What the part writes in between
// is lost from the log.
func (f *follower) cut() error {
	old, err := os.OpenFile(f.path+".1", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("rotate log: %w", err)
	}
	_, err = io.Copy(old, io.NewSectionReader(f.file, 0, f.read))
	if err := errors.Join(err, old.Close(), f.file.Truncate(0)); err != nil {
		return fmt.Errorf("rotate log: %w", err)
	}
	f.read = 0
	return nil
}
