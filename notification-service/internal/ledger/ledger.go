// Package ledger remembers which orders were mailed: in a compacted Kafka topic, for every replica and every restart, and in memory for the partitions that this replica has.
package ledger

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"github.com/steadfast-shop/steadfast/shared-proto/topics"
)

// State is what is known about an order's mail.
type State int

// States of an order.
const (
	// Unknown means that no mail was sent as far as anybody recorded.
	Unknown State = iota
	// Mailed means that this process sent the mail, and the ledger has not acknowledged it yet.
	Mailed
	// Recorded means that the ledger has it.
	Recorded
)

// Publish writes a record and returns once the brokers have acknowledged it.
type Publish func(ctx context.Context, record *sarama.ProducerMessage) error

// hash stands for an order number: 16 bytes of its SHA-256, whatever its length.
type hash [16]byte

func hashOf(orderNumber string) hash {
	sum := sha256.Sum256([]byte(orderNumber))
	return hash(sum[:16])
}

// entry is the value of a ledger record. It is for people and tools; what counts is the key, the order number.
type entry struct {
	MessageID string    `json:"messageId"`
	SentAt    time.Time `json:"sentAt"`
}

// part holds the orders of one partition, as far as it has been read.
type part struct {
	orders map[hash]struct{}
	next   int64 // the first offset not read yet
}

// Ledger is safe for concurrent use. It lives as long as the process, so that a partition that is lost and regained is read on from where it was left.
type Ledger struct {
	log          *slog.Logger
	onUnreadable func()

	mu         sync.Mutex
	partitions map[int32]*part
	unrecorded map[hash]struct{} // mailed by this process, not acknowledged yet: never forgotten before it is
}

// New returns an empty ledger. onUnreadable is called for each record that is no entry.
func New(log *slog.Logger, onUnreadable func()) *Ledger {
	return &Ledger{log: log, onUnreadable: onUnreadable, partitions: make(map[int32]*part), unrecorded: make(map[hash]struct{})}
}

// State tells what is known about an order, whose partition must be loaded.
func (l *Ledger) State(number int32, orderNumber string) State {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := hashOf(orderNumber)
	if p := l.partitions[number]; p != nil {
		if _, recorded := p.orders[key]; recorded {
			return Recorded
		}
	}
	if _, mailed := l.unrecorded[key]; mailed {
		return Mailed
	}
	return Unknown
}

// MarkMailed notes that the order's mail was taken by the server. Record must follow, now or when the event comes again.
func (l *Ledger) MarkMailed(orderNumber string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.unrecorded[hashOf(orderNumber)] = struct{}{}
}

// Record writes that the order was mailed, and returns once that is acknowledged. After an error the order stays Mailed.
func (l *Ledger) Record(ctx context.Context, publish Publish, number int32, orderNumber, messageID string) error {
	value, err := json.Marshal(entry{MessageID: messageID, SentAt: time.Now().UTC().Truncate(time.Millisecond)})
	if err != nil {
		return fmt.Errorf("encode the ledger entry: %w", err)
	}
	record := &sarama.ProducerMessage{
		Topic:     topics.NotificationLedger,
		Partition: number,
		Key:       sarama.StringEncoder(orderNumber),
		Value:     sarama.ByteEncoder(value),
	}
	if err := publish(ctx, record); err != nil {
		return fmt.Errorf("write the ledger: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.add(number, hashOf(orderNumber))
	return nil
}

// add notes an order as recorded; l.mu is held.
func (l *Ledger) add(number int32, key hash) {
	p := l.partitions[number]
	if p == nil { // written after the partition was lost; should it come back, it is read from its start
		p = &part{orders: make(map[hash]struct{})}
		l.partitions[number] = p
	}
	p.orders[key] = struct{}{}
	delete(l.unrecorded, key)
}

// Retain forgets every partition but the given ones.
func (l *Ledger) Retain(numbers []int32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	kept := make(map[int32]*part, len(numbers))
	for _, number := range numbers {
		if p := l.partitions[number]; p != nil {
			kept[number] = p
		}
	}
	l.partitions = kept
}

// Size returns how many orders are held in memory.
func (l *Ledger) Size() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	size := 0
	for _, p := range l.partitions {
		size += len(p.orders)
	}
	return size
}

// apply takes a ledger record in. A record that is no entry says nothing about any order, so it is skipped; one without a value (a tombstone) takes its order's entry back.
func (l *Ledger) apply(ctx context.Context, record *sarama.ConsumerMessage) {
	err := checkEntry(record.Key, record.Value)
	if err != nil {
		l.onUnreadable()
		l.log.WarnContext(ctx, "a ledger record cannot be read; it is skipped", "partition", record.Partition, "offset", record.Offset, "error", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.partitions[record.Partition]
	p.next = record.Offset + 1
	switch key := hashOf(string(record.Key)); {
	case err != nil:
	case record.Value == nil:
		delete(p.orders, key)
	default:
		l.add(record.Partition, key)
	}
}

func checkEntry(key, value []byte) error {
	if len(key) == 0 {
		return errors.New("it has no key")
	}
	if value == nil {
		return nil
	}
	var e entry
	if err := json.Unmarshal(value, &e); err != nil {
		return errors.New("its value is not JSON of an entry")
	}
	if e.MessageID == "" {
		return errors.New("its value names no message id")
	}
	return nil
}
