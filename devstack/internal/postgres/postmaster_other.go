//go:build !linux

package postgres

// isPostgres leaves the question to the server itself, which is a little more
// careful than it need be.
func isPostgres(int) bool { return true }
