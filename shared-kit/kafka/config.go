// Package kafka holds what every Kafka client of the system does alike: connection settings, waiting for brokers, creating topics, and record headers.
package kafka

import (
	"time"

	"github.com/IBM/sarama"
)

// NewConfig returns the settings that all clients share. The producer waits for all in-sync replicas, is idempotent, and places a key where Java clients do (murmur2).
func NewConfig(clientID string) *sarama.Config {
	config := sarama.NewConfig()
	config.ClientID = clientID
	config.Version = sarama.MaxVersion // negotiated down to what the broker speaks
	config.ApiVersionsRequest = true
	config.Net.DialTimeout = 3 * time.Second
	config.Net.ReadTimeout = 10 * time.Second
	config.Net.WriteTimeout = 10 * time.Second
	config.Net.MaxOpenRequests = 1 // required of idempotent producers
	config.Metadata.AllowAutoTopicCreation = false
	config.Metadata.Timeout = 10 * time.Second
	config.Metadata.Retry.Max = 3
	config.Metadata.Retry.Backoff = 250 * time.Millisecond
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Idempotent = true
	config.Producer.Compression = sarama.CompressionSnappy // batches of a few small records: zstd saves little on them, and takes time and megabytes for each encoder
	config.Producer.Partitioner = sarama.NewMurmur2Partitioner
	config.Producer.Retry.Max = 10
	config.Producer.Timeout = 10 * time.Second
	config.Producer.Return.Successes = true
	config.Producer.Return.Errors = true
	return config
}
