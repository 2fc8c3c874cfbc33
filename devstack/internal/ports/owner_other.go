//go:build !linux

package ports

import (
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// ownerOf asks lsof, where it is installed, for the process that listens on port.
func ownerOf(ctx context.Context, port int) string {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "lsof", "-nP", "-iTCP:"+strconv.Itoa(port), "-sTCP:LISTEN", "-Fpc").Output() //nolint:gosec // the only variable is a number
	if err != nil {
		return ""
	}
	var pid, command string
	for line := range strings.Lines(string(out)) {
		switch line[0] {
		case 'p':
			pid = strings.TrimSpace(line[1:])
		case 'c':
			command = shorten(line[1:])
		}
	}
	if pid == "" {
		return ""
	}
	return fmt.Sprintf("process %s (%s)", pid, command)
}
