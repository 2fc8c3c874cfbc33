package postgres

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// oldestMajor is the oldest version of PostgreSQL that the stack is tested with.
const oldestMajor = 14

// binaries is an installation of the PostgreSQL server.
type binaries struct {
	dir   string
	major int
}

func (b binaries) path(program string) string { return filepath.Join(b.dir, program) }

// installed finds the server programs of this machine, the newest first.
func installed(ctx context.Context) []binaries {
	var found []binaries
	for _, dir := range candidateDirs(ctx) {
		major, err := majorOf(ctx, dir)
		if err != nil || major < oldestMajor {
			continue
		}
		if _, err := os.Stat(filepath.Join(dir, "initdb")); err == nil {
			found = append(found, binaries{dir: dir, major: major})
		}
	}
	slices.SortStableFunc(found, func(a, b binaries) int { return cmp.Compare(b.major, a.major) })
	return found
}

// candidateDirs are the folders where packages put the server programs: most
// distributions keep them out of the PATH.
func candidateDirs(ctx context.Context) []string {
	var dirs []string
	if out, err := exec.CommandContext(ctx, "pg_config", "--bindir").Output(); err == nil {
		dirs = append(dirs, strings.TrimSpace(string(out)))
	}
	if program, err := exec.LookPath("postgres"); err == nil {
		dirs = append(dirs, filepath.Dir(program))
	}
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin",                           // Debian, Ubuntu
		"/usr/pgsql-*/bin",                                    // PostgreSQL's own RPMs
		"/usr/libexec/postgresql*",                            // Alpine
		"/opt/homebrew/opt/postgresql*/bin",                   // Homebrew on Apple silicon
		"/usr/local/opt/postgresql*/bin",                      // Homebrew on Intel
		"/Applications/Postgres.app/Contents/Versions/*/bin/", // Postgres.app
	} {
		matches, err := filepath.Glob(pattern)
		if err == nil {
			dirs = append(dirs, matches...)
		}
	}
	return dirs
}

var versionPattern = regexp.MustCompile(`\) (\d+)`)

func majorOf(ctx context.Context, dir string) (int, error) {
	out, err := exec.CommandContext(ctx, filepath.Join(dir, "postgres"), "--version").Output() //nolint:gosec // a program of a PostgreSQL installation
	if err != nil {
		return 0, fmt.Errorf("ask version: %w", err)
	}
	match := versionPattern.FindSubmatch(out) // postgres (PostgreSQL) 15.13 (Debian …)
	if match == nil {
		return 0, fmt.Errorf("unexpected version %q", out)
	}
	major, err := strconv.Atoi(string(match[1]))
	if err != nil {
		return 0, fmt.Errorf("read version: %w", err)
	}
	return major, nil
}
