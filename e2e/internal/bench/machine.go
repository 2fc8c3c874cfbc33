package bench

import (
	"debug/buildinfo"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/steadfast-shop/steadfast/e2e/internal/report"
	"github.com/steadfast-shop/steadfast/e2e/internal/system"
)

// commitLength is what is shown of a commit.
const commitLength = 12

// Machine describes this machine and the programs that are measured on it. What it does not tell is left empty.
func Machine(programs string) report.Machine {
	m := report.Machine{Cores: runtime.NumCPU(), System: runtime.GOOS + "/" + runtime.GOARCH}
	m.Model = after("/proc/cpuinfo", "model name", ":")
	if kilobytes, err := strconv.ParseInt(strings.TrimSuffix(after("/proc/meminfo", "MemTotal", ":"), " kB"), 10, 64); err == nil {
		m.Memory = kilobytes * 1024
	}
	info, err := buildinfo.ReadFile(filepath.Join(programs, system.Order))
	if err != nil {
		return m
	}
	m.Go = info.GoVersion
	for _, setting := range info.Settings {
		switch {
		case setting.Key == "vcs.revision":
			m.Commit = setting.Value[:min(len(setting.Value), commitLength)] + m.Commit
		case setting.Key == "vcs.modified" && setting.Value == "true":
			m.Commit += "+"
		}
	}
	return m
}

// after returns what stands behind the name and the separator, in the first such line of a file.
func after(path, name, separator string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(data)) {
		if key, value, found := strings.Cut(line, separator); found && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
