package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/steadfast-shop/steadfast/notification-service/internal/deadletter"
	"github.com/steadfast-shop/steadfast/notification-service/internal/ledger"
	"github.com/steadfast-shop/steadfast/notification-service/internal/mail"
	"github.com/steadfast-shop/steadfast/shared-kit/kafka"
	"github.com/steadfast-shop/steadfast/shared-kit/kafka/partition"
	"github.com/steadfast-shop/steadfast/shared-kit/property"
	eventsv1 "github.com/steadfast-shop/steadfast/shared-proto/events/v1"
	"github.com/steadfast-shop/steadfast/shared-proto/topics"
)

const (
	callMail    = "mail"
	callPublish = "publish to "
	// refusedOrder is an order whose address the mail server refuses, and poison a record that is no event.
	refusedOrder = "R"
	poison       = "poison"
)

// modelHistory is one run of two members of the group. Mails and writes to Kafka move only when the history says so; the group goes by its clock.
type modelHistory struct {
	t       testing.TB
	network *property.Network
	kafka   *modelKafka
	metrics *metrics
	fault   modelFault

	places  [2]*modelMember // nil where none runs
	started [2]int
	members []*modelMember
	running sync.WaitGroup

	steps  int
	lines  []string
	events map[string]bool            // orders and poison that were published
	mails  map[string]int             // that the server has taken
	excuse map[string]int             // how many mails may be repeated
	sent   map[string]map[string]bool // by member: orders whose mail was taken, whether it knows or not
	taken  []*property.Message        // mails that were taken, whose senders wait for the answer
}

// modelMember is one process: the real consumer's loop, handler, notifier, ledger, membership and publisher.
type modelMember struct {
	history *modelHistory
	id      string
	stop    context.CancelFunc
}

func newModelHistory(t testing.TB, f modelFault, m *metrics) *modelHistory {
	h := &modelHistory{
		t:       t,
		network: property.NewNetwork(errModelCut), kafka: newModelKafka(), metrics: m, fault: f,
		events: make(map[string]bool), mails: make(map[string]int), excuse: make(map[string]int), sent: make(map[string]map[string]bool),
	}
	h.start(0)
	h.start(1)
	return h
}

func (h *modelHistory) note(format string, args ...any) {
	h.lines = append(h.lines, fmt.Sprintf(format, args...))
}

// start runs a member in one of the places.
func (h *modelHistory) start(place int) {
	h.started[place]++
	m := &modelMember{history: h, id: fmt.Sprintf("%d%c", place+1, 'a'+h.started[place]-1)}
	ctx, stop := context.WithCancel(context.Background())
	m.stop = stop
	h.places[place], h.members = m, append(h.members, m)
	h.note("%s starts", m.id)
	h.running.Go(func() { m.run(ctx) })
}

// run is consumer.run with links that need no network.
func (m *modelMember) run(ctx context.Context) {
	h, log := m.history, slog.New(slog.DiscardHandler)
	book := ledger.New(log, func() {})
	c := &consumer{log: log, metrics: h.metrics, ledger: book}
	for ctx.Err() == nil {
		work := &handler{
			log: log, metrics: h.metrics, ledger: book, tracer: noop.NewTracerProvider().Tracer(""), mailer: modelMailer{m},
			links: &links{client: modelClient{k: h.kafka}, producer: modelProducer{m: m}},
			load: func(ctx context.Context, number int32) error {
				if h.kafka.isCut(m.id) {
					return errModelCut
				}
				records := h.kafka.log(topics.NotificationLedger, number)
				return book.Read(ctx, number, partition.Span{End: int64(len(records))}, func(span partition.Span) ledger.Source {
					return &modelSource{records[span.First:span.End]}
				})
			},
			beat:   func(s sarama.ConsumerGroupSession) error { return h.kafka.beat(m.id, s.GenerationID()) },
			failed: make(chan error, 1), end: func() {},
		}
		group := sarama.ConsumerGroup(modelGroup{k: h.kafka, member: m.id})
		if h.fault.apply != nil {
			group = h.fault.apply(m, work, group)
		}
		_ = c.joinGroup(ctx, group, work)
		_ = waitFor(ctx, time.Second)
	}
	h.kafka.leave(m.id)
}

// modelMailer is the way to the mail server.
type modelMailer struct{ m *modelMember }

func (modelMailer) MessageID(number string) string { return number + "@shop.example" }

// Send implements mailer.
func (s modelMailer) Send(ctx context.Context, order *eventsv1.OrderPlaced) error {
	ctx, cancel := context.WithTimeout(ctx, mail.MaxSendTime)
	defer cancel()
	h, number := s.m.history, order.GetOrderNumber()
	message := &property.Message{From: s.m.id, Call: callMail, About: number}
	failure, err := property.Send(ctx, h.network, message, property.Effects[*mail.Failure]{
		Whole: func() (*mail.Failure, error) {
			if number == refusedOrder {
				return &mail.Failure{Kind: mail.Refused, Code: 550}, nil
			}
			h.take(message)
			return nil, nil //nolint:nilnil // no failure, no error
		},
		Half: func() (*mail.Failure, error) { return &mail.Failure{Kind: mail.Deferred, Code: 450}, nil },
	})
	switch {
	case err != nil:
		return &mail.Failure{Kind: mail.Unavailable}
	case failure != nil:
		return failure
	}
	return nil
}

// take is the mail server's: the mail goes to its customer.
func (h *modelHistory) take(message *property.Message) {
	number := message.About
	h.mails[number]++
	if h.sent[message.From] == nil {
		h.sent[message.From] = make(map[string]bool)
	}
	h.sent[message.From][number] = true
	h.taken = append(h.taken, message)
}

// modelProducer is a member's way to Kafka's logs.
type modelProducer struct {
	sarama.SyncProducer
	m *modelMember
}

// SendMessage implements sarama.SyncProducer.
func (p modelProducer) SendMessage(record *sarama.ProducerMessage) (int32, int64, error) {
	h := p.m.history
	message := &property.Message{From: p.m.id, Call: callPublish + record.Topic, About: keyOf(record)}
	_, err := property.Send(context.Background(), h.network, message, property.Effects[struct{}]{Whole: func() (struct{}, error) {
		h.kafka.write(record)
		return struct{}{}, nil
	}})
	return record.Partition, 0, err
}

// publish is order-service's: it writes an event.
func (h *modelHistory) publish(key string, number int32) {
	record := &sarama.ProducerMessage{Topic: topics.OrderPlaced, Partition: number, Key: sarama.StringEncoder(key), Value: sarama.StringEncoder("not an event")}
	if key != poison {
		record.Value = sarama.ByteEncoder(orderValue(h.t, key))
	}
	h.note("%s is published to partition %d", key, number)
	h.events[key] = true
	h.kafka.write(record)
}

// crash ends a member at once. What it has sent is lost, or still arrives.
func (h *modelHistory) crash(place int, stillArrives bool) {
	m := h.places[place]
	h.note("%s crashes", m.id)
	h.places[place] = nil
	for _, number := range h.underWay(m.id) {
		h.excuse[number]++
	}
	delete(h.sent, m.id)
	h.kill(m)
	for _, message := range h.network.UnderWay() {
		if message.From == m.id && !message.IsGone() {
			if stillArrives && !message.HasArrived() {
				h.note("%s is still under way", message)
				h.network.Hold(message)
			} else {
				h.network.Lose(message)
			}
		}
	}
}

func (h *modelHistory) kill(m *modelMember) {
	h.network.Kill(m.id)
	h.kafka.setCut(m.id, true)
	m.stop()
}

// underWay returns the orders whose mails a member is sending, or has sent without the ledger having them.
func (h *modelHistory) underWay(member string) (numbers []string) {
	for number := range h.sent[member] {
		if !h.isRecorded(number) {
			numbers = append(numbers, number)
		}
	}
	for _, message := range h.network.UnderWay() {
		if message.From == member && message.Call == callMail && !slices.Contains(numbers, message.About) && !h.isRecorded(message.About) {
			numbers = append(numbers, message.About)
		}
	}
	return numbers
}

func (h *modelHistory) isRecorded(number string) bool {
	return slices.ContainsFunc(h.kafka.log(topics.NotificationLedger, modelPartitionOf(number)), func(record *sarama.ConsumerMessage) bool {
		return string(record.Key) == number
	})
}

// pass lets time go by, and with each second the group's coordinator looks at its clock.
func (h *modelHistory) pass(d time.Duration) {
	h.note("%s pass", d)
	for ; d > 0; d -= time.Second {
		time.Sleep(min(d, time.Second))
		h.network.UnderWay()
		lost := h.kafka.tick()
		for _, number := range slices.Sorted(maps.Keys(lost)) {
			loser := lost[number]
			h.note("partition %d is taken from %s", number, loser)
			for _, order := range h.underWay(loser) {
				if modelPartitionOf(order) == number {
					h.excuse[order]++
				}
			}
		}
		h.network.UnderWay()
	}
}

// answer lets a message arrive, unless it has, and brings its answer back.
func (h *modelHistory) answer(m *property.Message) {
	if !m.HasArrived() {
		h.note("%s arrives", m)
		h.network.Arrive(m)
	}
	if !m.IsGone() {
		h.note("%s is answered", m)
		h.taken = slices.DeleteFunc(h.taken, func(taken *property.Message) bool { return taken == m })
		h.network.Answer(m)
	}
}

func (h *modelHistory) lose(m *property.Message) {
	h.note("%s is lost", m)
	if slices.Contains(h.taken, m) {
		h.excuseUnanswered(m)
	}
	h.network.Lose(m)
}

// excuseUnanswered allows for a repetition: the server has the mail, and its sender does not know.
func (h *modelHistory) excuseUnanswered(m *property.Message) {
	h.excuse[m.About]++
	h.taken = slices.DeleteFunc(h.taken, func(taken *property.Message) bool { return taken == m })
}

// The invariants.
const (
	modelMailedOnce  = "an order is mailed once, and once more for each time that its mail was under way when something broke"
	modelMailed      = "every placed order is mailed"
	modelRecorded    = "the ledger has every order that was mailed"
	modelWorkedOff   = "every record is worked off"
	modelDeadLetters = "dead letters are what cannot be mailed, and nothing else"
)

// judge checks what must hold at any time.
func (h *modelHistory) judge() (invariant, detail string) {
	h.network.UnderWay()
	for _, m := range slices.Clone(h.taken) {
		if m.IsGone() {
			h.excuseUnanswered(m)
		}
	}
	for _, number := range slices.Sorted(maps.Keys(h.mails)) {
		if mails := h.mails[number]; mails > 1+h.excuse[number] {
			return modelMailedOnce, fmt.Sprintf("%s was mailed %d times, of which %d may be repetitions", number, mails, h.excuse[number])
		}
	}
	return "", ""
}

// settle lets everything come to its end without further faults, and checks what must hold then.
func (h *modelHistory) settle() (invariant, detail string) {
	h.note("from here on nothing fails")
	for place, m := range h.places {
		if m == nil {
			h.start(place)
		} else {
			h.kafka.setCut(m.id, false)
		}
	}
	for round := 0; round < 3 || !h.isWorkedOff(); round++ {
		if round == 12 {
			return modelWorkedOff, fmt.Sprint("up to ", h.kafka.committed)
		}
		for range 10 {
			for under := h.network.UnderWay(); len(under) > 0; under = h.network.UnderWay() {
				h.answer(under[0])
			}
			if invariant, detail := h.judge(); invariant != "" {
				return invariant, detail
			}
			h.pass(5 * time.Second)
		}
	}
	return h.judgeEnd()
}

func (h *modelHistory) isWorkedOff() bool {
	h.kafka.mu.Lock()
	defer h.kafka.mu.Unlock()
	for at, log := range h.kafka.logs {
		isRead := at.topic == topics.OrderPlaced || at.topic == topics.OrderPlacedRetry
		if isRead && h.kafka.committed[at] != int64(len(log)) {
			return false
		}
	}
	return true
}

func (h *modelHistory) judgeEnd() (invariant, detail string) {
	dead := make(map[string]string)
	for number := range int32(modelPartitions) {
		for _, record := range h.kafka.log(topics.OrderPlacedDLQ, number) {
			dead[string(record.Key)] = kafka.Header(record.Headers, deadletter.HeaderReason)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(h.events)) {
		isDead := key == refusedOrder || key == poison
		switch {
		case isDead != (dead[key] != ""):
			return modelDeadLetters, fmt.Sprintf("%s: %q", key, dead[key])
		case isDead:
		case h.mails[key] == 0:
			return modelMailed, key + " was not"
		case !h.isRecorded(key):
			return modelRecorded, key + " is not there"
		}
	}
	return "", ""
}

// end stops whatever still runs.
func (h *modelHistory) end() {
	for _, m := range h.members {
		h.kill(m)
	}
	for _, m := range h.network.UnderWay() {
		h.network.Lose(m)
	}
	h.running.Wait()
}

func (h *modelHistory) String() string { return strings.Join(h.lines, "\n") }

func modelPartitionOf(number string) int32 {
	at, err := partitionOf(number, modelPartitions)
	if err != nil { // it has no way to fail
		panic(errors.Join(errors.New("find a partition"), err))
	}
	return at
}

func newModelMetrics() *metrics { return newMetrics(prometheus.NewRegistry()) }
