package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"github.com/steadfast-shop/steadfast/notification-service/internal/mail"
)

const (
	// sessionTimeout is how long the group waits for a member's sign of life. It also is how long the mails of a killed member wait.
	sessionTimeout = 25 * time.Second
	// ledgerTime is what writing the ledger takes at the most, when Kafka is well.
	ledgerTime = 5 * time.Second
	// maxSilence is how old the last accepted sign may be when a mail starts: 5 s. The mail then has reached its server and the ledger before the group can have given the
	// partition away: age + mail.MaxSendTime + ledgerTime ≤ sessionTimeout.
	maxSilence = sessionTimeout - mail.MaxSendTime - ledgerTime

	heartbeatInterval = time.Second
)

var (
	// errNotMember means that this session may have lost its partitions.
	errNotMember = errors.New("membership of the consumer group is not certain")
	// errRefused means that the group answered a sign of life, and not with yes.
	errRefused = errors.New("the consumer group refused the heartbeat")
)

// membership knows whether a session still has its partitions. sarama does not tell when the group last heard of us, so the session gives signs of life of its own. What
// counts is when an accepted one was sent: a process that was frozen, or cut off from Kafka, finds it too old, and asks before it does anything else.
type membership struct {
	beat func() error // gives one sign of life; nil means that the group accepted it
	asks chan chan error

	mu       sync.Mutex
	accepted time.Time // when the last accepted sign was sent
}

func newMembership(beat func() error) *membership {
	return &membership{beat: beat, asks: make(chan chan error)}
}

// run gives a sign of life each second, and when confirm asks, until ctx ends.
func (m *membership) run(ctx context.Context) {
	ticker := time.NewTicker(heartbeatInterval)
	defer ticker.Stop()
	_ = m.sendSign() // confirm asks again where it matters
	for {
		select { // who waits for an answer comes first
		case answer := <-m.asks:
			m.tell(answer)
			continue
		default:
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			_ = m.sendSign()
		case answer := <-m.asks:
			m.tell(answer)
		}
	}
}

// tell answers whether the group still has us, without another sign of life where it has just answered one: several partitions ask at once.
func (m *membership) tell(answer chan<- error) {
	if m.isFresh() {
		answer <- nil
		return
	}
	answer <- m.sendSign()
}

func (m *membership) sendSign() error {
	sent := time.Now()
	err := m.beat()
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case err == nil:
		m.accepted = sent
	case errors.Is(err, errRefused):
		m.accepted = time.Time{}
	}
	return err
}

// confirm returns nil while a mail may start: the group accepted a sign of life not longer than maxSilence ago, or does so now.
func (m *membership) confirm(ctx context.Context) error {
	if m.isFresh() {
		return nil
	}
	answer := make(chan error, 1)
	select {
	case m.asks <- answer:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-answer:
		if err != nil {
			return fmt.Errorf("%w: %w", errNotMember, err)
		}
	case <-ctx.Done():
		return ctx.Err()
	}
	if !m.isFresh() {
		return fmt.Errorf("%w: the group's answer came too late", errNotMember)
	}
	return nil
}

// isFresh looks at the wall clock too: the monotonic one stands still while a machine sleeps.
func (m *membership) isFresh() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	silence := max(now.Sub(m.accepted), now.Round(0).Sub(m.accepted.Round(0)))
	return !m.accepted.IsZero() && silence <= maxSilence
}

// sendHeartbeat gives the group one sign of life of a session, over a client that has nothing else to do: on a shared connection it would wait behind other requests.
func sendHeartbeat(client sarama.Client, session sarama.ConsumerGroupSession) error {
	coordinator, err := client.Coordinator(consumerGroup)
	if err != nil {
		return fmt.Errorf("find the group's coordinator: %w", err)
	}
	response, err := coordinator.Heartbeat(&sarama.HeartbeatRequest{
		Version: 3, GroupId: consumerGroup, GenerationId: session.GenerationID(), MemberId: session.MemberID(),
	})
	if err != nil {
		_ = coordinator.Close()                      // a broken connection is opened anew at the next use
		_ = client.RefreshCoordinator(consumerGroup) // where the node is lost, the group moves to another
		return fmt.Errorf("send a heartbeat: %w", err)
	}
	switch {
	case errors.Is(response.Err, sarama.ErrNoError):
		return nil
	case errors.Is(response.Err, sarama.ErrNotCoordinatorForConsumer), errors.Is(response.Err, sarama.ErrConsumerCoordinatorNotAvailable):
		_ = client.RefreshCoordinator(consumerGroup) // the group has moved, and its members with it
		return fmt.Errorf("send a heartbeat: %w", response.Err)
	}
	return fmt.Errorf("%w: %w", errRefused, response.Err)
}
