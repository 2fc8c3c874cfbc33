package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/steadfast-shop/steadfast/notification-service/internal/deadletter"
	"github.com/steadfast-shop/steadfast/notification-service/internal/mailtest"
	"github.com/steadfast-shop/steadfast/shared-proto/topics"
)

// command runs a command on the system's Kafka, as the process does, and returns what it wrote.
func (s *system) command(t *testing.T, args ...string) (string, error) {
	t.Helper()
	c, _, err := parseCommand(args, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	err = c(t.Context(), &out, s.commandClient(t))
	return out.String(), err
}

func (s *system) commandClient(t *testing.T) sarama.Client {
	t.Helper()
	client, err := sarama.NewClient(s.cluster.ListenAddrs(), newClientConfig())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// mustRun runs a command that must end well.
func (s *system) mustRun(t *testing.T, args ...string) string {
	t.Helper()
	out, err := s.command(t, args...)
	if err != nil {
		t.Fatalf("%v: got %v, want it to end well:\n%s", args, err, out)
	}
	return out
}

// wantSum fails the test unless the last line of a command's output is this.
func wantSum(t *testing.T, out, want string) {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if got := lines[len(lines)-1]; got != want {
		t.Errorf("got the sum %q, want %q; all of it:\n%s", got, want, out)
	}
}

// letters returns what is in the topic of the dead letters now.
func (s *system) letters(t *testing.T) []deadletter.Letter {
	t.Helper()
	box, err := deadletter.Open(t.Context(), s.commandClient(t))
	if err != nil {
		t.Fatal(err)
	}
	var letters []deadletter.Letter
	for letter, err := range box.Letters(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		letters = append(letters, letter)
	}
	return letters
}

// withRefusedMails returns a system with a replica, and that many dead letters of mails that were refused. The server takes them from now on.
func withRefusedMails(t *testing.T, orders int) (*system, *member) {
	t.Helper()
	s := newSystem(t)
	s.server.Always(mailtest.RCPT, "550 5.1.1 no such mailbox")
	m := s.join(t, s.cluster.ListenAddrs())
	for i := range orders {
		event := s.event(t, fmt.Sprint("ORD-", i))
		event.Headers = []sarama.RecordHeader{
			header("ce_type", "shop.steadfast.events.v1.OrderPlaced"), header("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
			header(deadletter.HeaderRedrivenOffset, "0"), header(headerRetryAttempt, "100"), // as somebody may have written it
		}
		s.produce(t, event)
	}
	await(t, "all dead letters", func() bool { return s.size(topics.OrderPlacedDLQ) == int64(orders) })
	s.server.Always(mailtest.RCPT, "")
	return s, m
}

func TestRedriveMailsOnce(t *testing.T) {
	t.Parallel()
	s, m := withRefusedMails(t, 3)
	wantSum(t, s.mustRun(t, "redrive", "--dry-run"), "3 letters would be sent")
	if got := s.size(topics.OrderPlaced) + s.size(topics.OrderPlacedDLQ); got != 6 {
		t.Errorf("got %d records after a dry run, want 6 as before", got)
	}
	wantSum(t, s.mustRun(t, "redrive"), "3 letters sent")
	s.wantMails(t, 3)
	wantSum(t, s.mustRun(t, "redrive"), "0 letters sent, 3 sent before (--again sends them again)")
	wantSum(t, s.mustRun(t, "deadletters"), "3 dead letters, 0 of them open")
	wantSum(t, s.mustRun(t, "deadletters", "--open"), "0 dead letters, 0 of them open")
	wantSum(t, s.mustRun(t, "redrive", "--again"), "3 letters sent")
	await(t, "all repetitions being seen", func() bool { return testutil.ToFloat64(m.metrics.repeated) == 3 })
	s.wantMails(t, 3)
	if sent, dead := testutil.ToFloat64(m.metrics.sent), testutil.ToFloat64(m.metrics.deadLetters.WithLabelValues("refused")); sent != 3 || dead != 3 {
		t.Errorf("got the metrics sent %v and dead letters %v, want 3 and 3", sent, dead)
	}
}

func TestRedrivenEvent(t *testing.T) {
	t.Parallel()
	s, _ := withRefusedMails(t, 1)
	letter := s.letters(t)[0]
	want, err := partitionOf("ORD-0", topics.Partitions)
	if err != nil {
		t.Fatal(err)
	}
	letter.Record.Partition = (want + 1) % topics.Partitions // whatever partition it is in
	event, err := newRedrivenRecord(letter, topics.Partitions)
	if err != nil {
		t.Fatal(err)
	}
	if event.Topic != topics.OrderPlaced || event.Partition != want {
		t.Errorf("got it sent to %s/%d, want the order's %s/%d", event.Topic, event.Partition, topics.OrderPlaced, want)
	}
	if got := consumed(event, 0); string(got.Key) != "ORD-0" || string(got.Value) != string(orderValue(t, "ORD-0")) {
		t.Errorf("got key %q and value %q, want those of the event", got.Key, got.Value)
	}
	var got []string
	for _, h := range event.Headers {
		got = append(got, string(h.Key)+"="+string(h.Value))
	}
	wantHeaders := fmt.Sprintf("[ce_type=shop.steadfast.events.v1.OrderPlaced traceparent=00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01 "+
		"origin-topic=order-placed origin-partition=%d origin-offset=0]", want)
	if fmt.Sprint(got) != wantHeaders {
		t.Errorf("got headers %v, want %s", got, wantHeaders)
	}
}

func TestRedriveLimitAndFilter(t *testing.T) {
	t.Parallel()
	s, _ := withRefusedMails(t, 5)
	letters := s.letters(t)
	oldest := letters[0]
	out := s.mustRun(t, "redrive", "--limit", "1")
	wantSum(t, out, "1 letter sent, 4 more than --limit")
	if !strings.Contains(out, "letter "+oldest.ID()+", order "+oldest.OrderNumber+": to order-placed/") {
		t.Errorf("got another letter than the oldest, %s:\n%s", oldest.ID(), out)
	}
	s.wantMails(t, 1)
	wantSum(t, s.mustRun(t, "redrive", "--kind", "unreadable"), "0 letters sent")
	wantSum(t, s.mustRun(t, "redrive", "--order", letters[1].OrderNumber, "--order", letters[4].OrderNumber, "--reason", "5.1.1 NO SUCH"), "2 letters sent")
	s.wantMails(t, 3)
	wantSum(t, s.mustRun(t, "redrive"), "2 letters sent, 3 sent before (--again sends them again)")
	s.wantMails(t, 5)
}

// Two people who redrive at the same moment send each event twice, and cause one mail each.
func TestRedriveTwiceAtOnce(t *testing.T) {
	t.Parallel()
	const orders = 2*redriveAtOnce + 10
	s, m := withRefusedMails(t, orders)
	var running sync.WaitGroup
	start := make(chan struct{})
	for range 2 {
		running.Go(func() {
			<-start
			if out, err := s.command(t, "redrive"); err != nil {
				t.Errorf("got %v:\n%s", err, out)
			}
		})
	}
	close(start)
	running.Wait()
	redriven := float64(s.size(topics.OrderPlaced) - orders)
	await(t, "all events being handled", func() bool {
		return testutil.ToFloat64(m.metrics.sent)+testutil.ToFloat64(m.metrics.repeated) == redriven
	})
	s.wantMails(t, orders)
	wantSum(t, s.mustRun(t, "deadletters"), fmt.Sprintf("%d dead letters, 0 of them open", orders))
	t.Logf("%v events were sent for %d letters", redriven, orders)
}

// A redrive that dies after it has sent an event, and before it has marked the letter, leaves the letter open. Sent once more, the event mails nothing again.
func TestCrashBetweenEventAndMarker(t *testing.T) {
	t.Parallel()
	s, m := withRefusedMails(t, 1)
	client := s.commandClient(t)
	box, err := deadletter.Open(t.Context(), client)
	if err != nil {
		t.Fatal(err)
	}
	died := errors.New("died")
	r := &redriver{partitions: topics.Partitions, publish: func(_ context.Context, record *sarama.ProducerMessage) error {
		if record.Topic == topics.OrderPlacedDLQ {
			return died
		}
		_, _, err := s.producer.SendMessage(record)
		return err
	}}
	var out bytes.Buffer
	if err := (&options{}).redrive(t.Context(), &out, box, r); !errors.Is(err, died) {
		t.Errorf("got %v, want %v", err, died)
	}
	s.wantMails(t, 1)
	wantSum(t, s.mustRun(t, "deadletters", "--open"), "1 dead letter, 1 of them open")
	wantSum(t, s.mustRun(t, "redrive"), "1 letter sent")
	await(t, "the repetition being seen", func() bool { return testutil.ToFloat64(m.metrics.repeated) == 1 })
	s.wantMails(t, 1)
	wantSum(t, s.mustRun(t, "deadletters", "--open"), "0 dead letters, 0 of them open")
}

func TestInterruptedRedrive(t *testing.T) {
	letter := deadletter.Letter{Record: &sarama.ConsumerMessage{Topic: topics.OrderPlacedDLQ, Offset: 7, Value: []byte("x")}, OrderNumber: "ORD-1"}
	ctx, interrupt := context.WithCancel(t.Context())
	var written []string
	r := &redriver{partitions: topics.Partitions, publish: func(ctx context.Context, record *sarama.ProducerMessage) error {
		interrupt()
		written = append(written, record.Topic)
		return ctx.Err()
	}}
	if got := r.send(ctx, letter); got.outcome != outcomeSent {
		t.Errorf("interrupted while the event is sent: got %s (%v), want what is under way finished", got.outcome, got.err)
	}
	if got := r.send(ctx, letter); got.outcome != outcomeFailed {
		t.Errorf("after the interruption: got %s, want %s", got.outcome, outcomeFailed)
	}
	if want := []string{topics.OrderPlaced, topics.OrderPlacedDLQ}; fmt.Sprint(written) != fmt.Sprint(want) {
		t.Errorf("got records for %v, want %v", written, want)
	}
}

func TestRedriveOfWhatCannotBeSent(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	// As deadLetter writes it where the topic takes no more.
	short := newShortLetter(&sarama.ConsumerMessage{Topic: topics.OrderPlaced, Partition: 2, Offset: 41}, "unreadable: too large to be sent on", "value of 1000 bytes", []byte("ORD-1"), nil)
	whole := newDeadLetter(&sarama.ConsumerMessage{Topic: topics.OrderPlaced, Value: []byte("{}")}, time.Now(), "unreadable: because")
	s.produce(t, short, whole)
	out, err := s.command(t, "redrive")
	if err == nil || err.Error() != "1 letter cannot be sent" {
		t.Errorf("got %v, want an error that says that one letter cannot be sent", err)
	}
	wantSum(t, out, "1 letter sent, 1 cannot be sent")
	if !strings.Contains(out, "cannot be sent  letter ") || !strings.Contains(out, "(left out: value of 1000 bytes); the original is at order-placed/2/41 for as long as that topic keeps it") {
		t.Errorf("got:\n%s\nwant it to say what is left out, and where the original stands", out)
	}
	if got := s.size(topics.OrderPlaced); got != 1 {
		t.Errorf("got %d events, want 1", got)
	}
	wantSum(t, s.mustRun(t, "deadletters", "--open"), "1 dead letter, 1 of them open")
}

func TestUnreadableLetterBecomesOneAgain(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.join(t, s.cluster.ListenAddrs())
	s.produce(t, &sarama.ProducerMessage{Topic: topics.OrderPlaced, Key: sarama.StringEncoder("ORD-1"), Value: sarama.StringEncoder("not an event")})
	await(t, "a dead letter", func() bool { return s.size(topics.OrderPlacedDLQ) == 1 })
	wantSum(t, s.mustRun(t, "redrive"), "1 letter sent")
	await(t, "a marker and another dead letter", func() bool { return s.size(topics.OrderPlacedDLQ) == 3 })
	letters := s.letters(t)
	if len(letters) != 2 || letters[0].IsOpen() || !letters[1].IsOpen() || letters[0].Origin != letters[1].Origin || string(letters[1].Record.Value) != "not an event" {
		t.Errorf("got %+v, want the first letter redriven and one like it open", letters)
	}
}

// What is in the retry topic and is no event becomes a dead letter, too, by way of order-placed.
func TestGarbageInTheRetryTopicBecomesADeadLetter(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.join(t, s.cluster.ListenAddrs())
	for _, value := range []sarama.Encoder{sarama.StringEncoder("garbage"), nil} {
		s.produce(t, &sarama.ProducerMessage{
			Topic: topics.OrderPlacedRetry, Value: value, Headers: []sarama.RecordHeader{header(headerRetryNotBefore, "never"), header(headerRetryAttempt, "-9223372036854775808")},
		})
	}
	await(t, "two dead letters", func() bool { return s.size(topics.OrderPlacedDLQ) == 2 })
	for _, letter := range s.letters(t) {
		if letter.Kind != deadletter.Unreadable || letter.Origin.Topic != topics.OrderPlacedRetry {
			t.Errorf("got %+v, want it unreadable, from %s", letter, topics.OrderPlacedRetry)
		}
	}
}

func TestListsShowNothingPersonal(t *testing.T) {
	t.Parallel()
	s, _ := withRefusedMails(t, 1)
	s.produce(t,
		&sarama.ProducerMessage{
			Topic: topics.OrderPlacedDLQ, Key: sarama.StringEncoder("John Doe"), Value: sarama.StringEncoder("John Doe <john@example.com>"),
			Headers: []sarama.RecordHeader{header(deadletter.HeaderReason, "refused: \x1b[31m550 <john@example.com>\nunknown"), header("to", "John"), header("Doe@example.com", "")},
		},
		&sarama.ProducerMessage{Topic: topics.OrderPlacedDLQ, Key: sarama.StringEncoder("john@example.com")})
	for _, args := range [][]string{{"deadletters"}, {"deadletters", "--json"}, {"redrive", "--dry-run"}, {"redrive", "--dry-run", "--json"}, {"redrive"}} {
		out := s.mustRun(t, args...)
		for _, personal := range []string{"@", "John", "john", "Doe", "\x1b"} {
			if strings.Contains(out, personal) {
				t.Errorf("%v shows %q:\n%s", args, personal, out)
			}
		}
	}
}

func TestListForPrograms(t *testing.T) {
	t.Parallel()
	s, _ := withRefusedMails(t, 2)
	s.mustRun(t, "redrive", "--order", "ORD-1")
	states := make(map[string]string)
	for line := range strings.Lines(s.mustRun(t, "deadletters", "--json")) {
		var v letterView
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if v.Kind != "refused" || v.Reason != "refused: refused at RCPT: 550 5.1.1 no such mailbox" || v.Origin.Topic != topics.OrderPlaced || v.Letter.Topic != topics.OrderPlacedDLQ ||
			v.ValueBytes == 0 || time.Since(v.Time).Abs() > time.Hour || (v.RedrivenAt != nil) != (v.State == "redriven") {
			t.Errorf("got %+v", v)
		}
		states[v.OrderNumber] = v.State
	}
	if want := map[string]string{"ORD-0": "open", "ORD-1": "redriven"}; fmt.Sprint(states) != fmt.Sprint(want) {
		t.Errorf("got states %v, want %v", states, want)
	}
}

func TestListWithoutTheTopic(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	if err := s.cluster.DeleteTopic(topics.OrderPlacedDLQ); err != nil {
		t.Fatal(err)
	}
	if out, err := s.command(t, "deadletters"); err == nil || !strings.Contains(err.Error(), "there is no topic order-placed.dlq") {
		t.Errorf("got %v and %q, want it to say that there is no topic", err, out)
	}
}
