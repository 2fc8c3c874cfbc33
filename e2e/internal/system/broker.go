package system

import (
	"context"
	"fmt"
	"slices"
	"syscall"
	"time"
)

// The brokers that a stack can have: devstack's own, and Apache Kafka of one node or of three.
const (
	Embedded = "embedded"
	Apache   = "apache"
	Apache3  = "apache3"
)

// FetchWithin is how long a stack with Apache Kafka may take to start: it may have to be fetched.
const FetchWithin = 10 * time.Minute

// CheckBroker returns an error for what is no broker.
func CheckBroker(name string) error {
	if !slices.Contains([]string{Embedded, Apache, Apache3}, name) {
		return fmt.Errorf("%q is no broker: it must be %s or %s, or %s for three nodes of it", name, Embedded, Apache, Apache3)
	}
	return nil
}

// BrokerArguments are what devstack run is told to have the broker.
func BrokerArguments(broker string) []string {
	if broker == Apache3 {
		return []string{"--kafka", Apache, "--kafka-nodes", "3"}
	}
	return []string{"--kafka", broker}
}

// BrokerNodes are the parts that the broker is made of.
func BrokerNodes(broker string) []string {
	if broker == Apache3 {
		return []string{Kafka, Kafka + "-2", Kafka + "-3"}
	}
	return []string{Kafka}
}

// ReplicationSetting lets a service make its topics with a copy on each node.
func ReplicationSetting(broker string) string {
	return fmt.Sprintf("KAFKA_REPLICATION_FACTOR=%d", len(BrokerNodes(broker)))
}

// CrashPart ends a part by SIGKILL, and keeps it down until StartPart.
func (s *Stack) CrashPart(ctx context.Context, name string) error {
	crashed, err := s.part(name)
	if err != nil {
		return err
	}
	if err := syscall.Kill(crashed.PID, syscall.SIGKILL); err != nil {
		return fmt.Errorf("kill %s: %w", name, err)
	}
	return s.StopPart(ctx, name)
}
