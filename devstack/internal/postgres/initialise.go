package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// initialise makes the data directory with initdb, in a folder beside it that
// is renamed at the end: a start that is cut off leaves nothing half made.
func (s *Server) initialise(ctx context.Context, programs binaries, say func(string)) error {
	if _, err := os.Stat(filepath.Join(s.dataDir, "PG_VERSION")); err == nil {
		return nil
	}
	if filepath.Dir(s.dataDir) != s.config.Dir {
		say("its user cannot enter " + s.config.Dir + "; its data is in " + s.dataDir)
	}
	say("making a new database")
	parent := filepath.Dir(s.dataDir)
	if err := os.MkdirAll(parent, 0o711); err != nil { //nolint:gosec // PostgreSQL's user must pass
		return fmt.Errorf("make data directory: %w", err)
	}
	if err := s.checkParent(parent); err != nil {
		return err
	}
	fresh, passwordFile := s.dataDir+".new", s.dataDir+".pw"
	if err := errors.Join(os.RemoveAll(fresh), os.RemoveAll(passwordFile)); err != nil {
		return fmt.Errorf("clean up an earlier attempt: %w", err)
	}
	if err := os.Mkdir(fresh, 0o700); err != nil {
		return fmt.Errorf("make data directory: %w", err)
	}
	if err := os.WriteFile(passwordFile, []byte(s.password+"\n"), 0o600); err != nil {
		return fmt.Errorf("hand over the password: %w", err)
	}
	defer os.Remove(passwordFile) //nolint:errcheck // the next start removes it
	if err := errors.Join(s.account.own(fresh), s.account.own(passwordFile)); err != nil {
		return err
	}
	cmd := s.command(ctx, programs.path("initdb"), "--pgdata="+fresh, "--username="+superuser, "--pwfile="+passwordFile,
		"--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-instructions")
	if err := s.run(cmd); err != nil {
		return fmt.Errorf("initdb: %w", err)
	}
	if err := os.Rename(fresh, s.dataDir); err != nil {
		return fmt.Errorf("put data directory in place: %w", err)
	}
	return nil
}

// checkParent refuses a folder of another user's making: the place outside the
// stack's own folder is one where everybody may write.
func (s *Server) checkParent(dir string) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return fmt.Errorf("look at data directory: %w", err)
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if dir != s.config.Dir && (!info.IsDir() || !ok || int(stat.Uid) != os.Geteuid()) {
		return fmt.Errorf("%s belongs to another user", dir)
	}
	return nil
}

// run runs a helper to its end; its output is part of the error.
func (s *Server) run(cmd *exec.Cmd) error {
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := s.config.Run(cmd); err != nil {
		return fmt.Errorf("%w: %s", err, strings.TrimSpace(output.String()))
	}
	return nil
}

// findBinaries returns the programs for the data directory: the version that
// made it, or for a new one the newest.
func (s *Server) findBinaries(ctx context.Context, say func(string)) (binaries, error) {
	var available []binaries
	if !s.config.Fetch {
		available = installed(ctx)
	}
	wanted, err := s.dataMajor()
	if err != nil {
		return binaries{}, err
	}
	fits := func(b binaries) bool { return wanted == 0 || b.major == wanted }
	if i := slices.IndexFunc(available, fits); i >= 0 {
		return available[i], nil
	}
	if len(available) > 0 {
		return binaries{}, fmt.Errorf("the database in %s is of PostgreSQL %d, and installed is %d; install postgresql-%d, or start anew with --fresh",
			s.dataDir, wanted, available[0].major, wanted)
	}
	fetched, err := s.fetched(ctx, say)
	if err != nil {
		return binaries{}, err
	}
	if !fits(fetched) {
		return binaries{}, fmt.Errorf("the database in %s is of PostgreSQL %d, and there is only %d; install postgresql-%d, or start anew with --fresh",
			s.dataDir, wanted, fetched.major, wanted)
	}
	return fetched, nil
}

// dataMajor is the version that made the data directory; 0 if there is none.
func (s *Server) dataMajor() (int, error) {
	content, err := os.ReadFile(filepath.Join(s.dataDir, "PG_VERSION"))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read database version: %w", err)
	}
	major, err := strconv.Atoi(strings.TrimSpace(string(content)))
	if err != nil {
		return 0, fmt.Errorf("read database version: %w", err)
	}
	return major, nil
}
