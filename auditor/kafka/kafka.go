// Package kafka reads the topics for the auditor. It joins no group, commits nothing and writes nothing.
package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/IBM/sarama"

	"github.com/steadfast-shop/steadfast/shared-kit/kafka"
	"github.com/steadfast-shop/steadfast/shared-proto/topics"
)

// callTimeout bounds each call to a broker.
const callTimeout = 30 * time.Second

// group is notification-service's consumer group.
const group = "notification-service"

// Records reads the topics. It implements audit.Records, for one caller at a time.
type Records struct {
	client sarama.Client
	admin  sarama.ClusterAdmin
}

// Open connects to the brokers, each host:port.
func Open(ctx context.Context, brokers []string) (*Records, error) {
	config := kafka.NewConfig("auditor")
	return kafka.Within(ctx, callTimeout, func() (*Records, error) {
		client, err := sarama.NewClient(brokers, config)
		if err != nil {
			return nil, fmt.Errorf("connect to Kafka: %w", err)
		}
		admin, err := sarama.NewClusterAdminFromClient(client)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("open the Kafka admin: %w", err), client.Close())
		}
		return &Records{client: client, admin: admin}, nil
	})
}

// Close ends all connections.
func (r *Records) Close() error { return r.admin.Close() } // which closes the client, too

// Partitions implements audit.Records.
func (r *Records) Partitions(ctx context.Context) (int32, error) {
	count := 0
	for _, topic := range topics.All(1) {
		partitions, err := kafka.Within(ctx, callTimeout, func() ([]int32, error) { return r.client.Partitions(topic.Name) })
		if err != nil {
			return 0, fmt.Errorf("read the partitions of %s: %w", topic.Name, err)
		}
		if count != 0 && len(partitions) != count {
			return 0, fmt.Errorf("%s has %d partitions, and another topic has %d; notification-service mails nothing until all have as many", topic.Name, len(partitions), count)
		}
		count = len(partitions)
	}
	return int32(count), nil
}

// PartitionOf implements audit.Records: murmur2 of the order number.
func (r *Records) PartitionOf(number string, partitions int32) int32 {
	partition, err := sarama.NewMurmur2Partitioner(topics.OrderPlaced).Partition(&sarama.ProducerMessage{Key: sarama.StringEncoder(number)}, partitions)
	if err != nil { // only a key that cannot be encoded fails, and a string always can
		panic(err)
	}
	return partition
}

// Committed implements audit.Records.
func (r *Records) Committed(ctx context.Context, topic string, partition int32) (int64, error) {
	response, err := kafka.Within(ctx, callTimeout, func() (*sarama.OffsetFetchResponse, error) {
		return r.admin.ListConsumerGroupOffsets(group, map[string][]int32{topic: {partition}})
	})
	if err == nil && !errors.Is(response.Err, sarama.ErrNoError) {
		err = response.Err
	}
	if errors.Is(err, sarama.ErrGroupIDNotFound) {
		return -1, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read the offsets of the group %s: %w", group, err)
	}
	block := response.GetBlock(topic, partition)
	if block == nil {
		return -1, nil
	}
	if errors.Is(block.Err, sarama.ErrGroupIDNotFound) {
		return -1, nil
	}
	if !errors.Is(block.Err, sarama.ErrNoError) {
		return 0, fmt.Errorf("read the offsets of the group %s: %w", group, block.Err)
	}
	return block.Offset, nil
}
