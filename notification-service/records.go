package main

import (
	"slices"
	"strconv"
	"time"

	"github.com/IBM/sarama"

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
	headerDLQReason       = "dlq-reason"       // why the record is a dead letter
	headerDLQTime         = "dlq-time"         // since when
	headerDLQTopic        = "dlq-topic"        // where the record was read first
	headerDLQPartition    = "dlq-partition"    //
	headerDLQOffset       = "dlq-offset"       //
)

// isOwnHeader tells the headers that a record gets anew each time that it is sent on; all others are kept as they came.
func isOwnHeader(name string) bool {
	return slices.Contains([]string{
		headerOriginTopic, headerOriginPartition, headerOriginOffset, headerRetryAttempt, headerRetryNotBefore, headerRetryReason,
		headerDLQReason, headerDLQTime, headerDLQTopic, headerDLQPartition, headerDLQOffset,
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
		header(headerDLQReason, reason),
		header(headerDLQTime, formatTime(now)),
		header(headerDLQTopic, t.topic),
		header(headerDLQPartition, t.partition),
		header(headerDLQOffset, t.offset),
	})
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
	return sarama.NewMurmur2Partitioner(topics.OrderPlaced).Partition(&sarama.ProducerMessage{Key: sarama.StringEncoder(orderNumber)}, partitions)
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
