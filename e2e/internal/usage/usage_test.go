package usage

import (
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"
)

func linuxOnly(t *testing.T) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("there is no /proc on", runtime.GOOS)
	}
}

// TestCountsChildren uses processor time in a child of a child, once while it runs and once when it has ended.
func TestCountsChildren(t *testing.T) {
	linuxOnly(t)
	before, err := CPU(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), "sh", "-c", `sh -c 'while :; do :; done' & child=$!; read -r line; kill $child; wait $child; exit 0`)
	stdin, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	const enough = 5 * tick
	deadline := time.Now().Add(30 * time.Second)
	for used := time.Duration(0); used < enough; {
		if used, err = CPU(command.Process.Pid); err != nil {
			t.Fatal(err)
		}
		if time.Now().After(deadline) {
			t.Fatalf("a busy child of a child has used %v; want %v", used, enough)
		}
	}
	if _, err := stdin.Write([]byte("\n")); err != nil {
		t.Fatal(err)
	}
	if err := command.Wait(); err != nil {
		t.Fatal(err)
	}
	after, err := CPU(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if used := after - before; used < enough {
		t.Errorf("with children that have ended, %v were used; want at least %v", used, enough)
	}
}

func TestReadsStat(t *testing.T) {
	for _, c := range []struct {
		name, stat string
		want       int64
	}{
		{"a plain name", "7 (order-service) S 1 7 7 0 -1 4194560 5 0 0 0 100 20 3 4 20 0 9 0 55 1 2", 127},
		{"a name of any kind", "7 (a) b) 1 2 (c) S 1 7 7 0 -1 4194560 5 0 0 0 1 2 3 4 20 0 9 0 55 1 2", 10},
		{"too short", "7 (a) S 1 7 7 0 -1 4194560 5 0 0 0 1 2 3", -1},
		{"no numbers", "7 (a) S 1 7 7 0 -1 4194560 5 0 0 0 x 2 3 4 20", -1},
		{"nothing", "", -1},
	} {
		got, err := processTicks([]byte(c.stat))
		if (err != nil) != (c.want < 0) || err == nil && got != c.want {
			t.Errorf("%s: got %d, %v; want %d", c.name, got, err, c.want)
		}
	}
}

func TestReadsTheMachine(t *testing.T) {
	if got, err := machineTime("cpu  1 2 4 1000 1000 8 16 1000 1000 0\ncpu0 1"); err != nil || got != 31*tick {
		t.Errorf("got %v, %v; want 31 ticks", got, err)
	}
	for _, stat := range []string{"", "cpu 1 2", "intr 1 2 3 4 5 6 7 8", "cpu a 2 3 4 5 6 7 8"} {
		if _, err := machineTime(stat); err == nil {
			t.Errorf("%q: no error", stat)
		}
	}
	linuxOnly(t)
	machine, err := Machine()
	if err != nil {
		t.Fatal(err)
	}
	own, err := Own()
	if err != nil || own <= 0 || machine < own {
		t.Errorf("this process used %v of the machine's %v, %v", own, machine, err)
	}
}

func TestReadsMemory(t *testing.T) {
	if got, err := kilobytes("VmPeak:\t  9 kB\nVmRSS:\t  12 kB\n", "VmRSS:"); err != nil || got != 12*1024 {
		t.Errorf("got %d, %v; want 12 kB", got, err)
	}
	if _, err := kilobytes("VmPeak:\t 9 kB\n", "VmRSS:"); err == nil || !strings.Contains(err.Error(), "VmRSS") {
		t.Errorf("a missing line: got %v", err)
	}
	linuxOnly(t)
	m, err := MemoryOf(os.Getpid())
	if err != nil || m.Resident < 1<<20 || m.Peak < m.Resident {
		t.Errorf("got %+v, %v", m, err)
	}
}
