package supervise_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/steadfast-shop/steadfast/devstack/internal/process"
	"github.com/steadfast-shop/steadfast/devstack/internal/supervise"
)

const limit = 10 * time.Second

// run is a supervisor under test with what it told.
type run struct {
	*supervise.Supervisor
	mu     sync.Mutex
	events []supervise.Event
	news   chan struct{}
}

func start(t *testing.T, parts ...supervise.Part) *run {
	t.Helper()
	dir := t.TempDir()
	ledger, err := process.OpenLedger(filepath.Join(dir, "processes"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range parts {
		log := filepath.Join(dir, parts[i].Name+".log")
		parts[i].Log = log
		if parts[i].Ready == nil {
			parts[i].Ready = func(context.Context) error { return saysUp(log) }
		}
	}
	r := &run{news: make(chan struct{}, 1000)}
	r.Supervisor = supervise.New(parts, supervise.Options{
		Ledger: ledger, Notify: r.note, Probe: time.Millisecond,
		BackoffMin: time.Millisecond, BackoffMax: 10 * time.Millisecond,
	})
	t.Cleanup(func() { r.Shutdown(context.Background()) })
	return r
}

func (r *run) note(event supervise.Event) {
	r.mu.Lock()
	r.events = append(r.events, event)
	r.mu.Unlock()
	r.news <- struct{}{}
}

// await waits until an event satisfies is, and returns the first that does.
func (r *run) await(t *testing.T, what string, is func(supervise.Event) bool) supervise.Event {
	t.Helper()
	deadline := time.After(limit)
	for {
		r.mu.Lock()
		i := slices.IndexFunc(r.events, is)
		var found supervise.Event
		if i >= 0 {
			found = r.events[i]
		}
		r.mu.Unlock()
		if i >= 0 {
			return found
		}
		select {
		case <-r.news:
		case <-deadline:
			t.Fatalf("never saw %s", what)
		}
	}
}

// order lists the parts in the order in which they came to state.
func (r *run) order(state supervise.State) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var names []string
	for _, event := range r.events {
		if event.State == state {
			names = append(names, event.Name)
		}
	}
	return names
}

func (r *run) status(t *testing.T, name string) supervise.Status {
	t.Helper()
	for _, status := range r.Statuses() {
		if status.Name == name {
			return status
		}
	}
	t.Fatalf("no part %s", name)
	return supervise.Status{}
}

// saysUp tells whether a part has set its traps.
func saysUp(log string) error {
	content, err := os.ReadFile(log)
	if err == nil && !strings.Contains(string(content), "up") {
		err = errors.New("not yet")
	}
	return err
}

// shell is a part that runs a line of shell; it is ready when that says "up".
func shell(name, line string, needs ...string) supervise.Part {
	return supervise.Part{
		Name: name, Needs: needs,
		Command: func(ctx context.Context, _ func(string)) (*exec.Cmd, error) {
			return exec.CommandContext(context.WithoutCancel(ctx), "sh", "-c", line), nil
		},
		ReadyWithin: limit,
		StopSignal:  syscall.SIGTERM, StopWithin: limit, KillSignal: syscall.SIGKILL,
	}
}

const (
	obedient  = `trap "exit 0" TERM; echo up; while :; do sleep 0.02; done`
	stubborn  = `trap "" TERM; echo up; while :; do sleep 0.02; done`
	immediate = `exit 0`
)

func TestStartsInTheOrderOfNeedsAndStopsInTheGivenOrder(t *testing.T) {
	r := start(t, shell("front", obedient, "middle"), shell("middle", obedient, "back"), shell("back", obedient))
	if err := r.StartAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.Shutdown(t.Context())
	if got, want := r.order(supervise.Ready), []string{"back", "middle", "front"}; !slices.Equal(got, want) {
		t.Errorf("became ready in order %v, want %v", got, want)
	}
	if got, want := r.order(supervise.Stopped), []string{"front", "middle", "back"}; !slices.Equal(got, want) {
		t.Errorf("stopped in order %v, want %v", got, want)
	}
}

// TestStopsBesideEachOther has two parts that end only once the other has been asked to, too, behind one that must be gone by then.
func TestStopsBesideEachOther(t *testing.T) {
	dir := t.TempDir()
	waits := func(name, other string) supervise.Part {
		return shell(name, fmt.Sprintf(`cd %q; trap "touch %s; until [ -e %s ]; do sleep 0.02; done; exit 0" TERM; echo up; while :; do sleep 0.02; done`, dir, name, other))
	}
	one, two := waits("one", "two"), waits("two", "one")
	two.StopBeside = true
	r := start(t, shell("front", obedient), one, two, shell("back", obedient))
	if err := r.StartAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	r.Shutdown(t.Context())
	if took := time.Since(began); took >= limit {
		t.Errorf("the stop took %v: they waited for each other's end", took)
	}
	if got := r.order(supervise.Stopped); len(got) != 4 || got[0] != "front" || got[3] != "back" {
		t.Errorf("stopped in order %v, want front first and back last", got)
	}
}

func TestCrashedPartIsRestarted(t *testing.T) {
	r := start(t, shell("part", obedient))
	if err := r.StartAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := r.status(t, "part").PID
	if err := syscall.Kill(before, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	r.await(t, "a restart", func(e supervise.Event) bool {
		return e.State == supervise.Ready && e.PID != before
	})
	if got := r.status(t, "part").Restarts; got != 1 {
		t.Errorf("restarts: got %d, want 1", got)
	}
}

func TestKillCommandIsACrash(t *testing.T) {
	r := start(t, shell("part", obedient))
	if err := r.StartAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := r.status(t, "part").PID
	if err := r.Kill(t.Context(), "part"); err != nil {
		t.Fatal(err)
	}
	r.await(t, "a restart", func(e supervise.Event) bool { return e.State == supervise.Ready && e.PID != before })
}

func TestPartThatEndsWithStatusZeroStaysDownUntilStarted(t *testing.T) {
	r := start(t, shell("part", obedient))
	if err := r.StartAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(r.status(t, "part").PID, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	r.await(t, "the end", func(e supervise.Event) bool { return e.State == supervise.Stopped })
	if got := r.status(t, "part"); got.PID != 0 || got.Restarts != 0 {
		t.Errorf("got %+v, want it down and never restarted", got)
	}
	if err := r.Start(t.Context(), "part"); err != nil {
		t.Fatal(err)
	}
	if got := r.status(t, "part").State; got != supervise.Ready {
		t.Errorf("after start: got %v, want ready", got)
	}
}

func TestStopKeepsDownAndKillsWhatDoesNotObey(t *testing.T) {
	deaf := shell("deaf", stubborn)
	deaf.StopWithin = 50 * time.Millisecond
	r := start(t, deaf)
	if err := r.StartAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := r.Stop(t.Context(), "deaf"); err != nil {
		t.Fatal(err)
	}
	if got := r.status(t, "deaf"); got.State != supervise.Stopped || got.PID != 0 {
		t.Errorf("got %+v, want it stopped", got)
	}
}

func TestStartFailsForPartThatKeepsCrashing(t *testing.T) {
	bad := shell("bad", "echo no such setting; exit 3")
	bad.Ready = func(context.Context) error { return errors.New("not yet") }
	r := start(t, bad, shell("front", obedient, "bad"))
	err := r.StartAll(t.Context())
	var failure *supervise.StartError
	if !errors.As(err, &failure) || failure.Part != "bad" || !strings.Contains(err.Error(), "exit status 3") {
		t.Fatalf("got %v, want the failure of bad with its exit status", err)
	}
	if got := r.status(t, "front").State; got != supervise.Waiting {
		t.Errorf("front: got %v, want waiting", got)
	}
}

func TestStartFailsForPartThatIsNeverReady(t *testing.T) {
	mute := shell("mute", obedient)
	mute.Ready = func(context.Context) error { return errors.New("not yet") }
	mute.ReadyWithin = 50 * time.Millisecond
	r := start(t, mute)
	if err := r.StartAll(t.Context()); err == nil || !strings.Contains(err.Error(), "not ready after 50ms") {
		t.Fatalf("got %v, want that it is not ready in time", err)
	}
}

func TestPartThatEndsBeforeItIsReadyFailsTheStart(t *testing.T) {
	brief := shell("brief", immediate)
	brief.Ready = func(context.Context) error { return errors.New("not yet") }
	r := start(t, brief)
	if err := r.StartAll(t.Context()); err == nil || !strings.Contains(err.Error(), "status 0") {
		t.Fatalf("got %v, want that it ended by itself", err)
	}
}

func TestShutdownThatIsCutShortKillsAll(t *testing.T) {
	r := start(t, shell("deaf", stubborn), shell("other", stubborn))
	if err := r.StartAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	pid := r.status(t, "other").PID
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	began := time.Now()
	r.Shutdown(ctx)
	if took := time.Since(began); took > limit/2 {
		t.Errorf("took %v, want no waiting", took)
	}
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("process %d: got %v, want it gone", pid, err)
	}
}

func TestShutdownInterruptsPreparation(t *testing.T) {
	slow := shell("slow", obedient)
	preparing := make(chan struct{})
	slow.Command = func(ctx context.Context, _ func(string)) (*exec.Cmd, error) {
		close(preparing)
		<-ctx.Done()
		return nil, fmt.Errorf("prepare: %w", ctx.Err())
	}
	r := start(t, slow)
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() { failed <- r.StartAll(ctx) }()
	<-preparing
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want canceled", err)
	}
	r.Shutdown(t.Context())
	if got := r.status(t, "slow").State; got != supervise.Stopped {
		t.Errorf("got %v, want stopped", got)
	}
}

func TestUnknownPart(t *testing.T) {
	r := start(t, shell("part", obedient))
	for name, act := range map[string]func(context.Context, string) error{"start": r.Start, "stop": r.Stop, "kill": r.Kill} {
		if err := act(t.Context(), "nobody"); !errors.Is(err, supervise.ErrUnknownPart) {
			t.Errorf("%s: got %v, want ErrUnknownPart", name, err)
		}
	}
}
