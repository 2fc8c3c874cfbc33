package main

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/IBM/sarama"

	"github.com/steadfast-shop/steadfast/notification-service/internal/deadletter"
	"github.com/steadfast-shop/steadfast/shared-kit/kafka"
	"github.com/steadfast-shop/steadfast/shared-proto/topics"
)

// Headers that this service adds to the records that it sends on. All are texts; numbers are decimal, times RFC 3339 in UTC.
const (
	headerOriginTopic     = "origin-topic"     // where the record was read first
	headerOriginPartition = "origin-partition" //
	headerOriginOffset    = "origin-offset"    //
	headerRetryAttempt    = "retry-attempt"    // how many times the server has put the mail off
	headerRetryNotBefore  = "retry-not-before" // when the next try is due
	headerRetryReason     = "retry-reason"     // what the server said
)

// isOwnHeader tells the headers that a record gets anew each time that it is sent on; all others are kept as they came. Those of dead letters and their markers are among them, so
// that nobody can write one by way of an event.
func isOwnHeader(name string) bool {
	return deadletter.IsHeader(name) || slices.Contains([]string{
		headerOriginTopic, headerOriginPartition, headerOriginOffset, headerRetryAttempt, headerRetryNotBefore, headerRetryReason,
	}, name)
}

// trail is what a record carries from topic to topic: where it was read first, and how often its mail was put off.
type trail struct {
	topic, partition, offset string
	attempts                 int
}

func trailOf(record *sarama.ConsumerMessage) trail {
	t := trail{
		topic:     kafka.Header(record.Headers, headerOriginTopic),
		partition: kafka.Header(record.Headers, headerOriginPartition),
		offset:    kafka.Header(record.Headers, headerOriginOffset),
	}
	if t.topic == "" || t.partition == "" || t.offset == "" {
		t.topic, t.partition, t.offset = record.Topic, strconv.Itoa(int(record.Partition)), strconv.FormatInt(record.Offset, 10)
	}
	if attempts, err := strconv.Atoi(kafka.Header(record.Headers, headerRetryAttempt)); err == nil && attempts > 0 {
		t.attempts = attempts
	}
	return t
}

// headers returns the trail as it goes on.
func (t trail) headers() []sarama.RecordHeader {
	headers := []sarama.RecordHeader{
		header(headerOriginTopic, t.topic),
		header(headerOriginPartition, t.partition),
		header(headerOriginOffset, t.offset),
	}
	if t.attempts > 0 {
		headers = append(headers, header(headerRetryAttempt, strconv.Itoa(t.attempts)))
	}
	return headers
}

// newEventRecord sends an event on to a partition of order-placed.
func newEventRecord(from *sarama.ConsumerMessage, partition int32) *sarama.ProducerMessage {
	return newRecord(from, topics.OrderPlaced, partition, trailOf(from).headers())
}

// newRetryRecord puts an event off until notBefore.
func newRetryRecord(from *sarama.ConsumerMessage, notBefore time.Time, reason string) *sarama.ProducerMessage {
	t := trailOf(from)
	t.attempts++
	return newRecord(from, topics.OrderPlacedRetry, from.Partition, append(t.headers(),
		header(headerRetryNotBefore, formatTime(notBefore)),
		header(headerRetryReason, reason)))
}

// newDeadLetter lays a record aside, as it was read first.
func newDeadLetter(from *sarama.ConsumerMessage, now time.Time, reason string) *sarama.ProducerMessage {
	t := trailOf(from)
	return newRecord(from, topics.OrderPlacedDLQ, from.Partition, []sarama.RecordHeader{
		header(deadletter.HeaderReason, reason),
		header(deadletter.HeaderTime, formatTime(now)),
		header(deadletter.HeaderTopic, t.topic),
		header(deadletter.HeaderPartition, t.partition),
		header(deadletter.HeaderOffset, t.offset),
	})
}

// newShortLetter is a dead letter without all of its record: it has this key and these headers, and no value. Without the headers its trail begins where it is now.
func newShortLetter(from *sarama.ConsumerMessage, reason, leftOut string, key []byte, headers []*sarama.RecordHeader) *sarama.ProducerMessage {
	short := &sarama.ConsumerMessage{Topic: from.Topic, Partition: from.Partition, Offset: from.Offset, Key: key, Headers: headers}
	letter := newDeadLetter(short, time.Now(), fmt.Sprintf("%s (%s left out)", reason, leftOut))
	letter.Headers = append(letter.Headers, header(deadletter.HeaderLeftOut, leftOut))
	return letter
}

// newRedrivenRecord sends the event of a dead letter through again: where its order belongs, with a fresh count of tries, and with the trail to where it was read first. An event
// without an order number that could be read goes where it was.
func newRedrivenRecord(letter deadletter.Letter, partitions int32) (*sarama.ProducerMessage, error) {
	partition := letter.Record.Partition
	if letter.OrderNumber != "" {
		var err error
		if partition, err = partitionOf(letter.OrderNumber, partitions); err != nil {
			return nil, fmt.Errorf("find the order's partition: %w", err)
		}
	}
	origin := trail{
		topic:     letter.Origin.Topic,
		partition: strconv.Itoa(int(letter.Origin.Partition)),
		offset:    strconv.FormatInt(letter.Origin.Offset, 10),
	}
	return newRecord(letter.Record, topics.OrderPlaced, partition, origin.headers()), nil
}

func newRecord(from *sarama.ConsumerMessage, topic string, partition int32, own []sarama.RecordHeader) *sarama.ProducerMessage {
	record := &sarama.ProducerMessage{Topic: topic, Partition: partition}
	if from.Key != nil {
		record.Key = sarama.ByteEncoder(from.Key)
	}
	if from.Value != nil {
		record.Value = sarama.ByteEncoder(from.Value)
	}
	for _, h := range from.Headers {
		if !isOwnHeader(string(h.Key)) {
			record.Headers = append(record.Headers, *h)
		}
	}
	record.Headers = append(record.Headers, own...)
	return record
}

// partitionOf returns where an order's events belong, as every producer with the murmur2 partitioner sees it. The order's ledger entry lives in the partition of the same number.
func partitionOf(orderNumber string, partitions int32) (int32, error) {
	return partitionBy(sarama.NewMurmur2Partitioner(topics.OrderPlaced), orderNumber, partitions)
}

// partitionBy is partitionOf with a murmur2 partitioner that was made before: each of them seeds a random number generator, which takes longer than all else here.
func partitionBy(murmur2 sarama.Partitioner, orderNumber string, partitions int32) (int32, error) {
	return murmur2.Partition(&sarama.ProducerMessage{Key: sarama.StringEncoder(orderNumber)}, partitions)
}

// dueAt returns when a retry record may go on: at its not-before time, but never more than longest from now, whatever its header says.
func dueAt(record *sarama.ConsumerMessage, now time.Time, longest time.Duration) time.Time {
	due, err := time.Parse(time.RFC3339Nano, kafka.Header(record.Headers, headerRetryNotBefore))
	if err != nil {
		return now
	}
	if latest := now.Add(longest); due.After(latest) {
		return latest
	}
	return due
}

func header(name, value string) sarama.RecordHeader {
	return sarama.RecordHeader{Key: []byte(name), Value: []byte(value)}
}

func formatTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z07:00") }
