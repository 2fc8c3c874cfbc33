package ledger

import (
	"context"
	"log/slog"
	"testing"

	"github.com/IBM/sarama"
)

// FuzzRecord takes any record into a ledger that knows one order. Only an entry changes what is known, and only about its own order; what the ledger writes itself is one.
func FuzzRecord(f *testing.F) {
	f.Add([]byte("ORD-1"), []byte(`{"messageId":"m@steadfast.example","sentAt":"2026-01-02T03:04:05Z"}`), false)
	f.Add([]byte("known"), []byte(nil), true)
	f.Add([]byte("known"), []byte(`{}`), false)
	f.Add([]byte(""), []byte(`{"messageId":"m"}`), false)
	f.Add([]byte("A"), []byte(`{"messageId":1}`), false)
	f.Add([]byte("A\xff"), []byte(`{"messageId":"m","sentAt":"yesterday"}`), false)
	f.Fuzz(func(t *testing.T, key, value []byte, tombstone bool) {
		unreadable := 0
		l := New(slog.New(slog.DiscardHandler), func() { unreadable++ })
		l.position(0, 0) // as Load begins
		record := &sarama.ConsumerMessage{Offset: 1}
		written := recordOf(t, l, "known")
		record.Key, record.Value = written.Key, written.Value
		l.apply(t.Context(), record)
		if l.State(0, "known") != Recorded || unreadable != 0 {
			t.Fatalf("what the ledger writes, %q, is not read", written.Value)
		}
		record = &sarama.ConsumerMessage{Offset: 7, Key: key, Value: value}
		if tombstone {
			record.Value = nil
		} else if value == nil {
			record.Value = []byte{}
		}
		before := l.State(0, string(key))
		l.apply(t.Context(), record)
		after, want := l.State(0, string(key)), Recorded
		switch {
		case unreadable > 0:
			want = before
		case tombstone:
			want = Unknown
		}
		if after != want || tombstone && len(key) > 0 && unreadable > 0 {
			t.Errorf("the order %q is %v after %q (tombstone: %t, unreadable: %d); want %v", key, after, value, tombstone, unreadable, want)
		}
		if string(key) != "known" && l.State(0, "known") != Recorded {
			t.Errorf("a record of %q changed another order", key)
		}
		if next := l.position(0, 8); next != 8 {
			t.Errorf("the next offset is %d; want 8", next)
		}
	})
}

// recordOf returns what a ledger writes for an order.
func recordOf(t *testing.T, l *Ledger, number string) *sarama.ConsumerMessage {
	t.Helper()
	record := &sarama.ConsumerMessage{}
	publish := func(_ context.Context, message *sarama.ProducerMessage) (err error) {
		if record.Key, err = message.Key.Encode(); err != nil {
			return err
		}
		record.Value, err = message.Value.Encode()
		return err
	}
	other := New(l.log, func() {})
	if err := other.Record(t.Context(), publish, 0, number, "m@steadfast.example"); err != nil {
		t.Fatal(err)
	}
	return record
}
