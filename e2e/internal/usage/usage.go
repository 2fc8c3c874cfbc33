// Package usage tells how much of the machine processes use, from Linux's /proc. Elsewhere it tells nothing.
package usage

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	// tick is the unit of times in /proc: USER_HZ is 100 on all of Linux's platforms that Go supports.
	tick = 10 * time.Millisecond
	// Positions of fields in /proc/PID/stat, counted from the one after the process's name.
	fieldUserTime     = 11
	fieldChildrenLast = 14 // utime, stime, cutime, cstime
)

// CPU returns the processor time that a process and its descendants have used, those that have ended and were waited for among them: PostgreSQL has a process for each connection.
func CPU(pid int) (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, fmt.Errorf("read CPU time: %w", err)
	}
	ticks, err := processTicks(stat)
	if err != nil {
		return 0, fmt.Errorf("read CPU time of process %d: %w", pid, err)
	}
	used := time.Duration(ticks) * tick
	for _, child := range children(pid) {
		childUsed, err := CPU(child)
		if err != nil {
			continue // it has ended meanwhile, and counts among those waited for
		}
		used += childUsed
	}
	return used, nil
}

// processTicks adds up the times in a line of /proc/PID/stat. The name, in parentheses, may hold anything.
func processTicks(stat []byte) (int64, error) {
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) <= fieldChildrenLast {
		return 0, fmt.Errorf("unexpected format %q", stat)
	}
	var sum int64
	for _, field := range fields[fieldUserTime : fieldChildrenLast+1] {
		ticks, err := strconv.ParseInt(string(field), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("unexpected format %q", stat)
		}
		sum += ticks
	}
	return sum, nil
}

// children lists those of all threads, for a child belongs to the thread that made it.
func children(pid int) []int {
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid)) // the pattern is well-formed
	var all []int
	for _, list := range lists {
		data, err := os.ReadFile(list)
		if err != nil {
			continue // the thread has ended
		}
		for field := range strings.FieldsSeq(string(data)) {
			if child, err := strconv.Atoi(field); err == nil {
				all = append(all, child)
			}
		}
	}
	return all
}

// Memory is what a process holds in memory, in bytes.
type Memory struct {
	Resident, Peak int64
}

// MemoryOf returns the memory of one process, without its children: VmRSS and VmHWM.
func MemoryOf(pid int) (Memory, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return Memory{}, fmt.Errorf("read memory: %w", err)
	}
	var m Memory
	if m.Resident, err = kilobytes(string(status), "VmRSS:"); err != nil {
		return Memory{}, err
	}
	m.Peak, err = kilobytes(string(status), "VmHWM:")
	return m, err
}

func kilobytes(status, name string) (int64, error) {
	for line := range strings.Lines(status) {
		if value, found := strings.CutPrefix(line, name); found {
			number, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			return number * 1024, err
		}
	}
	return 0, fmt.Errorf("%s is missing", name)
}

// Machine returns the processor time that all of the machine has used since its start: all but idle and waiting for disks.
func Machine() (time.Duration, error) {
	data, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, fmt.Errorf("read the machine's CPU time: %w", err)
	}
	return machineTime(string(data))
}

// machineTime reads the line cpu: user, nice, system, idle, iowait, irq, softirq, steal. A guest's time is in user already; steal is another machine's.
func machineTime(stat string) (time.Duration, error) {
	fields := strings.Fields(stat)
	if len(fields) < 8 || fields[0] != "cpu" {
		return 0, fmt.Errorf("unexpected format of /proc/stat: %.80q", stat)
	}
	var ticks int64
	for _, i := range []int{1, 2, 3, 6, 7} {
		n, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			return 0, fmt.Errorf("unexpected format of /proc/stat: %.80q", stat)
		}
		ticks += n
	}
	return time.Duration(ticks) * tick, nil
}

// Own returns the processor time that this process has used, without children.
func Own() (time.Duration, error) {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		return 0, fmt.Errorf("read own CPU time: %w", err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano()), nil
}
