// Package postgrestest starts private PostgreSQL servers for tests, from the programs that are installed or, where there are none, from a download.
package postgrestest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// startTimeout bounds what a server takes to start, also on a busy machine.
const startTimeout = time.Minute

// Server is a PostgreSQL server with a data directory of its own, reached over a socket in it.
type Server struct {
	directory  string
	programs   string
	credential *syscall.Credential
	process    *exec.Cmd
	databases  atomic.Int64
}

// Main runs a package's tests with a server that they share, and returns the exit status.
func Main(run func(*Server) int) int {
	ctx := context.Background()
	server, err := New(ctx)
	if err == nil {
		defer func() { _ = os.RemoveAll(server.directory) }()
		err = server.Start(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "these tests need PostgreSQL:", err)
		return 1
	}
	defer server.Stop()
	return run(server)
}

// NewForTest returns a server of the test's own, which is not started yet; it goes away with the test.
func NewForTest(t *testing.T) *Server {
	t.Helper()
	server, err := New(t.Context())
	if err != nil {
		t.Fatal("this test needs PostgreSQL:", err)
	}
	t.Cleanup(func() {
		server.Stop()
		_ = os.RemoveAll(server.directory)
	})
	return server
}

// New makes the data directory of a server.
func New(ctx context.Context) (*Server, error) {
	// Not below the test's own directory: a socket's path may have about a hundred characters only.
	directory, err := os.MkdirTemp("", "pg")
	if err != nil {
		return nil, err
	}
	s := &Server{directory: directory}
	if err := s.initialize(ctx); err != nil {
		return nil, errors.Join(err, os.RemoveAll(directory))
	}
	return s, nil
}

func (s *Server) initialize(ctx context.Context) (err error) {
	if s.programs, err = findPrograms(ctx, s.directory); err != nil {
		return err
	}
	if err := s.giveAway(); err != nil {
		return err
	}
	initdb := s.command(ctx, "initdb", "-D", s.data(), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")
	if output, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, output)
	}
	return nil
}

// giveAway hands the directory to an ordinary user where root runs the tests: PostgreSQL refuses to be root.
func (s *Server) giveAway() error {
	if os.Getuid() != 0 {
		return nil
	}
	account, err := user.Lookup("postgres")
	if err != nil {
		account, err = user.Lookup("nobody")
	}
	if err != nil {
		return fmt.Errorf("find a user that PostgreSQL can run as: %w", err)
	}
	uid, uidErr := strconv.ParseUint(account.Uid, 10, 32)
	gid, gidErr := strconv.ParseUint(account.Gid, 10, 32)
	if err := errors.Join(uidErr, gidErr); err != nil {
		return err
	}
	s.credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return os.Chown(s.directory, int(uid), int(gid))
}

// Start starts the server and waits until it answers.
func (s *Server) Start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	// Not bound to ctx: the server outlives it.
	s.process = s.command(context.WithoutCancel(ctx), "postgres", "-D", s.data(), "-k", s.directory,
		"-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=200")
	log, err := os.OpenFile(filepath.Join(s.directory, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	s.process.Stdout, s.process.Stderr = log, log
	if err := s.process.Start(); err != nil {
		return fmt.Errorf("start postgres: %w", err)
	}
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		err := s.execute(ctx, "SELECT 1")
		if err == nil {
			return nil
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return fmt.Errorf("wait for postgres: %w", err)
		}
	}
}

// Stop ends the server as a crash would, and waits for it.
func (s *Server) Stop() {
	if s.process == nil {
		return
	}
	_ = s.process.Process.Signal(syscall.SIGQUIT)
	_ = s.process.Wait()
	s.process = nil
}

// Freeze stops all processes of the server, as a stalled machine would; Thaw lets them go on.
func (s *Server) Freeze(t *testing.T) { s.signal(t, syscall.SIGSTOP) }

// Thaw ends a Freeze.
func (s *Server) Thaw(t *testing.T) { s.signal(t, syscall.SIGCONT) }

func (s *Server) signal(t *testing.T, signal syscall.Signal) {
	t.Helper()
	postmaster := s.process.Process.Pid
	children, err := exec.CommandContext(t.Context(), "pgrep", "-P", strconv.Itoa(postmaster)).Output()
	if err != nil {
		t.Fatalf("find the server's processes: %v", err)
	}
	for _, field := range append(strings.Fields(string(children)), strconv.Itoa(postmaster)) {
		pid, err := strconv.Atoi(field)
		if err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(pid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			t.Fatalf("signal process %d: %v", pid, err)
		}
	}
}

// URL is the address of a database on the server.
func (s *Server) URL(database string) string {
	return "postgres://postgres@/" + database + "?host=" + url.QueryEscape(s.directory)
}

// NewDatabase makes an empty database and returns its URL.
func (s *Server) NewDatabase(t *testing.T) string {
	t.Helper()
	name := fmt.Sprint("test", s.databases.Add(1))
	if err := s.execute(t.Context(), "CREATE DATABASE "+name); err != nil {
		t.Fatal(err)
	}
	return s.URL(name)
}

func (s *Server) execute(ctx context.Context, statement string) error {
	conn, err := pgx.Connect(ctx, s.URL("postgres"))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	_, err = conn.Exec(ctx, statement)
	return err
}

func (s *Server) data() string { return filepath.Join(s.directory, "data") }

func (s *Server) command(ctx context.Context, program string, arguments ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, filepath.Join(s.programs, program), arguments...)
	command.Dir = s.directory
	// A process group of its own: an interrupt at the terminal is for the tests, which then stop the server.
	command.SysProcAttr = &syscall.SysProcAttr{Credential: s.credential, Setpgid: true}
	return command
}
