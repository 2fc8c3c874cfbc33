// Package topics names the Kafka topics that the services share, and how each is kept.
package topics

import (
	"strconv"
	"time"
)

// Names of the topics.
const (
	// OrderPlaced carries an events.v1.OrderPlaced for each placed order, keyed by the order number.
	OrderPlaced = "order-placed"
	// OrderPlacedRetry carries events whose mail a server put off; each waits there for its next try.
	OrderPlacedRetry = "order-placed.retry"
	// OrderPlacedDLQ carries what could not be handled, with the reason in its headers.
	OrderPlacedDLQ = "order-placed.dlq"
	// NotificationLedger remembers each mail that was sent, keyed by the order number.
	NotificationLedger = "notification-ledger"
)

// Headers of the dead-letter topic's records: a letter has a reason; what has none, and names a letter of its own partition, marks that one as sent through again.
const (
	HeaderDLQReason         = "dlq-reason"
	HeaderRedrivenPartition = "redriven-partition"
	HeaderRedrivenOffset    = "redriven-offset"
)

// Partitions is the number of partitions of every topic. The ledger must have as many as the events, for a partition's owner reads the ledger's partition of the same number.
const Partitions = 6

const (
	eventRetention      = 7 * 24 * time.Hour
	deadLetterRetention = 30 * 24 * time.Hour
	ledgerRetention     = 30 * 24 * time.Hour
)

// Topic is one topic as it is created.
type Topic struct {
	Name              string
	Partitions        int32
	ReplicationFactor int16
	// Config holds Kafka's topic settings by their Kafka names.
	Config map[string]string
}

// All lists the topics with the given replication factor. Three and more replicas ask for min.insync.replicas 2, so that an acknowledged record survives the loss of a broker.
func All(replicationFactor int16) []Topic {
	return []Topic{
		topic(OrderPlaced, replicationFactor, "delete", eventRetention),
		topic(OrderPlacedRetry, replicationFactor, "delete", eventRetention),
		topic(OrderPlacedDLQ, replicationFactor, "delete", deadLetterRetention),
		topic(NotificationLedger, replicationFactor, "compact,delete", ledgerRetention),
	}
}

func topic(name string, replicationFactor int16, cleanup string, retention time.Duration) Topic {
	config := map[string]string{
		"cleanup.policy": cleanup,
		"retention.ms":   strconv.FormatInt(retention.Milliseconds(), 10),
	}
	if replicationFactor >= 3 {
		config["min.insync.replicas"] = "2"
	}
	return Topic{Name: name, Partitions: Partitions, ReplicationFactor: replicationFactor, Config: config}
}
