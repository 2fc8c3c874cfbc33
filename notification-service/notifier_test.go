package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/steadfast-shop/steadfast/notification-service/internal/deadletter"
	"github.com/steadfast-shop/steadfast/notification-service/internal/mailtest"
	"github.com/steadfast-shop/steadfast/shared-proto/topics"
)

func TestTenMinutesWithoutSMTP(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.server.SetAway(true)
		outage := time.AfterFunc(10*time.Minute, func() { b.server.SetAway(false) })
		defer outage.Stop()
		lookIn := time.AfterFunc(5*time.Minute, func() {
			if got := testutil.ToFloat64(b.metrics.waiting); got != 1 {
				t.Errorf("got %v partitions waiting, want 1", got)
			}
		})
		defer lookIn.Stop()
		start := time.Now()
		for i := range 3 {
			b.handled(t, eventRecord(t, fmt.Sprint("ORD-", i), int64(i)))
		}
		if took := time.Since(start); took < 10*time.Minute || took > 10*time.Minute+40*time.Second {
			t.Errorf("took %s, want ten minutes and at most one pause", took)
		}
		b.wantMails(t, 3)
		b.wantPublished(t, topics.NotificationLedger, 3)
		b.wantPublished(t, topics.OrderPlacedRetry, 0)
		b.wantPublished(t, topics.OrderPlacedDLQ, 0)
		if got := testutil.ToFloat64(b.metrics.waiting); got != 0 {
			t.Errorf("got %v partitions waiting, want 0", got)
		}
	})
}

func TestTenMinutesOfEachTroubleOfTheServer(t *testing.T) {
	troubles := map[string]string{
		mailtest.Greeting: "554 no service", mailtest.EHLO: mailtest.Hang, mailtest.MAIL: "421 closing", mailtest.RCPT: mailtest.Drop,
		mailtest.DATA: mailtest.Hang, mailtest.Content: "421 closing",
	}
	for stage, answer := range troubles {
		t.Run(stage+" "+answer, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *bench) {
				b.server.Always(stage, answer)
				end := time.AfterFunc(10*time.Minute, func() { b.server.Always(stage, "") })
				defer end.Stop()
				b.handled(t, eventRecord(t, "ORD-1", 0))
				b.handled(t, eventRecord(t, "ORD-1", 1))
				b.wantMails(t, 1)
				b.wantPublished(t, topics.NotificationLedger, 1)
				b.wantPublished(t, topics.OrderPlacedRetry, 0)
				b.wantPublished(t, topics.OrderPlacedDLQ, 0)
			})
		})
	}
}

// The one repetition that the design names: the server has the mail, and its answer was lost.
func TestLostAnswerRepeatsTheMailWithItsMessageID(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.server.Answer(mailtest.Content, mailtest.Drop)
		b.handled(t, eventRecord(t, "ORD-1", 0))
		mails := b.wantMails(t, 2)
		if first, second := mails[0].Header(t, "Message-Id"), mails[1].Header(t, "Message-Id"); first != second || first == "" {
			t.Errorf("got Message-IDs %q and %q, want the same", first, second)
		}
	})
}

func TestRepeatedEventsMailOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		for offset := range 5 {
			b.handled(t, eventRecord(t, "ORD-1", int64(offset)))
		}
		b.wantMails(t, 1)
		b.wantPublished(t, topics.NotificationLedger, 1)
		if got := testutil.ToFloat64(b.metrics.repeated); got != 4 {
			t.Errorf("got %v repeated, want 4", got)
		}
	})
}

func TestLedgerAwayAfterTheMail(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.failures = []error{errors.New("away"), errors.New("away")}
		for range 2 {
			if err := b.handleEvent(t.Context(), eventRecord(t, "ORD-1", 0)); err == nil {
				t.Fatal("got the event handled, want an error")
			}
		}
		b.handled(t, eventRecord(t, "ORD-1", 0)) // it comes again
		b.wantMails(t, 1)
		b.wantPublished(t, topics.NotificationLedger, 1)
	})
}

func TestRefusedMailBecomesADeadLetter(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.server.Always(mailtest.Rcpt("ORD-1@example.com"), "550 5.1.1 <ORD-1@example.com> unknown")
		b.handled(t, eventRecord(t, "ORD-1", 7))
		b.handled(t, eventRecord(t, "ORD-2", 8))
		b.wantMails(t, 1)
		letter := b.wantPublished(t, topics.OrderPlacedDLQ, 1)[0]
		for name, want := range map[string]string{
			deadletter.HeaderReason: "refused: refused at RCPT: 550 5.1.1 [address] unknown", deadletter.HeaderTime: formatTime(time.Now()), deadletter.HeaderTopic: topics.OrderPlaced,
			deadletter.HeaderPartition: "0", deadletter.HeaderOffset: "7", "ce_type": "shop.steadfast.events.v1.OrderPlaced",
		} {
			if got := headerOf(letter, name); got != want {
				t.Errorf("%s: got %q, want %q", name, got, want)
			}
		}
		message := consumed(letter, 0)
		if string(message.Key) != "ORD-1" || string(message.Value) != string(orderValue(t, "ORD-1")) {
			t.Errorf("got key %q and value %q, want them as they were", message.Key, message.Value)
		}
	})
}

func TestUnreadableRecordsBecomeDeadLetters(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		poison := []*sarama.ConsumerMessage{
			{Topic: topics.OrderPlaced, Offset: 0, Value: []byte("not an event")},
			{Topic: topics.OrderPlaced, Offset: 1, Key: []byte("k")},
			{Topic: topics.OrderPlaced, Offset: 2, Value: []byte("{}"), Headers: []*sarama.RecordHeader{{}}},
		}
		for _, record := range poison {
			b.handled(t, record)
		}
		b.handled(t, eventRecord(t, "ORD-1", 3))
		b.wantMails(t, 1)
		for i, letter := range b.wantPublished(t, topics.OrderPlacedDLQ, 3) {
			if got := consumed(letter, 0); string(got.Value) != string(poison[i].Value) || (got.Value == nil) != (poison[i].Value == nil) {
				t.Errorf("got value %q, want %q", got.Value, poison[i].Value)
			}
			if reason := headerOf(letter, deadletter.HeaderReason); !strings.HasPrefix(reason, "unreadable: ") {
				t.Errorf("got reason %q, want it unreadable", reason)
			}
		}
	})
}

func TestDeadLetterTooLargeLosesAsLittleAsItMust(t *testing.T) {
	tests := []struct {
		failures               []error // of the writes before the one that succeeds
		leftOut, key, stranger string
		origin                 string
	}{
		{[]error{sarama.ErrMessageSizeTooLarge}, "value of 100 bytes", "k", "yes", "3"},
		// Its headers alone may be too large, even that which names the origin. It must not hold up what is behind it.
		{[]error{sarama.ErrMessageSizeTooLarge, sarama.ErrMessageSizeTooLarge}, "key of 1 bytes, value of 100 bytes, 4 headers", "", "", "7"},
	}
	for _, test := range tests {
		inBubble(t, func(t *testing.T, b *bench) {
			b.failures = test.failures
			b.handled(t, &sarama.ConsumerMessage{Topic: topics.OrderPlaced, Offset: 7, Key: []byte("k"), Value: make([]byte, 100), Headers: []*sarama.RecordHeader{
				{Key: []byte("stranger"), Value: []byte("yes")}, {Key: []byte(headerOriginTopic), Value: []byte(topics.OrderPlaced)},
				{Key: []byte(headerOriginPartition), Value: []byte("0")}, {Key: []byte(headerOriginOffset), Value: []byte("3")},
			}})
			letter := b.wantPublished(t, topics.OrderPlacedDLQ, 1)[0]
			if got := headerOf(letter, deadletter.HeaderReason); letter.Value != nil || !strings.HasSuffix(got, "("+test.leftOut+" left out)") {
				t.Errorf("got value %v and reason %q, want %q in it", letter.Value, got, test.leftOut)
			}
			for name, want := range map[string]string{deadletter.HeaderLeftOut: test.leftOut, "stranger": test.stranger, deadletter.HeaderOffset: test.origin} {
				if got := headerOf(letter, name); got != want {
					t.Errorf("%s: got %q, want %q", name, got, want)
				}
			}
			if got := consumed(letter, 0); string(got.Key) != test.key {
				t.Errorf("got key %q, want %q", got.Key, test.key)
			}
			if got := testutil.ToFloat64(b.metrics.deadLetters.WithLabelValues("unreadable")); got != 1 {
				t.Errorf("got %v dead letters, want 1", got)
			}
		})
	}
}

// An alert looks at what a series has grown by, so each must be there before its first event.
func TestMetricsBeforeTheFirstEvent(t *testing.T) {
	registry := prometheus.NewRegistry()
	newMetrics(registry)
	want := `
# HELP notification_dead_letters_total Records sent to the dead-letter topic, by the kind of reason.
# TYPE notification_dead_letters_total counter
notification_dead_letters_total{reason="exhausted"} 0
notification_dead_letters_total{reason="refused"} 0
notification_dead_letters_total{reason="unreadable"} 0
# HELP notification_mails_retried_total Mails that the SMTP server put off; their events wait in the retry topic.
# TYPE notification_mails_retried_total counter
notification_mails_retried_total 0
# HELP notification_mails_sent_total Mails that the SMTP server took.
# TYPE notification_mails_sent_total counter
notification_mails_sent_total 0
# HELP notification_smtp_failures_total Failed deliveries: unavailable and misconfigured concern the server, deferred and refused one mail.
# TYPE notification_smtp_failures_total counter
notification_smtp_failures_total{kind="deferred"} 0
notification_smtp_failures_total{kind="misconfigured"} 0
notification_smtp_failures_total{kind="refused"} 0
notification_smtp_failures_total{kind="unavailable"} 0
# HELP notification_waiting Partitions that wait for the SMTP server.
# TYPE notification_waiting gauge
notification_waiting 0
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "notification_dead_letters_total", "notification_mails_retried_total", "notification_mails_sent_total",
		"notification_smtp_failures_total", "notification_waiting"); err != nil {
		t.Error(err)
	}
}

func TestDeferredMailIsTriedAgain(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.server.Answer(mailtest.RCPT, "450 greylisted", "450 greylisted")
		record := eventRecord(t, "ORD-1", 7)
		for attempt := 1; attempt <= 2; attempt++ {
			b.handled(t, record)
			b.wantMails(t, 0)
			put := b.wantPublished(t, topics.OrderPlacedRetry, attempt)[attempt-1]
			if got := headerOf(put, headerRetryAttempt); got != fmt.Sprint(attempt) {
				t.Errorf("got attempt %s, want %d", got, attempt)
			}
			start := time.Now()
			if err := b.releaseRetry(t.Context(), consumed(put, 0)); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(start); took != retryDelay {
				t.Errorf("released after %s, want %s", took, retryDelay)
			}
			released := b.wantPublished(t, topics.OrderPlaced, attempt)[attempt-1]
			record = consumed(released, int64(10+attempt))
			if origin := trailOf(record); origin.offset != "7" || origin.topic != topics.OrderPlaced {
				t.Errorf("got origin %+v, want offset 7 of %s", origin, topics.OrderPlaced)
			}
		}
		b.handled(t, record)
		b.wantMails(t, 1)
	})
}

func TestMailDeferredTooOftenBecomesADeadLetter(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.server.Always(mailtest.RCPT, "452 mailbox full")
		record := eventRecord(t, "ORD-1", 7)
		for tries := 1; ; tries++ {
			b.handled(t, record)
			if tries == retryLimit {
				break
			}
			put := b.wantPublished(t, topics.OrderPlacedRetry, tries)[tries-1]
			if err := b.releaseRetry(t.Context(), consumed(put, 0)); err != nil {
				t.Fatal(err)
			}
			record = consumed(b.published[len(b.published)-1], int64(7+tries))
		}
		letter := b.wantPublished(t, topics.OrderPlacedDLQ, 1)[0]
		if got := headerOf(letter, deadletter.HeaderOffset); got != "7" {
			t.Errorf("got offset %s, want that of the original, 7", got)
		}
		if got := headerOf(letter, headerRetryAttempt); got != "" {
			t.Errorf("got %s tries in the dead letter, want none: sent through again, it starts anew", got)
		}
		if got := headerOf(letter, deadletter.HeaderReason); !strings.HasPrefix(got, "exhausted: put off 120 times, at last: ") {
			t.Errorf("got the reason %q", got)
		}
		if retried, dead := testutil.ToFloat64(b.metrics.retried), testutil.ToFloat64(b.metrics.deadLetters.WithLabelValues("exhausted")); retried != retryLimit-1 || dead != 1 {
			t.Errorf("got the metrics retried %v and dead letters %v, want %d and 1", retried, dead, retryLimit-1)
		}
	})
}

func TestEventOnTheWrongPartitionIsSentOn(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.partitions = 6
		right, err := partitionOf("ORD-1", 6)
		if err != nil {
			t.Fatal(err)
		}
		record := eventRecord(t, "ORD-1", 7)
		record.Partition = (right + 1) % 6
		b.handled(t, record)
		b.wantMails(t, 0)
		sent := b.wantPublished(t, topics.OrderPlaced, 1)[0]
		if sent.Partition != right {
			t.Errorf("got partition %d, want %d", sent.Partition, right)
		}
		b.handled(t, consumed(sent, 9))
		b.wantMails(t, 1)
	})
}

func TestNothingIsDoneWithoutMembership(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.confirm = func(context.Context) error { return errNotMember }
		for _, record := range []*sarama.ConsumerMessage{eventRecord(t, "ORD-1", 0), {Topic: topics.OrderPlaced, Value: []byte("poison")}} {
			if err := b.handleEvent(t.Context(), record); !errors.Is(err, errNotMember) {
				t.Errorf("got %v, want %v", err, errNotMember)
			}
		}
		if err := b.releaseRetry(t.Context(), eventRecord(t, "ORD-1", 0)); !errors.Is(err, errNotMember) {
			t.Errorf("got %v, want %v", err, errNotMember)
		}
		b.wantMails(t, 0)
		if len(b.published) != 0 {
			t.Errorf("got %d records written, want none", len(b.published))
		}
	})
}

func TestEndOfTheSession(t *testing.T) {
	t.Run("while waiting for the server", func(t *testing.T) {
		inBubble(t, func(t *testing.T, b *bench) {
			b.server.SetAway(true)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			start := time.Now()
			if err := b.handleEvent(ctx, eventRecord(t, "ORD-1", 0)); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Minute {
				t.Errorf("got %v after %s, want it to end with the session", err, time.Since(start))
			}
		})
	})
	t.Run("while the server hangs", func(t *testing.T) {
		inBubble(t, func(t *testing.T, b *bench) {
			b.server.Always(mailtest.DATA, mailtest.Hang)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			start := time.Now()
			if err := b.handleEvent(ctx, eventRecord(t, "ORD-1", 0)); err == nil || time.Since(start) != time.Second+sendGrace {
				t.Errorf("got %v after %s, want it to end with the session and its grace", err, time.Since(start))
			}
		})
	})
}
