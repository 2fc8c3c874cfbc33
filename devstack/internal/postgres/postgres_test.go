package postgres_test

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/steadfast-shop/steadfast/devstack/internal/postgres"
	"github.com/steadfast-shop/steadfast/devstack/internal/postgres/postgrestest"
)

func TestServerAsksForItsPasswordAndSyncs(t *testing.T) {
	server := postgrestest.New(t, "inventory", "ferretdb")
	for _, database := range []string{"inventory", "ferretdb"} {
		conn, err := pgx.Connect(t.Context(), server.URL(database))
		if err != nil {
			t.Fatal(err)
		}
		var fsync, commit string
		if err := conn.QueryRow(t.Context(), "SELECT current_setting('fsync'), current_setting('synchronous_commit')").Scan(&fsync, &commit); err != nil {
			t.Fatal(err)
		}
		if fsync != "on" || commit != "on" {
			t.Errorf("fsync %s, synchronous_commit %s; want both on", fsync, commit)
		}
		_ = conn.Close(t.Context())
	}
	config, err := pgx.ParseConfig(server.URL("inventory"))
	if err != nil {
		t.Fatal(err)
	}
	config.Password = "guess"
	if conn, err := pgx.ConnectConfig(t.Context(), config); err == nil {
		_ = conn.Close(t.Context())
		t.Error("a wrong password was accepted")
	}
}

func TestPartsConnectBySocketWhereItsPathFits(t *testing.T) {
	server := postgrestest.New(t, "inventory")
	conn, err := pgx.Connect(t.Context(), server.LocalURL("inventory"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context()) //nolint:errcheck // the test is about something else
	var bySocket bool
	if err := conn.QueryRow(t.Context(), "SELECT inet_server_addr() IS NULL").Scan(&bySocket); err != nil {
		t.Fatal(err)
	}
	if !bySocket {
		t.Errorf("%s leads to the port", server.LocalURL("inventory"))
	}

	long := filepath.Join(t.TempDir(), strings.Repeat("long", 30))
	if err := os.Mkdir(long, 0o711); err != nil {
		t.Fatal(err)
	}
	unfit, err := postgres.New(postgres.Config{Dir: long, Port: 15432})
	if err != nil {
		t.Fatal(err)
	}
	if filepath.Dir(unfit.DataDir()) == long && unfit.LocalURL("inventory") != unfit.URL("inventory") {
		t.Errorf("got %s for a path that is too long, want the port", unfit.LocalURL("inventory"))
	}
}

// After a reboot, the process named in postmaster.pid may be anyone's, and so may
// the one that is named in the lock of the socket.
func TestLockOfAnotherProcessDoesNotBlockTheStart(t *testing.T) {
	server := postgrestest.New(t)
	server.Kill()
	lock := filepath.Join(server.DataDir(), "postmaster.pid")
	content, err := os.ReadFile(lock)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(content), "\n")
	locks, err := filepath.Glob(filepath.Join(server.DataDir(), ".s.PGSQL.*.lock"))
	if err != nil || len(locks) != 1 {
		t.Fatalf("got %q, %v; want the lock of one socket", locks, err)
	}
	for _, lock := range append(locks, lock) {
		if err := os.WriteFile(lock, []byte(strconv.Itoa(os.Getpid())+"\n"+rest), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	server.Start()
}

func TestDatabaseOfAnotherVersionIsNamed(t *testing.T) {
	server := postgrestest.New(t)
	server.Kill()
	if err := os.WriteFile(filepath.Join(server.DataDir(), "PG_VERSION"), []byte("9\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := server.Command(context.Background(), func(string) {})
	if err == nil || !strings.Contains(err.Error(), "PostgreSQL 9") || !strings.Contains(err.Error(), "--fresh") {
		t.Errorf("got %v, want the version and what to do", err)
	}
}

func TestDatabaseIsOutsideWhereItsUserCannotGo(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root runs PostgreSQL as another user")
	}
	for _, c := range []struct {
		mode    os.FileMode
		outside bool
	}{{0o700, true}, {0o711, false}} {
		parent, err := os.MkdirTemp("/var/tmp", "devstack-test-")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.RemoveAll(parent) })
		if err := os.Chmod(parent, c.mode); err != nil {
			t.Fatal(err)
		}
		server, err := postgres.New(postgres.Config{Dir: parent})
		if err != nil {
			t.Fatal(err)
		}
		if got := server.DataDir() == postgres.OutsideDir(parent); got != c.outside {
			t.Errorf("%v: outside %v, want %v (%s)", c.mode, got, c.outside, server.DataDir())
		}
	}
}
