package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"github.com/steadfast-shop/steadfast/shared-proto/topics"

	"github.com/steadfast-shop/steadfast/e2e/internal/kafka"
	"github.com/steadfast-shop/steadfast/e2e/internal/metrics"
	"github.com/steadfast-shop/steadfast/e2e/internal/promises"
	"github.com/steadfast-shop/steadfast/e2e/internal/system"
)

// deadLetter is a line of "deadletters --json".
type deadLetter struct {
	State       string `json:"state"`
	OrderNumber string `json:"orderNumber"`
	Kind        string `json:"kind"`
	Reason      string `json:"reason"`
	Origin      struct {
		Topic     string `json:"topic"`
		Partition int32  `json:"partition"`
		Offset    int64  `json:"offset"`
	} `json:"origin"`
}

// runCommand runs a command of the notification service as a process of its own, on the Kafka of the stack.
func runCommand(t *testing.T, w *world, args ...string) system.Output {
	t.Helper()
	output, err := system.Run(t.Context(), theSuite.programs, system.Notification, []string{"KAFKA_BOOTSTRAP_SERVERS=" + w.URLs.Kafka}, args...)
	if err != nil {
		t.Fatal(err)
	}
	return output
}

// wantOutput fails the test unless a command ends with 0, and with this as its last line.
func wantOutput(t *testing.T, w *world, lastLine string, args ...string) string {
	t.Helper()
	output := runCommand(t, w, args...)
	lines := strings.Split(strings.TrimSpace(output.Stdout), "\n")
	if output.Status != 0 || lines[len(lines)-1] != lastLine {
		t.Errorf("%q ended with %d:\n%s%s\nwant 0 and at last %q", args, output.Status, output.Stdout, output.Stderr, lastLine)
	}
	return output.Stdout
}

// listDeadLetters returns the dead letters by their order numbers.
func listDeadLetters(t *testing.T, w *world, args ...string) map[string][]deadLetter {
	t.Helper()
	output := runCommand(t, w, append([]string{"deadletters", "--json"}, args...)...)
	if output.Status != 0 {
		t.Fatalf("deadletters ended with %d: %s", output.Status, output.Stderr)
	}
	letters := make(map[string][]deadLetter)
	for line := range strings.Lines(output.Stdout) {
		var letter deadLetter
		if err := json.Unmarshal([]byte(line), &letter); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		letters[letter.OrderNumber] = append(letters[letter.OrderNumber], letter)
	}
	return letters
}

// mailThrough replaces the stack's notification service by one that mails through the server.
func mailThrough(t *testing.T, w *world, server *moodyServer) *system.Service {
	t.Helper()
	stopPart(t, w, system.Notification)
	host, port, err := net.SplitHostPort(server.address)
	if err != nil {
		t.Fatal(err)
	}
	service := startService(t, system.Notification, append(w.Settings(), "SMTP_HOST="+host, "SMTP_PORT="+port)...)
	if err := service.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	return service
}

// TestDeadLettersAreRedriven makes dead letters of poison records and of refused mails, lists them, heals the mail server, and sends the letters through again: by two processes
// at once, and once more. Each order gets one mail.
func TestDeadLettersAreRedriven(t *testing.T) {
	t.Parallel()
	w := ownWorld(t)
	server := startMoodyServer(t)
	service := mailThrough(t, w, server)
	wantCount := func(want float64, name string, labels ...string) {
		t.Helper()
		wantMetric(t, readdressed, service.URL, name, func(v float64) bool { return v == want }, labels...)
	}
	wantSeries(t, service.URL, `notification_dead_letters_total{reason="refused"} 0`, `notification_dead_letters_total{reason="unreadable"} 0`,
		`notification_dead_letters_total{reason="exhausted"} 0`, "notification_mails_sent_total 0", "notification_mails_retried_total 0", "notification_waiting 0")

	const refused = 6
	record := promises.NewRecord()
	orders := newOrders(newStock(t, w, record, 100), refused+2)
	for i := range refused {
		orders[i].User.Email = "refused-" + orders[i].User.Email
	}
	poison, err := w.kafka.Write(kafka.Record{Topic: topics.OrderPlaced, Partition: 4, Key: []byte(newID("poison")), Value: []byte("not an event"),
		Headers: []sarama.RecordHeader{{Key: []byte("redriven-offset"), Value: []byte("0")}}})
	if err != nil {
		t.Fatal(err)
	}
	placeAll(t, w.shop, record, orders)
	wantAnswers(t, record, map[int]int{http.StatusCreated: len(orders)})
	wantCount(refused, "notification_dead_letters_total", `reason="refused"`)
	wantCount(1, "notification_dead_letters_total", `reason="unreadable"`)
	wantCount(2, "notification_mails_sent_total")

	letters := listDeadLetters(t, w)
	for _, order := range orders[:refused] {
		if got := letters[order.Number]; len(got) != 1 || got[0].State != "open" || got[0].Kind != "refused" || !strings.Contains(got[0].Reason, "550") || got[0].Origin.Topic != topics.OrderPlaced {
			t.Errorf("the dead letters of a refused mail are %+v", got)
		}
	}
	if got := letters[string(poison.Key)]; len(got) != 1 || got[0].Kind != "unreadable" || got[0].Origin.Partition != poison.Partition || got[0].Origin.Offset != poison.Offset {
		t.Errorf("the dead letters of the poison record at %d/%d are %+v", poison.Partition, poison.Offset, got)
	}
	table := wantOutput(t, w, "7 dead letters, 7 of them open", "deadletters")
	if strings.Contains(table, "@") || strings.Contains(table, "Doe") || !strings.Contains(table, orders[0].Number) {
		t.Errorf("the list shows too much or too little:\n%s", table)
	}

	wantOutput(t, w, "6 letters would be sent", "redrive", "--kind", "refused", "--dry-run")
	wantOutput(t, w, "1 letter sent, 5 more than --limit", "redrive", "--kind", "refused", "--limit", "1") // still refused
	wantCount(refused+1, "notification_dead_letters_total", `reason="refused"`)

	server.heal()
	var redrives sync.WaitGroup
	for range 2 {
		redrives.Go(func() {
			if output := runCommand(t, w, "redrive", "--kind", "refused"); output.Status != 0 {
				t.Errorf("redrive ended with %d:\n%s%s", output.Status, output.Stdout, output.Stderr)
			}
		})
	}
	redrives.Wait()
	wantCount(refused+2, "notification_mails_sent_total")
	wantOutput(t, w, "0 letters sent, 7 sent before (--again sends them again)", "redrive", "--kind", "refused")
	wantOutput(t, w, "1 letter sent, 7 sent before (--again sends them again)", "redrive") // the poison record
	wantCount(2, "notification_dead_letters_total", `reason="unreadable"`)
	repeated := waitUntilHandled(t, w, service)
	wantOutput(t, w, "7 letters sent", "redrive", "--kind", "refused", "--again")
	wantCount(repeated+refused+1, "notification_mails_repeated_total")
	wantOutput(t, w, "9 dead letters, 1 of them open", "deadletters")
	for _, order := range orders {
		if mails := server.mailsTo(order.User.Email); len(mails) != 1 {
			t.Errorf("%d mails came for %s; want 1", len(mails), order.User.Email)
		}
	}
	wantSeries(t, service.URL, "notification_mails_sent_total 8", "notification_mails_retried_total 0", `notification_dead_letters_total{reason="refused"} 7`)
}

// TestMailThatIsPutOff mails through a server that puts one mail off: it waits in the retry topic while the others go on, and comes after the delay, once.
func TestMailThatIsPutOff(t *testing.T) {
	if testing.Short() {
		t.Skip("short: waits for a retry to be due")
	}
	t.Parallel()
	w := ownWorld(t)
	server := startMoodyServer(t)
	service := mailThrough(t, w, server)
	record := promises.NewRecord()
	orders := newOrders(newStock(t, w, record, 10), 4)
	late := &orders[0]
	late.User.Email = "deferred-" + late.User.Email
	placeAll(t, w.shop, record, orders)
	wantMetric(t, readdressed, service.URL, "notification_mails_sent_total", func(v float64) bool { return v == 3 })
	wantMetric(t, readdressed, service.URL, "notification_mails_retried_total", func(v float64) bool { return v == 1 })
	wantMetric(t, readdressed, service.URL, "notification_lag", func(v float64) bool { return v == 1 }, `topic="order-placed.retry"`)
	waiting := waitForRecord(t, w, topics.OrderPlacedRetry, late.Number)
	due, err := time.Parse(time.RFC3339, waiting.Header("retry-not-before"))
	if err != nil || waiting.Header("retry-attempt") != "1" || waiting.Header("origin-topic") != topics.OrderPlaced || !strings.Contains(waiting.Header("retry-reason"), "450") {
		t.Errorf("the event waits with %v (%v)", waiting.Headers, err)
	}
	wantMetric(t, readdressed, service.URL, "notification_mails_sent_total", func(v float64) bool { return v == 4 })
	if now := time.Now(); now.Before(due) {
		t.Errorf("the mail came %v before it was due", due.Sub(now))
	}
	wantMetric(t, readdressed, service.URL, "notification_lag", func(v float64) bool { return v == 0 })
	for _, order := range orders {
		if mails := server.mailsTo(order.User.Email); len(mails) != 1 {
			t.Errorf("%d mails came for %s; want 1", len(mails), order.User.Email)
		}
	}
	wantSeries(t, service.URL, "notification_mails_retried_total 1", `notification_dead_letters_total{reason="refused"} 0`, `notification_dead_letters_total{reason="unreadable"} 0`)
}

// waitUntilHandled waits until all events are handled, and returns how many of them were repetitions: all but those that were mailed or became dead letters.
func waitUntilHandled(t *testing.T, w *world, service *system.Service) (repeated float64) {
	t.Helper()
	events, err := w.kafka.Count(topics.OrderPlaced)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, readdressed, func(ctx context.Context) error {
		handled := 0.0
		for _, name := range []string{"notification_mails_sent_total", "notification_dead_letters_total", "notification_mails_repeated_total"} {
			count, err := metrics.Sum(ctx, service.URL, name)
			if err != nil {
				return err
			}
			handled, repeated = handled+count, count
		}
		if handled != float64(events) {
			return fmt.Errorf("%g of %d events are handled", handled, events)
		}
		return nil
	})
	return repeated
}

// wantSeries fails the test unless the process shows these lines among its metrics.
func wantSeries(t *testing.T, url string, want ...string) {
	t.Helper()
	all, err := metrics.Read(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range want {
		if !strings.Contains(all, "\n"+line+"\n") {
			t.Errorf("the metrics lack %q", line)
		}
	}
}

// TestStatusOfCommands calls commands wrongly, and without a Kafka: they end with the statuses that scripts rely on.
func TestStatusOfCommands(t *testing.T) {
	w := sharedWorld(t)
	if output := runCommand(t, w, "redrive", "--limit", "none"); output.Status != 2 || !strings.Contains(output.Stderr, "Usage:") || output.Stdout != "" {
		t.Errorf("a wrong call ended with %+v", output)
	}
	if output := runCommand(t, w, "--help"); output.Status != 0 || !strings.Contains(output.Stdout, "deadletters") {
		t.Errorf("--help ended with %+v", output)
	}
	nowhere, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer nowhere.Close() //nolint:errcheck // it only has to be silent
	start := time.Now()
	output, err := system.Run(t.Context(), theSuite.programs, system.Notification, []string{"KAFKA_BOOTSTRAP_SERVERS=" + nowhere.Addr().String()}, "deadletters")
	if err != nil || output.Status != 1 || !strings.Contains(output.Stderr, "connect to Kafka") {
		t.Errorf("with a silent Kafka it ended with %+v (%v) after %v", output, err, time.Since(start))
	}
}
