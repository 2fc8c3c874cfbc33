// Package postgrestest runs a PostgreSQL server for a test.
package postgrestest

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/steadfast-shop/steadfast/devstack/internal/ports"
	"github.com/steadfast-shop/steadfast/devstack/internal/postgres"
	"github.com/steadfast-shop/steadfast/devstack/internal/process"
)

const readyWithin = 30 * time.Second

// Server is a PostgreSQL server that ends with its test.
type Server struct {
	*postgres.Server
	t       *testing.T
	starter *process.Starter
	cmd     *exec.Cmd
}

// New starts a server with the databases.
func New(t *testing.T, databases ...string) *Server {
	t.Helper()
	free, err := ports.Free(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	t.Cleanup(func() { _ = os.RemoveAll(filepath.Dir(postgres.OutsideDir(dir))) }) // for root
	server, err := postgres.New(postgres.Config{
		Dir: dir, CacheDir: t.TempDir(), Port: free[0], Databases: databases,
		Run: func(cmd *exec.Cmd) error { return cmd.Run() },
	})
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Server: server, t: t, starter: process.NewStarter()}
	s.Start()
	t.Cleanup(func() { s.end(syscall.SIGQUIT) })
	return s
}

// Start starts the server, and waits until it is ready.
func (s *Server) Start() {
	s.t.Helper()
	cmd, err := s.Command(context.Background(), func(string) {})
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.starter.Start(cmd, syscall.SIGQUIT); err != nil {
		s.t.Fatal(err)
	}
	s.cmd = cmd
	ctx, cancel := context.WithTimeout(s.t.Context(), readyWithin)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for s.Ready(ctx) != nil {
		select {
		case <-tick.C:
		case <-ctx.Done():
			s.t.Fatal("PostgreSQL does not get ready")
		}
	}
}

// Kill ends the server as a crash would.
func (s *Server) Kill() { s.end(syscall.SIGKILL) }

func (s *Server) end(signal syscall.Signal) {
	_ = s.cmd.Process.Signal(signal) // it fails only when the server has ended
	_ = s.cmd.Wait()                 // and was waited for
}
