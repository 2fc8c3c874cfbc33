package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/IBM/sarama"

	"github.com/steadfast-shop/steadfast/shared-kit/kafka"
)

// group answers signs of life as it is told.
type group struct {
	answer atomic.Pointer[error]
	delay  atomic.Int64
}

func (g *group) set(err error) { g.answer.Store(&err) }

func (g *group) beat() error {
	<-time.After(time.Duration(g.delay.Load()))
	if err := g.answer.Load(); err != nil {
		return *err
	}
	return nil
}

// startMembership runs a membership until the test ends.
func startMembership(t *testing.T, g *group) (*membership, context.Context) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	m := newMembership(g.beat)
	var running sync.WaitGroup
	running.Go(func() { m.run(ctx) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	synctest.Wait()
	return m, ctx
}

func TestMembership(t *testing.T) {
	refused := fmt.Errorf("%w: unknown member", errRefused)
	away := errors.New("connection refused")
	tests := []struct {
		name    string
		happens func(g *group)
		after   time.Duration
		want    bool
	}{
		{"all well", func(*group) {}, time.Hour, true},
		{"refused", func(g *group) { g.set(refused) }, 2 * time.Second, false},
		{"Kafka away for a moment", func(g *group) { g.set(away) }, 3 * time.Second, true},
		{"Kafka away for longer", func(g *group) { g.set(away) }, maxSilence + 2*time.Second, false},
		{"answers come too late", func(g *group) { g.delay.Store(int64(maxSilence + time.Second)) }, time.Minute, false},
		{"answers come late", func(g *group) { g.delay.Store(int64(maxSilence / 2)) }, time.Minute, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := &group{}
				m, ctx := startMembership(t, g)
				test.happens(g)
				<-time.After(test.after)
				if err := m.confirm(ctx); (err == nil) != test.want || err != nil && !errors.Is(err, errNotMember) {
					t.Errorf("got %v, want membership confirmed: %t", err, test.want)
				}
			})
		})
	}
}

// A process that was stopped (SIGSTOP) or a machine that slept finds its last sign too old, and asks at once.
func TestMembershipAfterAFreeze(t *testing.T) {
	for _, stillMember := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			g := &group{}
			m, ctx := startMembership(t, g)
			m.mu.Lock()
			m.accepted = m.accepted.Add(-time.Hour) // as after an hour without running
			m.mu.Unlock()
			if !stillMember {
				g.set(errRefused)
			}
			if err := m.confirm(ctx); (err == nil) != stillMember {
				t.Errorf("got %v, want membership confirmed: %t", err, stillMember)
			}
		})
	}
}

func TestConfirmEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := newMembership(func() error { return nil }).confirm(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want %v", err, context.DeadlineExceeded)
		}
	})
}

func TestMailEndsBeforeTheGroupGivesThePartitionAway(t *testing.T) {
	if maxSilence < 3*heartbeatInterval {
		t.Errorf("got %s of allowed silence, want a few heartbeats' time", maxSilence)
	}
}

// movingGroup is a client whose group is coordinated by a node that is gone, until it asks anew.
type movingGroup struct {
	sarama.Client
	sarama.ConsumerGroupSession
	known, next *sarama.Broker
}

func (g *movingGroup) Coordinator(string) (*sarama.Broker, error) {
	_ = g.known.Open(kafka.NewConfig("test")) // it may be open
	return g.known, nil
}

func (g *movingGroup) RefreshCoordinator(string) error {
	g.known = g.next
	return nil
}

func (*movingGroup) GenerationID() int32 { return 1 }
func (*movingGroup) MemberID() string    { return "nobody" }

// TestHeartbeatFollowsTheGroup: where the node is lost that coordinated the group, the next sign of life goes to the one that does now.
func TestHeartbeatFollowsTheGroup(t *testing.T) {
	t.Parallel()
	gone := newCluster(t)
	g := &movingGroup{known: sarama.NewBroker(gone.ListenAddrs()[0]), next: sarama.NewBroker(newCluster(t).ListenAddrs()[0])}
	gone.Close()
	if err := sendHeartbeat(g, g); err == nil || errors.Is(err, errRefused) {
		t.Errorf("from a node that is gone: got %v, want no answer", err)
	}
	if err := sendHeartbeat(g, g); !errors.Is(err, errRefused) {
		t.Errorf("from the node that has the group now: got %v, want that it does not know the member", err)
	}
	_ = g.known.Close()
}
