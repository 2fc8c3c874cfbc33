package main

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/steadfast-shop/steadfast/devstack/internal/postgres"
	"github.com/steadfast-shop/steadfast/devstack/internal/stack"
)

const startLimit = 60 * time.Second

// devstack is a running devstack under test.
type devstack struct {
	*exec.Cmd
	data   string
	output string // the file with what it wrote
	ended  chan error
}

// binDir holds the programs of the stack, all played by the test program.
func binDir(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, name := range services() {
		if err := os.Symlink(self, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// launch starts devstack on the data directory with free ports.
func launch(t *testing.T, data string, environment []string, arguments ...string) *devstack {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	all := append([]string{"run", "--data", data, "--bin", binDir(t), "--free-ports", "--quiet"}, arguments...)
	d := &devstack{Cmd: exec.CommandContext(t.Context(), self, all...), data: data, ended: make(chan error, 1)}
	d.output = filepath.Join(t.TempDir(), "output")
	t.Cleanup(func() { _ = os.RemoveAll(filepath.Dir(postgres.OutsideDir(data))) }) // for root
	output, err := os.Create(d.output)
	if err != nil {
		t.Fatal(err)
	}
	defer output.Close() //nolint:errcheck // the test is about something else
	d.Stdout, d.Stderr = output, output
	d.Env = append(os.Environ(), environment...)
	d.Cancel = func() error { return d.Process.Signal(syscall.SIGTERM) }
	d.WaitDelay = 15 * time.Second
	if err := d.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { d.ended <- d.Wait() }()
	t.Cleanup(func() {
		if d.ProcessState == nil {
			_ = d.Process.Signal(syscall.SIGTERM)
			<-d.ended //nolint:errcheck // how it ended does not matter here
		}
	})
	return d
}

func (d *devstack) said(t *testing.T) string {
	t.Helper()
	content, err := os.ReadFile(d.output)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// document waits until stack.json satisfies is.
func (d *devstack) document(t *testing.T, what string, is func(stack.Document) bool) stack.Document {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), startLimit)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		var document stack.Document
		content, err := os.ReadFile(filepath.Join(d.data, "stack.json"))
		if err == nil && json.Unmarshal(content, &document) == nil && document.PID == d.Process.Pid && is(document) {
			return document
		}
		select {
		case <-tick.C:
		case err := <-d.ended:
			d.ended <- err
			t.Fatalf("devstack ended (%v) before %s; it said:\n%s", err, what, d.said(t))
		case <-ctx.Done():
			t.Fatalf("never saw %s; devstack said:\n%s", what, d.said(t))
		}
	}
}

func (d *devstack) ready(t *testing.T) stack.Document {
	t.Helper()
	return d.document(t, "ready", func(document stack.Document) bool { return document.Ready })
}

// stop sends SIGTERM and returns how long devstack took.
func (d *devstack) stop(t *testing.T) time.Duration {
	t.Helper()
	began := time.Now()
	if err := d.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := <-d.ended; err != nil {
		t.Errorf("devstack ended with %v, want status 0; it said:\n%s", err, d.said(t))
	}
	return time.Since(began)
}

func part(document stack.Document, name string) stack.Part {
	return document.Parts[slices.IndexFunc(document.Parts, func(p stack.Part) bool { return p.Name == name })]
}

func alive(pid int) bool { return syscall.Kill(pid, 0) == nil }

// awaitGone waits until no process of the document runs.
func awaitGone(t *testing.T, document stack.Document) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for slices.ContainsFunc(document.Parts, func(p stack.Part) bool { return p.PID > 0 && alive(p.PID) }) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("processes are left")
		}
	}
}

func execute(t *testing.T, url, statement string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context()) //nolint:errcheck // the test is about something else
	if _, err := conn.Exec(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}

func query(t *testing.T, url, statement string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context()) //nolint:errcheck // the test is about something else
	var answer string
	if err := conn.QueryRow(t.Context(), statement).Scan(&answer); err != nil {
		t.Fatal(err)
	}
	return answer
}

func get(t *testing.T, url string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // the test is about something else
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// checkEnvironment looks at what the order service was given.
func checkEnvironment(t *testing.T, first stack.Document) {
	t.Helper()
	environment := get(t, first.URLs.Order+"/environment")
	for _, want := range []string{"LOG_LEVEL=debug", "ORDER_MONGODB_URI=mongodb://" + url.QueryEscape(filepath.Join(first.Data, "ferretdb.sock")) + "/order", "KAFKA_BOOTSTRAP_SERVERS=" + first.URLs.Kafka, "LISTEN_HOST=127.0.0.1",
		"OTEL_EXPORTER_OTLP_ENDPOINT=" + first.URLs.OTLP} {
		if !strings.Contains(environment, want) {
			t.Errorf("the order service's environment lacks %s", want)
		}
	}
	for _, alien := range []string{"SECRET_OF_SOMEONE", "INVENTORY_POSTGRES_URL"} {
		if strings.Contains(environment, alien) {
			t.Errorf("the order service's environment holds %s", alien)
		}
	}
}

func TestStackLivesThroughStopKillAndRestart(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	d := launch(t, data, []string{"LOG_LEVEL=debug", "SECRET_OF_SOMEONE=1"})
	first := d.ready(t)
	for _, p := range first.Parts {
		if p.State != "ready" || !alive(p.PID) {
			t.Errorf("%s: got %s with process %d, want ready", p.Name, p.State, p.PID)
		}
	}
	checkEnvironment(t, first)
	if got := query(t, first.URLs.Postgres, "SHOW fsync"); got != "on" {
		t.Errorf("fsync: got %s, want on", got)
	}
	execute(t, first.URLs.Postgres, "CREATE TABLE kept AS SELECT 1")

	// One part crashes alone and comes back.
	kill(t, part(first, stack.Postgres).PID)
	d.document(t, "postgres restarted", func(document stack.Document) bool {
		p := part(document, stack.Postgres)
		return p.State == "ready" && p.Restarts == 1
	})

	second := launch(t, data, nil)
	if err := <-second.ended; err == nil || !strings.Contains(second.said(t), "process "+strconv.Itoa(d.Process.Pid)) {
		t.Errorf("a second devstack: got %v and %q, want the first's process named", err, second.said(t))
	}
	second.ended <- nil

	now := d.ready(t)
	if took := d.stop(t); took > 10*time.Second {
		t.Errorf("stopping took %v, want at most 10 s", took)
	}
	awaitGone(t, now)

	// devstack itself is killed: the next start cleans up and finds the data.
	d = launch(t, data, nil)
	before := d.ready(t)
	kill(t, d.Process.Pid)
	<-d.ended //nolint:errcheck // how it ended does not matter here
	d.ended <- nil
	d = launch(t, data, nil)
	after := d.ready(t)
	awaitGone(t, before)
	if got := query(t, after.URLs.Postgres, countKept); got != "1" {
		t.Errorf("after all restarts: got %s tables, want the one that was made", got)
	}
	d.stop(t)

	d = launch(t, data, nil, "--fresh")
	if got := query(t, d.ready(t).URLs.Postgres, countKept); got != "0" {
		t.Errorf("after --fresh: got %s tables, want none", got)
	}
	d.stop(t)
}

const countKept = "SELECT count(*)::text FROM pg_tables WHERE tablename = 'kept'"

func kill(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

func TestCommandsReachTheRunningStack(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), strings.Repeat("long", 25)) // no room for a socket
	d := launch(t, data, nil)
	d.ready(t)
	ctx := t.Context()
	if err := run(ctx, []string{"stop", stack.Inbox, "--data", data}); err != nil {
		t.Fatal(err)
	}
	if got := part(d.ready(t), stack.Inbox); got.State != "stopped" || got.PID != 0 {
		t.Errorf("after stop: got %+v", got)
	}
	if err := run(ctx, []string{"start", "--data", data, stack.Inbox}); err != nil {
		t.Fatal(err)
	}
	if got := part(d.ready(t), stack.Inbox).State; got != "ready" {
		t.Errorf("after start: got %s", got)
	}
	if err := run(ctx, []string{"kill", stack.Kafka, "--data", data}); err != nil {
		t.Fatal(err)
	}
	d.document(t, "kafka restarted", func(document stack.Document) bool {
		p := part(document, stack.Kafka)
		return p.State == "ready" && p.Restarts == 1
	})
	if err := run(ctx, []string{"stop", "nobody", "--data", data}); err == nil || !strings.Contains(err.Error(), "no such part") {
		t.Errorf("unknown part: got %v", err)
	}
	d.stop(t)
	if err := run(ctx, []string{"status", "--data", data}); err == nil || !strings.Contains(err.Error(), "no stack runs here") {
		t.Errorf("status of a stopped stack: got %v", err)
	}
}

func TestExternalPartsAreNotStarted(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	d := launch(t, data, []string{
		"ORDER_MONGODB_URI=mongodb://u:secret@127.0.0.1:1/order", "INVENTORY_POSTGRES_URL=postgres://u:secret@127.0.0.1:1/inventory",
		"KAFKA_BOOTSTRAP_SERVERS=127.0.0.1:1", "SMTP_HOST=127.0.0.1", "SMTP_PORT=1",
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://u:secret@127.0.0.1:1",
	})
	document := d.ready(t)
	for _, name := range []string{stack.Postgres, stack.FerretDB, stack.Kafka, stack.Inbox, stack.Traces} {
		if got := part(document, name); got.State != stack.External || got.PID != 0 {
			t.Errorf("%s: got %+v, want it external", name, got)
		}
	}
	if got := get(t, document.URLs.Notification+"/environment"); !strings.Contains(got, "SMTP_PORT=1\n") {
		t.Error("the notification service does not get SMTP_PORT")
	}
	if document.URLs.Traces != "" {
		t.Errorf("there is a page of traces: %s", document.URLs.Traces)
	}
	d.stop(t)
	if strings.Contains(d.said(t), "secret") {
		t.Error("a password is shown")
	}
}

func TestTakenPortsAreNamedTogether(t *testing.T) {
	t.Parallel()
	var listen net.ListenConfig
	var environment []string
	for _, setting := range []string{"GATEWAY_PORT", "DEVSTACK_KAFKA_PORT"} {
		listener, err := listen.Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close() //nolint:errcheck // the test is about something else
		_, port, _ := net.SplitHostPort(listener.Addr().String())
		environment = append(environment, setting+"="+port)
	}
	d := launch(t, filepath.Join(t.TempDir(), "data"), environment)
	if err := <-d.ended; err == nil {
		t.Error("it started")
	}
	d.ended <- nil
	for _, want := range append(environment, "process "+strconv.Itoa(os.Getpid())) {
		setting, port, _ := strings.Cut(want, "=")
		if said := d.said(t); !strings.Contains(said, setting) || !strings.Contains(said, port) {
			t.Errorf("%q does not name %s", said, want)
		}
	}
}

func TestFreshEmptiesOnlyItsOwnFolder(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	precious := filepath.Join(data, "precious")
	if err := os.WriteFile(precious, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	d := launch(t, data, nil, "--fresh")
	if err := <-d.ended; err == nil {
		t.Error("it started in a folder that is not its own")
	}
	d.ended <- nil
	if _, err := os.Stat(precious); err != nil {
		t.Errorf("another's file: %v", err)
	}
}

func TestMissingProgramsAreNamed(t *testing.T) {
	t.Parallel()
	d := launch(t, filepath.Join(t.TempDir(), "data"), nil, "--bin", t.TempDir())
	if err := <-d.ended; err == nil {
		t.Error("it started")
	}
	d.ended <- nil
	for _, name := range services() {
		if !strings.Contains(d.said(t), name) {
			t.Errorf("%q does not name %s", d.said(t), name)
		}
	}
}
