package postgres

import (
	"os"
	"strconv"
	"strings"
)

// isPostgres says whether the process pid is a PostgreSQL server.
func isPostgres(pid int) bool {
	name, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/comm")
	return err == nil && strings.HasPrefix(string(name), "postgres")
}
