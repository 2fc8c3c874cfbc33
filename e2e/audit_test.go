package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/steadfast-shop/steadfast/e2e/internal/kafka"
	"github.com/steadfast-shop/steadfast/e2e/internal/system"
)

// auditWithin bounds one audit; a few seconds of it are pauses before suspects are looked at again.
const auditWithin = time.Minute

// auditReport is what the auditor tells programs.
type auditReport struct {
	Counts struct {
		Placed int `json:"placed"`
		Events int `json:"events"`
		Mails  int `json:"mails"`
	} `json:"counts"`
	Findings []struct {
		Kind  string `json:"kind"`
		Count int    `json:"count"`
		Cases []struct {
			ID     string `json:"id"`
			Detail string `json:"detail"`
		} `json:"cases"`
	} `json:"findings"`
}

// audit runs the auditor on the stack and returns its report and exit status.
func audit(t *testing.T, w *world, arguments ...string) (auditReport, int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), auditWithin)
	defer cancel()
	arguments = append([]string{"--json", "--stack", filepath.Join(w.data, "stack.json")}, arguments...)
	output, err := exec.CommandContext(ctx, filepath.Join(theSuite.programs, system.Auditor), arguments...).Output()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) {
		complaint := ""
		if exit != nil {
			complaint = string(exit.Stderr)
		}
		t.Fatalf("the audit failed: %v: %s", err, complaint)
	}
	var report auditReport
	if err := json.Unmarshal(output, &report); err != nil {
		t.Fatalf("read the report: %v: %s", err, output)
	}
	status := 0
	if exit != nil {
		status = exit.ExitCode()
	}
	return report, status
}

// wantClean fails the test unless an audit finds nothing.
func wantClean(t *testing.T, w *world, arguments ...string) auditReport {
	t.Helper()
	report, status := audit(t, w, arguments...)
	if status != 0 || len(report.Findings) > 0 {
		t.Fatalf("got status %d, %+v; want 0 and no findings", status, report.Findings)
	}
	return report
}

// TestAuditUnderLoad audits a busy system, also without leaving young orders out, and the same system at rest.
func TestAuditUnderLoad(t *testing.T) {
	t.Parallel()
	w := ownWorld(t)
	load := startLoad(t, w, w.shop)
	for _, grace := range []string{"0s", "1s", "10s", "0s"} {
		load.waitForOrders(t, 200)
		report := wantClean(t, w, "--grace", grace)
		t.Logf("--grace %s: %+v", grace, report.Counts)
	}
	load.stop()
	placed := checkPromises(t, w.system(), load.record, 0).Placed
	report := wantClean(t, w, "--grace", "0s")
	if got := report.Counts; got.Placed != placed || got.Events < placed || got.Mails != placed {
		t.Errorf("got %+v; want %d placed and mailed", got, placed)
	}
}

// TestAuditFindsDamage changes what the databases and topics hold behind the services' backs.
func TestAuditFindsDamage(t *testing.T) {
	t.Parallel()
	w := ownWorld(t)
	load := startLoad(t, w, w.shop)
	sku := newStock(t, w, load.record, 100)
	orders := make([]string, 4)
	for i := range orders {
		order := newOrder(sku, 2)
		if answer := must(t)(load.record.Place(t.Context(), w.shop, order)); answer.Status != 201 {
			t.Fatal(answer)
		}
		orders[i] = order.Number
	}
	load.waitForOrders(t, 50)
	load.stop()
	checkPromises(t, w.system(), load.record, 0)
	wantClean(t, w, "--grace", "0s")

	execute(t, w, `UPDATE stock SET quantity = quantity + 1 WHERE sku_code = $1`, sku)
	execute(t, w, `DELETE FROM reservations WHERE id = $1`, orders[0])
	execute(t, w, `UPDATE reservations SET lines = jsonb_set(lines, '{0,quantity}', '3') WHERE id = $1`, orders[1])
	execute(t, w, `INSERT INTO reservations (id, state, lines) VALUES ('ghost', 'reserved', jsonb_build_array(jsonb_build_object('sku_code', $1::text, 'quantity', 5)))`, sku)
	mailed := findOne(t, w, "notification-ledger", orders[2])
	event := findOne(t, w, "order-placed", orders[3])
	foreign := newID("foreign")
	for _, record := range []kafka.Record{
		{Topic: mailed.Topic, Partition: mailed.Partition, Key: mailed.Key}, // a tombstone
		{Topic: event.Topic, Partition: event.Partition, Key: event.Key, Value: []byte(`{"orderNumber":"` + orders[3] + `","customer":{"userId":"other"}}`)},
		{Topic: "order-placed.dlq", Partition: event.Partition, Key: []byte(foreign)}, // a dead letter of nobody's is none
		{Topic: mailed.Topic, Partition: mailed.Partition, Key: []byte(foreign), Value: []byte(`{"messageId":"m"}`)},
	} {
		if _, err := w.kafka.Write(record); err != nil {
			t.Fatal(err)
		}
	}
	want := map[string]string{
		"stock-differs": sku, "order-without-reservation": orders[0], "reservation-differs": orders[1], "reservation-without-order": "ghost",
		"event-without-mail": orders[2], "event-differs": orders[3], "mail-without-order": foreign,
	}
	report, status := audit(t, w, "--grace", "0s")
	if status != 1 {
		t.Errorf("got status %d; want 1", status)
	}
	var kinds []string
	for _, finding := range report.Findings {
		kinds = append(kinds, finding.Kind)
		if finding.Count != 1 || len(finding.Cases) != 1 || finding.Cases[0].ID != want[finding.Kind] {
			t.Errorf("%s: got %+v; want %q", finding.Kind, finding.Cases, want[finding.Kind])
		}
	}
	for kind := range want {
		if !slices.Contains(kinds, kind) {
			t.Errorf("%s is not found", kind)
		}
	}
}

// findOne returns the only record with the key.
func findOne(t *testing.T, w *world, topic, key string) kafka.Record {
	t.Helper()
	found, err := w.kafka.Find(t.Context(), topic, key)
	if err != nil || len(found) != 1 {
		t.Fatalf("%s has %d records of %s, %v; want 1", topic, len(found), key, err)
	}
	return found[0]
}

// execute changes one row of the inventory's database.
func execute(t *testing.T, w *world, statement string, values ...any) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), w.URLs.Postgres)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	tag, err := conn.Exec(t.Context(), statement, values...)
	if err != nil || tag.RowsAffected() != 1 {
		t.Fatalf("%s: %d rows, %v; want 1", statement, tag.RowsAffected(), err)
	}
}
