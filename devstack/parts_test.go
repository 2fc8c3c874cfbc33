package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/steadfast-shop/steadfast/devstack/internal/broker"
	"github.com/steadfast-shop/steadfast/devstack/internal/ports"
)

// startKafka runs the embedded broker in a process of its own.
func startKafka(t *testing.T, port int, dir string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(context.Background(), self, "part", "kafka", "--port", strconv.Itoa(port), "--dir", dir)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	ctx, cancel := context.WithTimeout(t.Context(), startLimit)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for broker.Ready(ports.Address(port))(ctx) != nil {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("the broker does not get ready")
		}
	}
	return cmd
}

// What the broker has acknowledged is there after kill -9, again and again, and
// the offsets that a group committed are, too.
func TestKafkaKeepsAcknowledgedRecordsWhenKilled(t *testing.T) {
	t.Parallel()
	free, err := ports.Free(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	dir, port := t.TempDir(), free[0]
	kafka := startKafka(t, port, dir)
	producer, err := kgo.NewClient(kgo.SeedBrokers(ports.Address(port)), kgo.DefaultProduceTopic("order-placed"), kgo.RequiredAcks(kgo.AllISRAcks()))
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	createTopic(t, producer)

	// The idempotent producer never gives a record up that may be on its way, so
	// it goes on through all of the broker's lives.
	const lives, each = 4, 200
	acknowledged := make(chan int, lives*each)
	go func() {
		defer close(acknowledged)
		for i := range lives * each {
			if err := producer.ProduceSync(t.Context(), kgo.StringRecord(strconv.Itoa(i))).FirstErr(); err != nil {
				t.Errorf("produce: %v", err)
				return
			}
			acknowledged <- i
		}
	}()
	for i := range acknowledged {
		if i%each == each/2 {
			_ = kafka.Process.Kill()
			_ = kafka.Wait()
			kafka = startKafka(t, port, dir)
		}
	}
	if got, want := readAll(t, port), int64(lives*each); got != want {
		t.Errorf("%d records are there, want the %d that were acknowledged, once each", got, want)
	}
	if got := readAll(t, port); got != 0 {
		t.Errorf("the group was given %d records again that it had committed", got)
	}
}

func createTopic(t *testing.T, client *kgo.Client) {
	t.Helper()
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = "order-placed", 6, 1
	request := kmsg.NewPtrCreateTopicsRequest()
	request.Topics = append(request.Topics, topic)
	response, err := request.RequestWith(t.Context(), client)
	if err != nil {
		t.Fatal(err)
	}
	if err := kerr.ErrorForCode(response.Topics[0].ErrorCode); err != nil {
		t.Fatal(err)
	}
}

// readAll counts the records that a group has not committed yet, and commits them.
func readAll(t *testing.T, port int) int64 {
	t.Helper()
	consumer, err := kgo.NewClient(kgo.SeedBrokers(ports.Address(port)), kgo.ConsumerGroup("reader"),
		kgo.ConsumeTopics("order-placed"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.DisableAutoCommit())
	if err != nil {
		t.Fatal(err)
	}
	defer consumer.Close()
	var n int64
	for {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		fetched := consumer.PollFetches(ctx)
		cancel()
		if err := fetched.Err0(); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		if fetched.NumRecords() == 0 {
			return n
		}
		n += int64(fetched.NumRecords())
		if err := consumer.CommitRecords(t.Context(), fetched.Records()...); err != nil {
			t.Fatal(err)
		}
	}
}
