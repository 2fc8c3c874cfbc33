package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/steadfast-shop/steadfast/auditor/audit"
	"github.com/steadfast-shop/steadfast/shared-kit/kafka"
	"github.com/steadfast-shop/steadfast/shared-proto/topics"
)

const auditWithin = 2 * time.Minute

// outcome is how an auditor of its own process ended.
type outcome struct {
	status            int
	report            audit.Report
	output, complaint string
	memory            int64 // the most that was resident, in bytes
}

// audit runs the auditor on the world.
func (w *world) audit(arguments ...string) outcome {
	w.t.Helper()
	environment := []string{settingAuditor + "=1"}
	for name, value := range w.config {
		environment = append(environment, name+"="+value)
	}
	o := runAuditor(w.t, w.program, environment, append([]string{"--json", "--grace", "0s"}, arguments...)...)
	if err := json.Unmarshal([]byte(o.output), &o.report); err != nil {
		w.t.Fatalf("status %d, no report: %v\n%s%s", o.status, err, o.output, o.complaint)
	}
	return o
}

// runAuditor runs the auditor's program; "" is the test's own.
func runAuditor(t *testing.T, program string, environment []string, arguments ...string) outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), auditWithin)
	defer cancel()
	if program == "" {
		var err error
		if program, err = os.Executable(); err != nil {
			t.Fatal(err)
		}
	}
	var output, complaint bytes.Buffer
	command := exec.CommandContext(ctx, program, arguments...)
	command.Env, command.Stdout, command.Stderr = append(os.Environ(), environment...), &output, &complaint
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	ended, memory := make(chan struct{}), make(chan int64, 1)
	go func() { memory <- watchMemory(command.Process.Pid, ended) }()
	var exit *exec.ExitError
	err := command.Wait()
	close(ended)
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return outcome{status: command.ProcessState.ExitCode(), output: output.String(), complaint: complaint.String(), memory: <-memory}
}

// watchMemory returns the most that was resident until the process ended, 0 where the system does not tell. What wait(2) tells begins with the parent's own memory.
func watchMemory(pid int, ended <-chan struct{}) (most int64) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ended:
			return most
		case <-tick.C:
		}
		status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		_, peak, _ := strings.Cut(string(status), "VmHWM:")
		var kilobytes int64
		if _, err := fmt.Sscan(peak, &kilobytes); err == nil {
			most = max(most, kilobytes<<10)
		}
	}
}

// TestDamage does all kinds of damage at once, to orders of their own.
func TestDamage(t *testing.T) {
	w := newWorld(t)
	all := numbers(200)
	w.place(all...)
	w.writeInTransaction(partitionOf(all[0])) // a partition that ends with a marker, which no consumer gets
	w.sql(`INSERT INTO adjustments (id, sku_code, delta, quantity) VALUES ('a', 'SKU-001', 7, 7)`)
	w.sql(`UPDATE stock SET quantity = quantity + 7 WHERE sku_code = 'SKU-001'`)
	if got := w.audit(); got.status != statusClean || got.report.Counts.Placed != 200 || got.report.Counts.Events != 200 || got.report.Counts.NotEvents != 1 {
		t.Fatalf("got status %d, %+v, %q; want 0", got.status, got.report.Counts, got.report.Names())
	}

	want := []string{
		"stock-differs SKU-001", "stock-differs SKU-005", "order-without-reservation " + all[2], "reservation-without-order ghost",
		"reservation-without-order " + all[5], "event-without-order " + all[5], "mail-without-order " + all[5],
		"order-without-event no-event", "event-without-mail no-mail", "event-without-order foreign", "event-misplaced misplaced",
		"journal-old aged", "journal-lingering " + all[7],
	}
	w.sql(`UPDATE stock SET quantity = quantity - 1 WHERE sku_code = 'SKU-001'`)
	w.sql(`DELETE FROM reservations WHERE id = $1`, all[2])
	w.sql(`INSERT INTO reservations (id, state, lines) VALUES ('ghost', 'reserved', '[]')`)
	w.delete("orders", all[5])
	w.reserve("no-event")
	w.decide("no-event")
	w.reserve("no-mail")
	w.decide("no-mail")
	w.publish("no-mail", "foreign")
	w.commit()
	misplaced := event(0, "misplaced")
	misplaced.Partition = (misplaced.Partition + 1) % topics.Partitions
	w.write([]*sarama.ProducerMessage{misplaced})
	w.journal("aged", time.Hour)
	w.journal(all[7], time.Hour)
	w.journal("fresh", time.Second)
	slices.Sort(want)
	got := w.audit("--journal-age", "1m")
	if got.status != statusDiffers || !slices.Equal(got.report.Names(), want) {
		t.Errorf("got status %d\n%q; want 1\n%q", got.status, got.report.Names(), want)
	}
	for name, secret := range maps.All(w.config) {
		if strings.Contains(got.output+got.complaint, secret) {
			t.Errorf("the output shows %s", name)
		}
	}
}

// delete removes one document.
func (w *world) delete(collection, number string) {
	w.t.Helper()
	result, err := w.mongodb.Collection(collection).DeleteOne(w.t.Context(), bson.D{{Key: "_id", Value: number}})
	if err != nil || result.DeletedCount != 1 {
		w.t.Fatalf("delete %s: %v", number, err)
	}
}

// writeInTransaction writes a record that is no event, and the marker that ends the transaction behind it.
func (w *world) writeInTransaction(partition int32) {
	w.t.Helper()
	config := manual(kafka.NewConfig("test"))
	config.Producer.Transaction.ID = w.t.Name()
	producer, err := sarama.NewSyncProducer([]string{stack.Kafka}, config)
	w.must(err)
	w.must(producer.BeginTxn())
	_, _, err = producer.SendMessage(&sarama.ProducerMessage{Topic: topics.OrderPlaced, Partition: partition, Key: sarama.StringEncoder("k"), Value: sarama.StringEncoder("no event")})
	w.must(err)
	w.must(producer.CommitTxn())
	w.must(producer.Close())
	w.commit()
}

// TestSize audits many orders, and bounds the memory that it takes.
func TestSize(t *testing.T) {
	const most = 128 << 20
	n := 50_000
	if testing.Short() {
		n = 5_000
	}
	w := newWorld(t)
	w.program = filepath.Join(t.TempDir(), "auditor") // as it is shipped: the race detector, which the test may have, takes memory
	if output, err := exec.CommandContext(t.Context(), "go", "build", "-o", w.program, ".").CombinedOutput(); err != nil {
		t.Fatalf("build the auditor: %v\n%s", err, output)
	}
	w.place(numbers(n)...)
	start := time.Now()
	got := w.audit()
	t.Logf("%d orders in %v, %d MiB resident at most", n, time.Since(start).Round(time.Millisecond), got.memory>>20)
	if got.status != statusClean || got.report.Counts.Placed != int64(n) || got.report.Counts.Mails != int64(n) {
		t.Errorf("got status %d, %+v, %q; want 0, %d placed", got.status, got.report.Counts, got.report.Names(), n)
	}
	if got.memory > most {
		t.Errorf("it took %d MiB; want at most %d", got.memory>>20, most>>20)
	}
}

// TestCannotLook has nothing to look at, or is asked wrongly.
func TestCannotLook(t *testing.T) {
	good := []string{"ORDER_MONGODB_URI=" + stack.MongoDB, "INVENTORY_POSTGRES_URL=" + stack.Postgres, "KAFKA_BOOTSTRAP_SERVERS=" + stack.Kafka}
	for name, test := range map[string]struct {
		environment []string
		arguments   []string
		want        string
	}{
		"no settings":      {nil, nil, "setting INVENTORY_POSTGRES_URL is missing"},
		"no stack":         {nil, []string{"--stack", "none.json"}, "start it with `make run`"},
		"unknown flag":     {good, []string{"--fix"}, "Usage: auditor"},
		"argument":         {good, []string{"now"}, `there is no argument "now"`},
		"bad age":          {good, []string{"--journal-age", "0s"}, "--journal-age must be more than 0"},
		"bad grace":        {good, []string{"--grace", "-1s"}, "--grace must not be negative"},
		"bad MongoDB URI":  {append(slices.Clone(good), "ORDER_MONGODB_URI=u:secret@"), nil, "ORDER_MONGODB_URI is no MongoDB URI"},
		"bad Postgres URL": {append(slices.Clone(good), "INVENTORY_POSTGRES_URL=u:secret@"), nil, "INVENTORY_POSTGRES_URL is no PostgreSQL URL"},
		"Postgres away":    {append(slices.Clone(good), "INVENTORY_POSTGRES_URL=postgres://u:secret@127.0.0.1:1/inventory"), nil, "connect to the inventory's PostgreSQL"},
		"MongoDB away":     {append(slices.Clone(good), "ORDER_MONGODB_URI=mongodb://u:secret@127.0.0.1:1/order"), nil, "connect to MongoDB"},
		"Kafka away":       {append(slices.Clone(good), "KAFKA_BOOTSTRAP_SERVERS=127.0.0.1:1"), nil, "connect to Kafka"},
	} {
		t.Run(name, func(t *testing.T) {
			got := runAuditor(t, "", append([]string{settingAuditor + "=1"}, test.environment...), test.arguments...)
			if got.status != statusFailed || !strings.Contains(got.complaint, test.want) || strings.Contains(got.complaint, "secret") || got.output != "" {
				t.Errorf("got status %d, %q, %q; want 2, %q", got.status, got.output, got.complaint, test.want)
			}
		})
	}
}
