package process

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// identity names one life of a process: its pid may be given to another one
// later, but never with the same boot and the same start time.
func identity(pid int) (string, error) {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return "", fmt.Errorf("read process %d: %w", pid, err)
	}
	// The name in parentheses may itself hold blanks and parentheses.
	_, rest, found := bytes.Cut(stat[bytes.LastIndexByte(stat, ')'):], []byte(" "))
	fields := strings.Fields(string(rest))
	if !found || len(fields) < 20 {
		return "", fmt.Errorf("process %d: unexpected format of /proc stat", pid)
	}
	if fields[0] == "Z" {
		return "", errors.New("process has ended")
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("read boot id: %w", err)
	}
	return strings.TrimSpace(string(boot)) + "/" + fields[19], nil
}
