package main

import (
	"bytes"
	netmail "net/mail"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"github.com/steadfast-shop/steadfast/shared-kit/kafka"
)

// FuzzTrail sends a record with any headers on and on: put off, let go, laid aside. Its key, value and foreign headers stay, its trail leads to the place where it was read first,
// each own header is there once, tries are counted, and no header makes it wait for longer than is allowed.
func FuzzTrail(f *testing.F) {
	f.Add("retry-attempt", "2", "retry-not-before", "2026-01-02T03:04:05.678Z", []byte("key"), []byte("value"))
	f.Add("retry-attempt", "9223372036854775807", "retry-not-before", "9999-12-31T23:59:59Z", []byte(""), []byte(""))
	f.Add("retry-attempt", "-7", "retry-attempt", "1", []byte("key"), []byte("value"))
	f.Add("origin-topic", "order-placed", "origin-offset", "x", []byte("key"), []byte("value"))
	f.Add("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "dlq-reason", "a@b", []byte("key"), []byte("value"))
	f.Add("", "\xff", "retry-not-before", "0000-01-01T00:00:00Z", []byte("key"), []byte("value"))
	f.Fuzz(func(t *testing.T, name1, value1, name2, value2 string, key, value []byte) {
		const longest = time.Hour
		now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
		record := &sarama.ConsumerMessage{
			Topic: "order-placed", Partition: 3, Offset: 42, Key: key, Value: value,
			Headers: []*sarama.RecordHeader{{Key: []byte(name1), Value: []byte(value1)}, {Key: []byte(name2), Value: []byte(value2)}},
		}
		origin := trailOf(record)
		if origin.topic == "" || origin.partition == "" || origin.offset == "" || origin.attempts < 0 {
			t.Errorf("the trail is %+v", origin)
		}
		if due := dueAt(record, now, longest); due.After(now.Add(longest)) {
			t.Errorf("it is due at %v; it is %v now", due, now)
		}
		for tries := origin.attempts + 1; tries <= origin.attempts+2 && origin.attempts < 1<<31; tries++ {
			retry := received(t, newRetryRecord(record, now.Add(time.Minute), "450 later"))
			checkSentOn(t, record, retry)
			if got := trailOf(retry); got.attempts != tries || got.topic != origin.topic || got.partition != origin.partition || got.offset != origin.offset {
				t.Errorf("the trail of try %d is %+v; it began as %+v", tries, got, origin)
			}
			if due := dueAt(retry, now, longest); !due.Equal(now.Add(time.Minute)) {
				t.Errorf("it is due at %v; want a minute from %v", due, now)
			}
			record = received(t, newEventRecord(retry, 3))
			checkSentOn(t, retry, record)
			if got := trailOf(record); got.attempts != tries {
				t.Errorf("%d tries became %d", tries, got.attempts)
			}
		}
		letter := received(t, newDeadLetter(record, now, "550 never"))
		checkSentOn(t, record, letter)
		for name, want := range map[string]string{"dlq-reason": "550 never", "dlq-time": "2026-01-02T03:04:05.000Z", "dlq-topic": origin.topic, "dlq-partition": origin.partition, "dlq-offset": origin.offset} {
			if got := kafka.Header(letter.Headers, name); got != want {
				t.Errorf("the dead letter's %s is %q; want %q", name, got, want)
			}
		}
	})
}

// checkSentOn compares what was sent on with what it was made of.
func checkSentOn(t *testing.T, from, to *sarama.ConsumerMessage) {
	t.Helper()
	if !bytes.Equal(from.Key, to.Key) || !bytes.Equal(from.Value, to.Value) {
		t.Errorf("%q: %q became %q: %q", from.Key, from.Value, to.Key, to.Value)
	}
	foreign := func(record *sarama.ConsumerMessage) (texts []string) {
		for _, h := range record.Headers {
			if !isOwnHeader(string(h.Key)) {
				texts = append(texts, strconv.Quote(string(h.Key))+strconv.Quote(string(h.Value)))
			}
		}
		return texts
	}
	if was, is := strings.Join(foreign(from), " "), strings.Join(foreign(to), " "); was != is {
		t.Errorf("the headers %s became %s", was, is)
	}
	seen := make(map[string]bool)
	for _, h := range to.Headers {
		if name := string(h.Key); isOwnHeader(name) && seen[name] {
			t.Errorf("the header %s is there twice", name)
		}
		seen[string(h.Key)] = true
	}
}

// received returns a record as a consumer gets it.
func received(t *testing.T, sent *sarama.ProducerMessage) *sarama.ConsumerMessage {
	t.Helper()
	record := &sarama.ConsumerMessage{Topic: sent.Topic, Partition: sent.Partition, Offset: 1000}
	for into, encoder := range map[*[]byte]sarama.Encoder{&record.Key: sent.Key, &record.Value: sent.Value} {
		if encoder == nil {
			continue
		}
		encoded, err := encoder.Encode()
		if err != nil {
			t.Fatal(err)
		}
		*into = encoded
	}
	for i := range sent.Headers {
		record.Headers = append(record.Headers, &sent.Headers[i])
	}
	return record
}

// FuzzLoadConfig gives the settings any values. What is loaded names a sender and a login that can be used; a fault names its setting, and nothing shows the password.
func FuzzLoadConfig(f *testing.F) {
	f.Add("Shop <orders@shop.example>", "user", "password", "smtp.example")
	f.Add("nobody", "user", "", "")
	f.Add("=?utf-8?q?a=0D=0AB?= <a@b.cd>", "", "p", "[::1]")
	f.Add("a@b.cd, e@f.gh", "u\r\nx", "p", " ")
	f.Add("<a@[127.0.0.1]>", "", "", "a b")
	f.Add("", "0", "0", " ")
	f.Fuzz(func(t *testing.T, from, username, password, host string) {
		clearSettings(t)
		values := map[string]string{"SMTP_FROM": from, "SMTP_USERNAME": username, "SMTP_PASSWORD": password, "SMTP_HOST": host}
		for name, value := range values {
			if strings.ContainsRune(value, 0) {
				t.Skip("no environment can hold it")
			}
			t.Setenv(name, value)
		}
		cfg, err := loadConfig()
		if err != nil {
			if !strings.HasPrefix(err.Error(), "setting SMTP_") {
				t.Errorf("%q names no setting", err)
			}
			return
		}
		if cfg.smtp.Username != "" && cfg.smtp.Password == "" || cfg.smtp.Host == "" {
			t.Errorf("the login %q at %q was taken", username, host)
		}
		again, err := netmail.ParseAddress(cfg.smtp.From.String())
		if err != nil || again.Address != cfg.smtp.From.Address || strings.ContainsAny(cfg.smtp.From.Address, "\r\n") {
			t.Errorf("SMTP_FROM=%q was taken as %q, which cannot be written into a mail: %v", from, cfg.smtp.From, err)
		}
	})
}
