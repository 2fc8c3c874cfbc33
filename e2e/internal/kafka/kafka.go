// Package kafka reads and writes the topics as a stranger would: any record, to any partition.
package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

// offsetTries is how often an offset is asked for while there is no connection.
const offsetTries = 5

// Client is connected to a broker, or a cluster of them. It is safe for concurrent use.
type Client struct {
	client   sarama.Client
	producer sarama.SyncProducer
}

// Dial connects to the broker at host:port, or to the cluster that has nodes at several of these, with commas.
func Dial(addresses string) (*Client, error) {
	config := sarama.NewConfig()
	config.Version = sarama.MaxVersion
	config.ClientID = "e2e"
	config.Consumer.MaxWaitTime = 50 * time.Millisecond // a reader's end waits for its last fetch
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Return.Successes = true
	config.Producer.Partitioner = sarama.NewManualPartitioner
	client, err := sarama.NewClient(strings.Split(addresses, ","), config)
	if err != nil {
		return nil, fmt.Errorf("connect to Kafka: %w", err)
	}
	producer, err := sarama.NewSyncProducerFromClient(client)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open the producer: %w", err), client.Close())
	}
	return &Client{client, producer}, nil
}

// Close ends the connection.
func (c *Client) Close() error { return errors.Join(c.producer.Close(), c.client.Close()) }

// Record is a record with its place.
type Record struct {
	Topic     string
	Partition int32
	Offset    int64
	Key       []byte
	Value     []byte // nil: the record has none
	Headers   []sarama.RecordHeader
}

// Header returns the value of the record's header, or "".
func (r Record) Header(name string) string {
	for _, header := range r.Headers {
		if string(header.Key) == name {
			return string(header.Value)
		}
	}
	return ""
}

// Write writes the record to its topic and partition, and returns it with its offset.
func (c *Client) Write(record Record) (Record, error) {
	message := &sarama.ProducerMessage{Topic: record.Topic, Partition: record.Partition, Headers: record.Headers}
	if record.Key != nil {
		message.Key = sarama.ByteEncoder(record.Key)
	}
	if record.Value != nil {
		message.Value = sarama.ByteEncoder(record.Value)
	}
	partition, offset, err := c.producer.SendMessage(message)
	if err != nil {
		return Record{}, fmt.Errorf("write a record: %w", err)
	}
	record.Partition, record.Offset = partition, offset
	return record, nil
}

// Find returns the topic's records with the key, of all that are there now.
func (c *Client) Find(ctx context.Context, topic, key string) ([]Record, error) {
	all, err := c.ReadAll(ctx, topic)
	return slices.DeleteFunc(all, func(r Record) bool { return string(r.Key) != key }), err
}

// ReadAll returns all records of the topic that are there now.
func (c *Client) ReadAll(ctx context.Context, topic string) ([]Record, error) {
	partitions, err := c.client.Partitions(topic)
	if err != nil {
		return nil, fmt.Errorf("list the partitions of %s: %w", topic, err)
	}
	consumer, err := sarama.NewConsumerFromClient(c.client)
	if err != nil {
		return nil, fmt.Errorf("open a consumer: %w", err)
	}
	defer consumer.Close() //nolint:errcheck // only read
	var (
		found   = make([][]Record, len(partitions))
		failed  = make([]error, len(partitions))
		readers sync.WaitGroup
	)
	for i, partition := range partitions {
		readers.Go(func() { found[i], failed[i] = c.readPartition(ctx, consumer, topic, partition) })
	}
	readers.Wait()
	if err := errors.Join(failed...); err != nil {
		return nil, fmt.Errorf("read %s: %w", topic, err)
	}
	return slices.Concat(found...), nil
}

// Count returns how many offsets the topic has handed out.
func (c *Client) Count(topic string) (int64, error) {
	partitions, err := c.client.Partitions(topic)
	if err != nil {
		return 0, fmt.Errorf("list the partitions of %s: %w", topic, err)
	}
	count := int64(0)
	for _, partition := range partitions {
		end, err := c.offset(topic, partition, sarama.OffsetNewest)
		if err != nil {
			return 0, fmt.Errorf("find the end of %s: %w", topic, err)
		}
		count += end
	}
	return count, nil
}

// offset asks again while there is no connection: many readers share one, and where it has just broken all but the first find it closed.
func (c *Client) offset(topic string, partition int32, at int64) (found int64, err error) {
	for range offsetTries {
		if found, err = c.client.GetOffset(topic, partition, at); !errors.Is(err, sarama.ErrNotConnected) {
			break
		}
		if err := c.client.RefreshMetadata(topic); err != nil {
			return 0, err
		}
	}
	return found, err
}

func (c *Client) readPartition(ctx context.Context, consumer sarama.Consumer, topic string, partition int32) ([]Record, error) {
	end, err := c.offset(topic, partition, sarama.OffsetNewest)
	if err != nil {
		return nil, fmt.Errorf("find the end: %w", err)
	}
	start, err := c.offset(topic, partition, sarama.OffsetOldest)
	if err != nil || start >= end {
		return nil, err
	}
	messages, err := consumer.ConsumePartition(topic, partition, start)
	if err != nil {
		return nil, fmt.Errorf("consume: %w", err)
	}
	defer messages.AsyncClose()
	var records []Record
	for {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case message := <-messages.Messages():
			record := Record{Topic: topic, Partition: partition, Offset: message.Offset, Key: message.Key, Value: message.Value}
			for _, header := range message.Headers {
				record.Headers = append(record.Headers, *header)
			}
			records = append(records, record)
			if message.Offset >= end-1 {
				return records, nil
			}
		}
	}
}

// Describe returns how many partitions a topic has, and its settings by Kafka's names.
func (c *Client) Describe(topic string) (partitions int, settings map[string]string, err error) {
	admin, err := sarama.NewClusterAdminFromClient(c.client)
	if err != nil {
		return 0, nil, fmt.Errorf("open the admin: %w", err)
	}
	// The admin is not closed: that would close the client that it was made from.
	list, err := c.client.Partitions(topic)
	if err != nil {
		return 0, nil, fmt.Errorf("list the partitions: %w", err)
	}
	described, err := admin.DescribeConfigs([]*sarama.ConfigResource{{Type: sarama.TopicResource, Name: topic}}, sarama.DescribeConfigsOptions{})
	if err != nil {
		return 0, nil, fmt.Errorf("read the settings: %w", err)
	}
	settings = make(map[string]string)
	for _, resource := range described {
		for _, entry := range resource.Configs {
			settings[entry.Name] = entry.Value
		}
	}
	return len(list), settings, nil
}

// EndMembers has all members leave the consumer group, so that those that were killed are not waited for.
func (c *Client) EndMembers(group string) error {
	if err := c.client.RefreshCoordinator(group); err != nil {
		return fmt.Errorf("find the group's coordinator: %w", err)
	}
	coordinator, err := c.client.Coordinator(group)
	if err != nil {
		return fmt.Errorf("find the group's coordinator: %w", err)
	}
	described, err := coordinator.DescribeGroups(&sarama.DescribeGroupsRequest{Groups: []string{group}})
	if err != nil {
		return fmt.Errorf("describe the group: %w", err)
	}
	for _, g := range described.Groups {
		for member := range g.Members {
			if _, err := coordinator.LeaveGroup(&sarama.LeaveGroupRequest{GroupId: group, MemberId: member}); err != nil {
				return fmt.Errorf("leave the group: %w", err)
			}
		}
	}
	return nil
}

// DescribeGroup tells a consumer group's state and members, and what each of them has, in a line.
func (c *Client) DescribeGroup(group string) (string, error) {
	admin, err := sarama.NewClusterAdminFromClient(c.client)
	if err != nil {
		return "", fmt.Errorf("open the admin: %w", err)
	}
	// The admin is not closed: that would close the client that it was made from.
	described, err := admin.DescribeConsumerGroups([]string{group})
	if err != nil || len(described) != 1 {
		return "", fmt.Errorf("describe the group %s: %w", group, err)
	}
	text := fmt.Sprintf("the group %s is %s", group, described[0].State)
	for id, member := range described[0].Members {
		assigned := map[string][]int32{}
		if assignment, err := member.GetMemberAssignment(); err == nil && assignment != nil {
			assigned = assignment.Topics
		}
		text += fmt.Sprintf(", %s has %v", id, assigned)
	}
	return text, nil
}
