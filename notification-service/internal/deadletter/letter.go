// Package deadletter reads the dead letters: what each says about a record that could not be handled, and whether it was sent through again.
package deadletter

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/IBM/sarama"

	"github.com/steadfast-shop/steadfast/notification-service/internal/event"
	"github.com/steadfast-shop/steadfast/shared-kit/input"
	"github.com/steadfast-shop/steadfast/shared-kit/kafka"
	"github.com/steadfast-shop/steadfast/shared-proto/topics"
)

// Headers of a dead letter. All are texts; numbers are decimal, times RFC 3339 in UTC.
const (
	// HeaderReason is why the record is a dead letter: a Kind, a colon and a blank, and the particulars. What has it is a letter, whatever else it has.
	HeaderReason = topics.HeaderDLQReason
	// HeaderTime is since when it is one.
	HeaderTime = "dlq-time"
	// HeaderTopic, HeaderPartition and HeaderOffset are where the record was read first.
	HeaderTopic     = "dlq-topic"
	HeaderPartition = "dlq-partition"
	HeaderOffset    = "dlq-offset"
	// HeaderLeftOut is there where the record was too large to be laid aside whole, and names what is missing.
	HeaderLeftOut = "dlq-left-out"
)

// Headers of a marker: a record behind a letter, in the same partition, that says that the letter was sent through again.
const (
	// HeaderRedrivenPartition and HeaderRedrivenOffset name the letter.
	HeaderRedrivenPartition = topics.HeaderRedrivenPartition
	HeaderRedrivenOffset    = topics.HeaderRedrivenOffset
	// HeaderRedrivenTime is when that was.
	HeaderRedrivenTime = "redriven-time"
)

// IsHeader tells the headers of letters and markers from all others.
func IsHeader(name string) bool {
	return slices.Contains([]string{
		HeaderReason, HeaderTime, HeaderTopic, HeaderPartition, HeaderOffset, HeaderLeftOut, HeaderRedrivenPartition, HeaderRedrivenOffset, HeaderRedrivenTime,
	}, name)
}

// Kind is the kind of reason for which a record is a dead letter.
type Kind string

// Kinds of reasons.
const (
	// Unreadable is a record that is no event that a mail could be made of.
	Unreadable Kind = "unreadable"
	// Refused is an event whose mail the mail server refused for good.
	Refused Kind = "refused"
	// Exhausted is an event whose mail was put off too often.
	Exhausted Kind = "exhausted"
	// Foreign is a record that somebody else wrote to the dead letters.
	Foreign Kind = "foreign"
)

// Kinds lists the kinds of the letters that this service writes.
func Kinds() []Kind { return []Kind{Unreadable, Refused, Exhausted} }

// Place is where a record is.
type Place struct {
	Topic     string
	Partition int32
	Offset    int64
}

// String writes a place as topic/partition/offset.
func (p Place) String() string { return fmt.Sprintf("%s/%d/%d", p.Topic, p.Partition, p.Offset) }

// Letter is one dead letter.
type Letter struct {
	// Record is the letter itself.
	Record *sarama.ConsumerMessage
	// Time is since when the record is a dead letter.
	Time time.Time
	// Kind and Reason say why. Reason begins with the Kind; it is safe to show.
	Kind   Kind
	Reason string
	// Origin is where the record was read first, and the letter's own place where nothing says it.
	Origin Place
	// OrderNumber is the order's, "" where it is not known.
	OrderNumber string
	// LeftOut names what is missing of the record, "" where it is whole.
	LeftOut string
	// RedrivenAt is when the letter was last sent through again, zero where it was not.
	RedrivenAt time.Time
}

// IsOpen tells a letter that was not sent through again.
func (l Letter) IsOpen() bool { return l.RedrivenAt.IsZero() }

// ID is the letter's place in its topic, as partition/offset.
func (l Letter) ID() string { return fmt.Sprintf("%d/%d", l.Record.Partition, l.Record.Offset) }

// newLetter reads a record that is no marker. It takes anything: who else may write to the topic is not known.
func newLetter(record *sarama.ConsumerMessage) Letter {
	get := func(name string) string { return kafka.Header(record.Headers, name) }
	l := Letter{
		Record:      record,
		Time:        record.Timestamp,
		Kind:        Foreign,
		Reason:      "foreign: it has no " + HeaderReason,
		Origin:      Place{record.Topic, record.Partition, record.Offset},
		OrderNumber: orderNumber(record),
		LeftOut:     Plain(get(HeaderLeftOut)),
	}
	if at, err := time.Parse(time.RFC3339Nano, get(HeaderTime)); err == nil {
		l.Time = at
	}
	if reason := get(HeaderReason); reason != "" {
		l.Reason = Plain(reason)
		if kind, _, _ := strings.Cut(reason, ":"); slices.Contains(Kinds(), Kind(kind)) {
			l.Kind = Kind(kind)
		}
	}
	partition, partitionErr := strconv.ParseInt(get(HeaderPartition), 10, 32)
	offset, offsetErr := strconv.ParseInt(get(HeaderOffset), 10, 64)
	if topic := get(HeaderTopic); topic != "" && partitionErr == nil && offsetErr == nil && partition >= 0 && offset >= 0 {
		l.Origin = Place{Plain(topic), int32(partition), offset}
	}
	return l
}

// orderNumber finds the number where the value, or else the key, holds what may be one.
func orderNumber(record *sarama.ConsumerMessage) string {
	if number := event.OrderNumber(record.Value); number != "" {
		return number
	}
	if key := string(record.Key); input.CheckText(key, input.MaxID) == "" && !strings.ContainsFunc(key, unicode.IsSpace) { // else it may be anything, a name even
		return key
	}
	return ""
}

// marker reads a record as the marker of a letter; ok is false for all else. It believes only what can be true: the letter is before it, in the same partition.
func marker(record *sarama.ConsumerMessage) (offset int64, at time.Time, ok bool) {
	get := func(name string) string { return kafka.Header(record.Headers, name) }
	if slices.ContainsFunc(record.Headers, func(h *sarama.RecordHeader) bool { return string(h.Key) == HeaderReason }) {
		return 0, time.Time{}, false
	}
	offset, err := strconv.ParseInt(get(HeaderRedrivenOffset), 10, 64)
	if err != nil || offset < 0 || offset >= record.Offset || get(HeaderRedrivenPartition) != strconv.Itoa(int(record.Partition)) {
		return 0, time.Time{}, false
	}
	at, err = time.Parse(time.RFC3339Nano, get(HeaderRedrivenTime))
	if err != nil || at.IsZero() {
		return 0, time.Time{}, false
	}
	return offset, at, true
}

// NewMarker returns the record that says that a letter was sent through again.
func NewMarker(l Letter, now time.Time) *sarama.ProducerMessage {
	header := func(name, value string) sarama.RecordHeader {
		return sarama.RecordHeader{Key: []byte(name), Value: []byte(value)}
	}
	record := &sarama.ProducerMessage{Topic: topics.OrderPlacedDLQ, Partition: l.Record.Partition, Headers: []sarama.RecordHeader{
		header(HeaderRedrivenPartition, strconv.Itoa(int(l.Record.Partition))),
		header(HeaderRedrivenOffset, strconv.FormatInt(l.Record.Offset, 10)),
		header(HeaderRedrivenTime, now.UTC().Format("2006-01-02T15:04:05.000Z07:00")),
	}}
	if l.Record.Key != nil {
		record.Key = sarama.ByteEncoder(l.Record.Key)
	}
	return record
}

// Plain makes a text fit to be shown: on one line, without what a terminal would act on, and without e-mail addresses.
func Plain(text string) string {
	words := strings.Fields(strings.ToValidUTF8(text, "?"))
	for i, word := range words {
		if strings.Contains(word, "@") {
			words[i] = "[address]"
			continue
		}
		words[i] = strings.Map(func(r rune) rune {
			if !unicode.IsPrint(r) {
				return '?'
			}
			return r
		}, word)
	}
	return strings.Join(words, " ")
}
