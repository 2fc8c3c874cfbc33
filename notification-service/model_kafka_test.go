package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"github.com/steadfast-shop/steadfast/shared-kit/kafka/partition"
	"github.com/steadfast-shop/steadfast/shared-proto/topics"
)

// modelPartitions is how many partitions each topic of a modelKafka has.
const modelPartitions = 2

var errModelCut = errors.New("cut by the history")

// modelKafka is a broker in memory: logs, and the coordinator of one group. Time passes in it only by tick.
type modelKafka struct {
	mu        sync.Mutex
	logs      map[topicPartition][]*sarama.ConsumerMessage
	committed map[topicPartition]int64
	news      chan struct{} // closed when a log or the group changes

	seats      map[string]*seat // the group's members
	generation int32
	preparing  bool // the group waits for its members to join
	since      time.Time
	cut        map[string]bool // members that do not reach it
	owners     map[int32]string
}

// seat is a member of the group.
type seat struct {
	heard  time.Time
	joined bool
	claims map[string][]int32 // nil before the first assignment
}

func newModelKafka() *modelKafka {
	return &modelKafka{
		logs: make(map[topicPartition][]*sarama.ConsumerMessage), committed: make(map[topicPartition]int64), news: make(chan struct{}),
		seats: make(map[string]*seat), cut: make(map[string]bool), owners: make(map[int32]string),
	}
}

// tell wakes all who wait for news; k.mu is held.
func (k *modelKafka) tell() {
	close(k.news)
	k.news = make(chan struct{})
}

func (k *modelKafka) write(record *sarama.ProducerMessage) {
	k.mu.Lock()
	defer k.mu.Unlock()
	at := topicPartition{record.Topic, record.Partition}
	k.logs[at] = append(k.logs[at], consumed(record, int64(len(k.logs[at]))))
	k.tell()
}

func (k *modelKafka) log(topic string, number int32) []*sarama.ConsumerMessage {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.logs[topicPartition{topic, number}])
}

func (k *modelKafka) setCut(member string, cut bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.cut[member] = cut
	k.tell()
}

func (k *modelKafka) isCut(member string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.cut[member]
}

// join takes part in the group and returns once the group is complete.
func (k *modelKafka) join(ctx context.Context, member string) (generation int32, claims map[string][]int32, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.cut[member] {
		return 0, nil, errModelCut
	}
	s := k.seats[member]
	if s == nil {
		s = &seat{}
		k.seats[member] = s
	}
	s.joined, s.heard = true, time.Now()
	k.prepare()
	for s.joined {
		news := k.news
		k.mu.Unlock()
		select {
		case <-ctx.Done():
		case <-news:
		}
		k.mu.Lock()
		if ctx.Err() != nil || k.cut[member] || k.seats[member] != s {
			return 0, nil, cmp.Or(ctx.Err(), errModelCut)
		}
	}
	return k.generation, maps.Clone(s.claims), nil
}

// prepare begins a rebalance; k.mu is held.
func (k *modelKafka) prepare() {
	if !k.preparing {
		k.preparing, k.since = true, time.Now()
	}
}

func (k *modelKafka) leave(member string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.seats[member] != nil && !k.cut[member] {
		delete(k.seats, member)
		k.prepare()
	}
}

// beat takes a sign of life; errRefused where the member must join anew.
func (k *modelKafka) beat(member string, generation int32) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := k.seats[member]
	switch {
	case k.cut[member]:
		return errModelCut
	case s == nil || generation != k.generation:
		return fmt.Errorf("%w: another generation", errRefused)
	}
	s.heard = time.Now()
	if k.preparing {
		return fmt.Errorf("%w: a rebalance is under way", errRefused)
	}
	return nil
}

func (k *modelKafka) commit(member string, generation int32, marked map[topicPartition]int64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.cut[member] && k.seats[member] != nil && generation == k.generation {
		maps.Copy(k.committed, marked)
	}
}

// tick lets the coordinator look at its clock. It returns who has had which partition until now and has lost it.
func (k *modelKafka) tick() (lost map[int32]string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for name, s := range k.seats {
		if s.joined && !k.cut[name] {
			s.heard = time.Now()
		}
		if time.Since(s.heard) > sessionTimeout {
			delete(k.seats, name)
			k.prepare()
		}
	}
	waits := slices.ContainsFunc(slices.Collect(maps.Values(k.seats)), func(s *seat) bool { return !s.joined })
	if !k.preparing || waits && time.Since(k.since) < rebalanceTimeout {
		return nil
	}
	k.preparing = false
	k.generation++
	for name, s := range k.seats {
		if !s.joined {
			delete(k.seats, name)
		}
	}
	members := slices.Sorted(maps.Keys(k.seats))
	before := k.owners
	k.owners, lost = make(map[int32]string), make(map[int32]string)
	for i, name := range members {
		s := k.seats[name]
		s.joined, s.heard, s.claims = false, time.Now(), make(map[string][]int32)
		for number := range int32(modelPartitions) {
			if int(number)%len(members) == i {
				s.claims[topics.OrderPlaced] = append(s.claims[topics.OrderPlaced], number)
				s.claims[topics.OrderPlacedRetry] = append(s.claims[topics.OrderPlacedRetry], number)
				k.owners[number] = name
			}
		}
	}
	for number, owner := range before {
		if k.owners[number] != owner {
			lost[number] = owner
		}
	}
	k.tell()
	return lost
}

// modelSource reads a log.
type modelSource struct{ records []*sarama.ConsumerMessage }

func (s *modelSource) Next(context.Context) (*sarama.ConsumerMessage, error) {
	if len(s.records) == 0 {
		return nil, partition.ErrEnd
	}
	record := s.records[0]
	s.records = s.records[1:]
	return record, nil
}

// modelClient is what the handler asks of a Kafka client.
type modelClient struct {
	sarama.Client
	k *modelKafka
}

func (modelClient) RefreshMetadata(...string) error { return nil }

func (modelClient) Partitions(string) ([]int32, error) { return make([]int32, modelPartitions), nil }

func (c modelClient) GetOffset(topic string, number int32, _ int64) (int64, error) {
	return int64(len(c.k.log(topic, number))), nil
}

// modelGroup is a member's place in the group, as sarama keeps it.
type modelGroup struct {
	sarama.ConsumerGroup
	k      *modelKafka
	member string
}

// Consume implements sarama.ConsumerGroup: one session, from its join to its end.
func (g modelGroup) Consume(ctx context.Context, _ []string, handler sarama.ConsumerGroupHandler) error {
	generation, claims, err := g.k.join(ctx, g.member)
	if err != nil {
		return err
	}
	ctx, end := context.WithCancel(ctx)
	defer end()
	s := &modelSession{group: g, ctx: ctx, generation: generation, claims: claims, marked: make(map[topicPartition]int64)}
	if err := handler.Setup(s); err != nil {
		return errors.Join(err, handler.Cleanup(s))
	}
	var parts sync.WaitGroup
	parts.Go(func() {
		for waitFor(ctx, heartbeatInterval) == nil {
			if errors.Is(g.k.beat(g.member, generation), errRefused) {
				end()
			}
		}
	})
	for topic, numbers := range claims {
		for _, number := range numbers {
			c := &modelClaim{at: topicPartition{topic, number}, records: make(chan *sarama.ConsumerMessage)}
			c.first = g.k.position(c.at)
			parts.Go(func() { c.feed(s) })
			parts.Go(func() {
				defer end()
				_ = handler.ConsumeClaim(s, c) // it returns nil
			})
		}
	}
	parts.Wait()
	return handler.Cleanup(s)
}

func (k *modelKafka) position(at topicPartition) int64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.committed[at]
}

// modelSession implements sarama.ConsumerGroupSession.
type modelSession struct {
	group      modelGroup
	ctx        context.Context //nolint:containedctx // sarama's interface hands it out
	generation int32
	claims     map[string][]int32

	mu     sync.Mutex
	marked map[topicPartition]int64
}

func (s *modelSession) Claims() map[string][]int32               { return s.claims }
func (s *modelSession) MemberID() string                         { return s.group.member }
func (s *modelSession) GenerationID() int32                      { return s.generation }
func (s *modelSession) Context() context.Context                 { return s.ctx }
func (s *modelSession) ResetOffset(string, int32, int64, string) {}

func (s *modelSession) MarkOffset(topic string, number int32, offset int64, _ string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := topicPartition{topic, number}
	s.marked[at] = max(s.marked[at], offset)
}

func (s *modelSession) MarkMessage(record *sarama.ConsumerMessage, _ string) {
	s.MarkOffset(record.Topic, record.Partition, record.Offset+1, "")
}

func (s *modelSession) Commit() {
	s.mu.Lock()
	marked := maps.Clone(s.marked)
	s.mu.Unlock()
	s.group.k.commit(s.group.member, s.generation, marked)
}

// modelClaim implements sarama.ConsumerGroupClaim.
type modelClaim struct {
	at      topicPartition
	first   int64
	records chan *sarama.ConsumerMessage
}

func (c *modelClaim) Topic() string                            { return c.at.topic }
func (c *modelClaim) Partition() int32                         { return c.at.partition }
func (c *modelClaim) InitialOffset() int64                     { return c.first }
func (c *modelClaim) HighWaterMarkOffset() int64               { return c.first }
func (c *modelClaim) Messages() <-chan *sarama.ConsumerMessage { return c.records }

// feed hands out the log's records as they come, until the session ends.
func (c *modelClaim) feed(s *modelSession) {
	defer close(c.records)
	k := s.group.k
	for next := c.first; ; {
		k.mu.Lock()
		news, log := k.news, k.logs[c.at]
		k.mu.Unlock()
		if next < int64(len(log)) && !k.isCut(s.group.member) {
			select {
			case c.records <- log[next]:
				next++
			case <-s.ctx.Done():
				return
			}
			continue
		}
		select {
		case <-news:
		case <-s.ctx.Done():
			return
		}
	}
}
