package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/IBM/sarama"

	"github.com/steadfast-shop/steadfast/shared-proto/topics"
)

const (
	firstPause   = 200 * time.Millisecond
	longestPause = 5 * time.Second
)

// Connect returns a client once a broker answers and every wanted topic exists, creating those that are missing. It tries until ctx ends: a service serves without Kafka and catches up.
// The caller closes the client.
func Connect(ctx context.Context, addresses []string, config *sarama.Config, wanted []topics.Topic, log *slog.Logger) (sarama.Client, error) {
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		client, err := connectWithin(ctx, addresses, config, wanted)
		if err == nil {
			return client, nil
		}
		log.WarnContext(ctx, "Kafka is away; trying again", "error", err, "pause", pause)
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("connect to Kafka: %w", ctx.Err())
		case <-time.After(pause):
		}
	}
}

// connectWithin tries once, and no longer than ctx. sarama's calls take no context: a try that outlives it goes on by itself, so that a silent broker cannot hold up a stop.
func connectWithin(ctx context.Context, addresses []string, config *sarama.Config, wanted []topics.Topic) (sarama.Client, error) {
	type result struct {
		client sarama.Client
		err    error
	}
	done := make(chan result, 1)
	go func() {
		client, err := connect(addresses, config, wanted)
		done <- result{client, err}
	}()
	select {
	case r := <-done:
		return r.client, r.err
	case <-ctx.Done():
		go func() {
			if r := <-done; r.err == nil {
				_ = r.client.Close() // nobody is left to use it
			}
		}()
		return nil, ctx.Err()
	}
}

func connect(addresses []string, config *sarama.Config, wanted []topics.Topic) (sarama.Client, error) {
	client, err := sarama.NewClient(addresses, config)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	if err := createTopics(client, wanted); err != nil {
		return nil, errors.Join(err, client.Close())
	}
	return client, nil
}

// createTopics makes the topics that are missing. A topic that exists is left as it is, whatever its settings: they are the operator's.
func createTopics(client sarama.Client, wanted []topics.Topic) error {
	admin, err := sarama.NewClusterAdminFromClient(client)
	if err != nil {
		return fmt.Errorf("open the Kafka admin: %w", err)
	}
	// The admin is not closed: that would close the client that it was made from.
	existing, err := admin.ListTopics()
	if err != nil {
		return fmt.Errorf("list topics: %w", err)
	}
	for _, topic := range wanted {
		if _, exists := existing[topic.Name]; exists {
			continue
		}
		detail := &sarama.TopicDetail{NumPartitions: topic.Partitions, ReplicationFactor: topic.ReplicationFactor, ConfigEntries: make(map[string]*string, len(topic.Config))}
		for name, value := range topic.Config {
			detail.ConfigEntries[name] = &value
		}
		// Another replica may create it at the same moment.
		if err := admin.CreateTopic(topic.Name, detail, false); err != nil && !errors.Is(err, sarama.ErrTopicAlreadyExists) {
			return fmt.Errorf("create topic %s: %w", topic.Name, err)
		}
	}
	names := make([]string, len(wanted))
	for i, topic := range wanted {
		names[i] = topic.Name
	}
	if err := client.RefreshMetadata(names...); err != nil {
		return fmt.Errorf("read the metadata of the topics: %w", err)
	}
	return nil
}
