package kafka

import (
	"fmt"

	"github.com/IBM/sarama"
)

// CheckReplicas returns an error unless each partition of the topics has so many replicas, all of them in sync.
func (c *Client) CheckReplicas(want int, topics ...string) error {
	admin, err := sarama.NewClusterAdminFromClient(c.client)
	if err != nil {
		return fmt.Errorf("open the admin: %w", err)
	}
	// The admin is not closed: that would close the client that it was made from.
	described, err := admin.DescribeTopics(topics)
	if err != nil {
		return fmt.Errorf("describe the topics: %w", err)
	}
	for _, topic := range described {
		if topic.Err != sarama.ErrNoError {
			return fmt.Errorf("describe the topic %s: %w", topic.Name, topic.Err)
		}
		for _, partition := range topic.Partitions {
			if len(partition.Replicas) != want || len(partition.Isr) != want {
				return fmt.Errorf("partition %d of %s has the replicas %v, of which %v are in sync; want %d", partition.ID, topic.Name, partition.Replicas, partition.Isr, want)
			}
		}
	}
	return nil
}
