package system

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// freeze stops a process and all its descendants, for PostgreSQL works in its children. thaw lets them go on.
func freeze(pid int) (thaw func(), err error) {
	var frozen []int
	thaw = func() {
		for _, pid := range frozen {
			_ = syscall.Kill(pid, syscall.SIGCONT) // it may have ended
		}
		frozen = nil
	}
	// The parent comes first, so that it has no new children while these are looked for.
	for waiting := []int{pid}; len(waiting) > 0; waiting = waiting[1:] {
		err := syscall.Kill(waiting[0], syscall.SIGSTOP)
		if errors.Is(err, syscall.ESRCH) && waiting[0] != pid {
			continue // a child that has ended meanwhile
		}
		if err != nil {
			thaw()
			return nil, fmt.Errorf("freeze process %d: %w", waiting[0], err)
		}
		frozen = append(frozen, waiting[0])
		waiting = append(waiting, childrenOf(waiting[0])...)
	}
	return thaw, nil
}

// childrenOf returns none where the system does not tell.
func childrenOf(pid int) []int {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return nil
	}
	var children []int
	for field := range strings.FieldsSeq(string(data)) {
		if child, err := strconv.Atoi(field); err == nil {
			children = append(children, child)
		}
	}
	return children
}

// Leftovers returns the processes that run a program in dir, or work in it. It sees those of Linux only.
func Leftovers(dir string) []string {
	var left []string
	processes, _ := filepath.Glob("/proc/[0-9]*")
	for _, process := range processes {
		for _, link := range []string{"exe", "cwd"} {
			target, err := os.Readlink(filepath.Join(process, link))
			if err == nil && filepath.Base(process) != strconv.Itoa(os.Getpid()) && strings.HasPrefix(target, dir+"/") {
				left = append(left, filepath.Base(process)+" "+target)
				break
			}
		}
	}
	return left
}
