package system

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// stopsWithin is how long a process may take to stop after SIGSTOP; one that waits for a disk takes it only then.
const stopsWithin = 10 * time.Second

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
		if err := waitStopped(waiting[0]); err != nil {
			thaw()
			return nil, err
		}
		waiting = append(waiting, childrenOf(waiting[0])...)
	}
	return thaw, nil
}

// waitStopped waits until every thread of the process has stopped: the one that is given the signal stops the others only once it runs, which on a busy machine they do meanwhile.
func waitStopped(pid int) error {
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for began := time.Now(); ; <-ticker.C {
		running := runningThread(pid)
		if running == "" {
			return nil
		}
		if time.Since(began) > stopsWithin {
			return fmt.Errorf("process %d does not stop: %s", pid, running)
		}
	}
}

// runningThread describes a thread of the process that has not stopped, or returns "" where there is none, or where the system does not tell.
func runningThread(pid int) string {
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	for _, thread := range threads {
		data, err := os.ReadFile(thread)
		if err != nil {
			continue // it has ended
		}
		after := strings.TrimSpace(string(data[bytes.LastIndexByte(data, ')')+1:])) // the name before it may hold anything
		if after != "" && !strings.ContainsRune("TtZX", rune(after[0])) {
			return fmt.Sprintf("%s is in state %c", thread, after[0])
		}
	}
	return ""
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
