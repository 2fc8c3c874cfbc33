// Package postgres runs a PostgreSQL server of the local stack's own, with the
// programs that are installed or, failing that, ones that it fetches.
package postgres

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/steadfast-shop/steadfast/devstack/internal/ports"
)

const superuser = "steadfast"

// codeDuplicateDatabase is PostgreSQL's SQLSTATE for a database that exists.
const codeDuplicateDatabase = "42P04"

// socketPrefix begins the names of PostgreSQL's sockets and of their locks; the
// port follows.
const socketPrefix = ".s.PGSQL."

// Config is what a server needs to know.
type Config struct {
	// Dir is the stack's data directory; the server's is a folder in it, unless
	// the user that PostgreSQL runs as cannot get there.
	Dir string
	// CacheDir keeps fetched programs.
	CacheDir string
	Port     int
	// Databases are made when they are missing.
	Databases []string
	// Fetch ignores installed programs.
	Fetch bool
	// Self is our own program, which fetches in a process of its own, and Run
	// starts a child to its end.
	Self string
	Run  func(*exec.Cmd) error
}

// Server is a PostgreSQL server that a supervisor runs.
type Server struct {
	config   Config
	password string
	account  account
	dataDir  string
}

// New chooses the user and the data directory, and makes the password.
func New(config Config) (*Server, error) {
	dataDir := filepath.Join(config.Dir, "postgres")
	owner, err := accountFor(dataDir)
	if err != nil {
		return nil, err
	}
	if !owner.canReach(dataDir) {
		dataDir = OutsideDir(config.Dir)
		if owner, err = accountFor(dataDir); err != nil {
			return nil, err
		}
	}
	password, err := loadPassword(filepath.Join(config.Dir, "postgres.password"))
	if err != nil {
		return nil, err
	}
	return &Server{config: config, password: password, account: owner, dataDir: dataDir}, nil
}

// OutsideDir is where the database of the stack in dir lives when PostgreSQL's
// user cannot enter dir, as below /root.
func OutsideDir(dir string) string {
	sum := sha256.Sum256([]byte(dir))
	return filepath.Join("/var/tmp", "steadfast-"+hex.EncodeToString(sum[:6]), "postgres")
}

// DataDir is where the databases are.
func (s *Server) DataDir() string { return s.dataDir }

// URL is the connection string for one database.
func (s *Server) URL(database string) string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(superuser, s.password),
		Host: ports.Address(s.config.Port), Path: "/" + database, RawQuery: "sslmode=disable",
	}
	return u.String()
}

// LocalURL is the same for the stack's own parts: by the server's socket, which
// takes less time than the port does. The port is for where there is none.
func (s *Server) LocalURL(database string) string {
	dir := s.socketDir()
	if dir == "" {
		return s.URL(database)
	}
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(superuser, s.password), Path: "/" + database,
		RawQuery: url.Values{"host": {dir}, "port": {strconv.Itoa(s.config.Port)}}.Encode(),
	}
	return u.String()
}

// socketDir is where the server makes its socket: in its data directory, which
// its own user alone can enter. It is empty where the path is not fit for one.
func (s *Server) socketDir() string {
	if !ports.SocketFits(filepath.Join(s.dataDir, socketPrefix+strconv.Itoa(s.config.Port))) {
		return ""
	}
	return s.dataDir
}

// Command prepares the data directory and returns the server, ready to start.
// The server stays in the foreground, so that the supervisor waits on it itself.
func (s *Server) Command(ctx context.Context, say func(string)) (*exec.Cmd, error) {
	programs, err := s.findBinaries(ctx, say)
	if err != nil {
		return nil, err
	}
	if err := s.initialise(ctx, programs, say); err != nil {
		return nil, err
	}
	if err := s.dropForeignLock(); err != nil {
		return nil, err
	}
	arguments := []string{"-D", s.dataDir}
	for _, setting := range s.settings() {
		arguments = append(arguments, "-c", setting)
	}
	// The supervisor ends the server by signals, so ctx must not.
	return s.command(context.WithoutCancel(ctx), programs.path("postgres"), arguments...), nil
}

// settings suit one laptop: little memory, many connections. Nothing that an
// acknowledged commit depends on is turned off.
func (s *Server) settings() []string {
	return []string{
		"listen_addresses=127.0.0.1",
		"port=" + strconv.Itoa(s.config.Port),
		"unix_socket_directories=" + s.socketDir(),
		"max_connections=200",
		"shared_buffers=128MB",
		"max_wal_size=512MB",
		"wal_level=minimal", // no replicas
		"max_wal_senders=0",
		"max_parallel_workers_per_gather=0",
		"jit=off",
		// FerretDB's collections get many inserts and deletes, and its scans pay
		// for every dead row.
		"autovacuum_naptime=5s",
		"log_checkpoints=off",
		"log_timezone=UTC",
	}
}

// Ready succeeds once the server answers and every database is there.
func (s *Server) Ready(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, s.URL("postgres"))
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer conn.Close(ctx) //nolint:errcheck // only a probe
	for _, database := range s.config.Databases {
		var exists bool
		if err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", database).Scan(&exists); err != nil {
			return fmt.Errorf("look for database %s: %w", database, err)
		}
		if exists {
			continue
		}
		_, err := conn.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{database}.Sanitize())
		var refused *pgconn.PgError
		if errors.As(err, &refused) && refused.Code == codeDuplicateDatabase {
			continue // an earlier probe ran into its time limit while the server went on
		}
		if err != nil {
			return fmt.Errorf("create database %s: %w", database, err)
		}
	}
	return nil
}

func (s *Server) command(ctx context.Context, program string, arguments ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, arguments...) //nolint:gosec // a program of the chosen installation
	cmd.Dir = filepath.Dir(s.dataDir)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC"}
	s.account.apply(cmd)
	return cmd
}

// dropForeignLock removes a postmaster.pid that names a process which is no
// PostgreSQL, and the lock of the socket with it: after a reboot its number may
// belong to anyone, and the server would refuse to start for as long as that
// runs. The stack's own lock on the data directory keeps a second server away.
func (s *Server) dropForeignLock() error {
	path := filepath.Join(s.dataDir, "postmaster.pid")
	content, err := os.ReadFile(path) //nolint:gosec // in our own data directory
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read server lock: %w", err)
	}
	first, _, _ := strings.Cut(string(content), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(first))
	if err == nil && isPostgres(pid) {
		return nil // the server itself knows how to tell
	}
	stale, err := filepath.Glob(filepath.Join(s.dataDir, socketPrefix+"*"))
	if err != nil {
		return fmt.Errorf("look for sockets: %w", err)
	}
	for _, path := range append(stale, path) {
		if err := os.Remove(path); err != nil {
			return fmt.Errorf("remove stale server lock: %w", err)
		}
	}
	return nil
}

// loadPassword reads the superuser's password, and makes it the first time.
func loadPassword(path string) (string, error) {
	content, err := os.ReadFile(path) //nolint:gosec // in our own data directory
	if err == nil && len(content) > 0 {
		return string(content), nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read database password: %w", err)
	}
	password := rand.Text()
	if err := os.WriteFile(path, []byte(password), 0o600); err != nil {
		return "", fmt.Errorf("keep database password: %w", err)
	}
	return password, nil
}
