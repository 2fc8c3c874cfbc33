package deadletter

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"github.com/steadfast-shop/steadfast/shared-proto/topics"
)

// record is a record of the dead letters at offset 7 of partition 3, with headers written as name=value.
func record(key, value string, headers ...string) *sarama.ConsumerMessage {
	r := &sarama.ConsumerMessage{Topic: topics.OrderPlacedDLQ, Partition: 3, Offset: 7, Key: []byte(key), Value: []byte(value), Timestamp: time.Unix(1000, 0)}
	for _, h := range headers {
		name, text, _ := strings.Cut(h, "=")
		r.Headers = append(r.Headers, &sarama.RecordHeader{Key: []byte(name), Value: []byte(text)})
	}
	return r
}

func TestMarker(t *testing.T) {
	const at = "redriven-time=2026-01-31T12:00:00.000Z"
	tests := []struct {
		name    string
		headers []string
		want    string // the letter's offset, "" where it is no marker
	}{
		{"whole", []string{"redriven-partition=3", "redriven-offset=5", at}, "5"},
		{"of the first letter", []string{"redriven-partition=3", "redriven-offset=0", at}, "0"},
		{"none", nil, ""},
		{"a letter with a marker's headers", []string{"redriven-partition=3", "redriven-offset=5", at, "dlq-reason=refused: 550"}, ""},
		{"a letter with an empty reason", []string{"dlq-reason=", "redriven-partition=3", "redriven-offset=5", at}, ""},
		{"of another partition", []string{"redriven-partition=2", "redriven-offset=5", at}, ""},
		{"without a partition", []string{"redriven-offset=5", at}, ""},
		{"of itself", []string{"redriven-partition=3", "redriven-offset=7", at}, ""},
		{"of what comes later", []string{"redriven-partition=3", "redriven-offset=8", at}, ""},
		{"negative", []string{"redriven-partition=3", "redriven-offset=-1", at}, ""},
		{"no number", []string{"redriven-partition=3", "redriven-offset=0x5", at}, ""},
		{"too long a number", []string{"redriven-partition=3", "redriven-offset=99999999999999999999", at}, ""},
		{"no time", []string{"redriven-partition=3", "redriven-offset=5"}, ""},
		{"a bad time", []string{"redriven-partition=3", "redriven-offset=5", "redriven-time=now"}, ""},
		{"the time that means never", []string{"redriven-partition=3", "redriven-offset=5", "redriven-time=0001-01-01T00:00:00Z"}, ""},
	}
	for _, test := range tests {
		got := ""
		if offset, at, ok := marker(record("", "", test.headers...)); ok && !at.IsZero() {
			got = fmt.Sprint(offset)
		}
		if got != test.want {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
}

func TestMarkerOfALetter(t *testing.T) {
	letter := newLetter(record("ORD-1", "x", "dlq-reason=refused: 550"))
	now := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	written := NewMarker(letter, now)
	if written.Topic != topics.OrderPlacedDLQ || written.Partition != 3 || written.Value != nil {
		t.Errorf("got %+v, want it without a value, in the letter's partition", written)
	}
	read := &sarama.ConsumerMessage{Partition: 3, Offset: 8}
	for _, h := range written.Headers {
		read.Headers = append(read.Headers, &h)
	}
	if offset, at, ok := marker(read); !ok || offset != 7 || !at.Equal(now) {
		t.Errorf("got %d, %v, %t, want the letter at offset 7 marked at %v", offset, at, ok, now)
	}
}

func TestLetter(t *testing.T) {
	const event = `{"orderNumber":"ORD-1","customer":{"email":"john"}}`
	const own = "order-placed.dlq/3/7"
	tests := []struct {
		name   string
		record *sarama.ConsumerMessage
		want   string // kind, reason, origin, order number, what is left out, time
	}{
		{"whole", record("K", event, "dlq-reason=refused: 550 no", "dlq-time=2026-01-31T12:00:00.5Z", "dlq-topic=order-placed", "dlq-partition=3", "dlq-offset=41"),
			"refused|refused: 550 no|order-placed/3/41|ORD-1||2026-01-31T12:00:00Z"},
		{"short", record("K", "", "dlq-reason=unreadable: too large (value of 9 bytes left out)", "dlq-left-out=value of 9 bytes"),
			"unreadable|unreadable: too large (value of 9 bytes left out)|" + own + "|K|value of 9 bytes|1970-01-01T00:16:40Z"},
		{"foreign", record("", ""), "foreign|foreign: it has no dlq-reason|" + own + "|||1970-01-01T00:16:40Z"},
		{"odd kind", record("", "", "dlq-reason=tired: of it"), "foreign|tired: of it|" + own + "|||1970-01-01T00:16:40Z"},
		{"kind alone", record("", "", "dlq-reason=exhausted"), "exhausted|exhausted|" + own + "|||1970-01-01T00:16:40Z"},
		{"bad origin", record("", "", "dlq-reason=refused: x", "dlq-topic=order-placed", "dlq-partition=-3", "dlq-offset=1"), "refused|refused: x|" + own + "|||1970-01-01T00:16:40Z"},
		{"partition that is too high", record("", "", "dlq-reason=refused: x", "dlq-topic=t", "dlq-partition=3000000000", "dlq-offset=1"),
			"refused|refused: x|" + own + "|||1970-01-01T00:16:40Z"},
		{"hostile text", record("a b", "\xff", "dlq-reason=refused: \x1b[2J\xff <john@example.com>\r\nok \u202e", "dlq-topic=a\x00b", "dlq-partition=0", "dlq-offset=0"),
			"refused|refused: ?[2J? [address] ok ?|a?b/0/0|||1970-01-01T00:16:40Z"},
		{"key that may be a name", record("John Doe", "x"), "foreign|foreign: it has no dlq-reason|" + own + "|||1970-01-01T00:16:40Z"},
		{"key that is too long", record(strings.Repeat("k", 129), "x"), "foreign|foreign: it has no dlq-reason|" + own + "|||1970-01-01T00:16:40Z"},
	}
	for _, test := range tests {
		l := newLetter(test.record)
		got := strings.Join([]string{string(l.Kind), l.Reason, l.Origin.String(), l.OrderNumber, l.LeftOut, l.Time.UTC().Format(time.RFC3339)}, "|")
		if got != test.want {
			t.Errorf("%s:\n got %s\nwant %s", test.name, got, test.want)
		}
		if !l.IsOpen() || l.ID() != "3/7" {
			t.Errorf("%s: got %s open: %t", test.name, l.ID(), l.IsOpen())
		}
	}
}

func TestFilter(t *testing.T) {
	partition, other := int32(3), int32(4)
	offset, otherOffset := int64(41), int64(42)
	at := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	letter := newLetter(record("K", "", "dlq-reason=refused: 550 No such mailbox", "dlq-time=2026-01-31T12:00:00Z", "dlq-topic=order-placed", "dlq-partition=3", "dlq-offset=41"))
	redriven := letter
	redriven.RedrivenAt = at
	tests := []struct {
		name   string
		filter Filter
		letter Letter
		want   bool
	}{
		{"nothing asked", Filter{}, letter, true},
		{"order", Filter{Orders: []string{"X", "K"}}, letter, true},
		{"other order", Filter{Orders: []string{"X"}}, letter, false},
		{"letter", Filter{Letters: []string{"3/7"}}, letter, true},
		{"other letter", Filter{Letters: []string{"3/8", "4/7"}}, letter, false},
		{"kind", Filter{Kinds: []Kind{Unreadable, Refused}}, letter, true},
		{"other kind", Filter{Kinds: []Kind{Unreadable}}, letter, false},
		{"text", Filter{Text: "no SUCH"}, letter, true},
		{"other text", Filter{Text: "551"}, letter, false},
		{"since then", Filter{Since: at}, letter, true},
		{"since later", Filter{Since: at.Add(1)}, letter, false},
		{"until then", Filter{Until: at}, letter, false},
		{"until later", Filter{Until: at.Add(1)}, letter, true},
		{"origin", Filter{Topic: "order-placed", Partition: &partition, Offset: &offset}, letter, true},
		{"other topic", Filter{Topic: "order"}, letter, false},
		{"other partition", Filter{Partition: &other}, letter, false},
		{"other offset", Filter{Offset: &otherOffset}, letter, false},
		{"open", Filter{OpenOnly: true}, letter, true},
		{"not open", Filter{OpenOnly: true}, redriven, false},
		{"redriven", Filter{}, redriven, true},
		{"all at once, one wrong", Filter{Orders: []string{"K"}, Text: "551"}, letter, false},
	}
	for _, test := range tests {
		if got := test.filter.Match(test.letter); got != test.want {
			t.Errorf("%s: got %t, want %t", test.name, got, test.want)
		}
	}
}

func FuzzLetter(f *testing.F) {
	f.Add([]byte("K"), []byte("{}"), "refused: 550", "5", "3", "2026-01-31T12:00:00Z")
	f.Add([]byte(nil), []byte(nil), "", "-1", "99999999999", "now")
	f.Fuzz(func(t *testing.T, key, value []byte, reason, number, partition, at string) {
		r := record(string(key), string(value), "dlq-reason="+reason, "dlq-topic="+reason, "dlq-offset="+number, "dlq-partition="+partition, "dlq-time="+at,
			"redriven-offset="+number, "redriven-partition="+partition, "redriven-time="+at)
		if _, _, ok := marker(r); ok {
			t.Error("got a marker, want a letter: it has a reason")
		}
		l := newLetter(r)
		if strings.ContainsAny(l.Reason+l.Origin.Topic, "@\n\r\x1b") || l.Origin.Partition < 0 || l.Origin.Offset < 0 {
			t.Errorf("got %q and %v, want them fit to be shown", l.Reason, l.Origin)
		}
		r.Headers = r.Headers[1:]
		if offset, at, ok := marker(r); ok && (offset < 0 || offset >= r.Offset || at.IsZero()) {
			t.Errorf("got a marker of offset %d at %v, want one of a letter before it", offset, at)
		}
	})
}
