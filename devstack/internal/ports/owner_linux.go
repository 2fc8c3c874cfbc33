package ports

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
)

// stateListen is LISTEN in the state column of /proc/net/tcp.
const stateListen = "0A"

// ownerOf names the process that listens on port, as far as /proc tells us:
// another user's process is known by its user only.
func ownerOf(_ context.Context, port int) string {
	inode, uid := listenerOf(port)
	if inode == "" {
		return ""
	}
	if pid := holderOf(inode); pid != "" {
		return fmt.Sprintf("process %s (%s)", pid, commandOf(pid))
	}
	if owner, err := user.LookupId(uid); err == nil {
		return "a process of user " + owner.Username
	}
	return "a process of user " + uid
}

// listenerOf finds the socket that listens on port: its inode and its owner.
func listenerOf(port int) (inode, uid string) {
	suffix := fmt.Sprintf(":%04X", port)
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		data, err := os.ReadFile(table) //nolint:gosec // one of two fixed names
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(data)) {
			// sl local_address rem_address st queues timer retransmits uid timeout inode
			fields := strings.Fields(line)
			if len(fields) > 9 && fields[3] == stateListen && strings.HasSuffix(fields[1], suffix) {
				return fields[9], fields[7]
			}
		}
	}
	return "", ""
}

// holderOf finds the process that has the socket open; "" if we may not see it.
func holderOf(inode string) string {
	links, err := filepath.Glob("/proc/[0-9]*/fd/*")
	if err != nil {
		return ""
	}
	for _, link := range links {
		if target, err := os.Readlink(link); err == nil && target == "socket:["+inode+"]" {
			pid := strings.Split(link, "/")[2]
			if _, err := strconv.Atoi(pid); err == nil {
				return pid
			}
		}
	}
	return ""
}

func commandOf(pid string) string {
	data, err := os.ReadFile("/proc/" + pid + "/cmdline") //nolint:gosec // a number
	if err != nil {
		return "unknown"
	}
	return shorten(string(bytes.ReplaceAll(data, []byte{0}, []byte{' '})))
}
