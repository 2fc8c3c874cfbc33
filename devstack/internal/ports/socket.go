package ports

import "strings"

// MaxSocketPath is what every system takes as the path of a unix socket: 104
// bytes on macOS, with a zero at the end; 108 on Linux.
const MaxSocketPath = 103

// SocketFits says whether a part can listen on a unix socket at path, and the
// others find it: no character may mean something in an address or in a setting
// of PostgreSQL's. Where it does not fit, the others use the part's port.
func SocketFits(path string) bool {
	const plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/._-"
	return len(path) <= MaxSocketPath && strings.Trim(path, plain) == ""
}
