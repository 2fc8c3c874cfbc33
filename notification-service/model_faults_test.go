package main

import (
	"context"
	"regexp"
	"slices"
	"testing"

	"github.com/IBM/sarama"
	"pgregory.net/rapid"

	"github.com/steadfast-shop/steadfast/shared-kit/property"
	eventsv1 "github.com/steadfast-shop/steadfast/shared-proto/events/v1"
	"github.com/steadfast-shop/steadfast/shared-proto/topics"
)

// modelFault is a rule that is broken on purpose, by what a member stands on.
type modelFault struct {
	name   string
	breaks []string // the invariants by which it may be found
	apply  func(m *modelMember, h *handler, group sarama.ConsumerGroup) sarama.ConsumerGroup
}

func modelFaults() []modelFault {
	return []modelFault{
		{"ledger not written", []string{modelMailedOnce, modelRecorded}, func(_ *modelMember, h *handler, g sarama.ConsumerGroup) sarama.ConsumerGroup {
			h.links.producer = forgetful{h.links.producer}
			return g
		}},
		{"ledger not read", []string{modelMailedOnce}, func(_ *modelMember, h *handler, g sarama.ConsumerGroup) sarama.ConsumerGroup {
			h.load = func(context.Context, int32) error { return nil }
			return g
		}},
		{"ledger written before the mail", []string{modelMailed, modelDeadLetters}, func(_ *modelMember, h *handler, g sarama.ConsumerGroup) sarama.ConsumerGroup {
			h.mailer = hasty{h.mailer, h.links.producer}
			return g
		}},
		{"offset committed before sending", []string{modelMailed, modelRecorded, modelDeadLetters}, func(_ *modelMember, _ *handler, g sarama.ConsumerGroup) sarama.ConsumerGroup {
			return eager{g}
		}},
		{"membership not confirmed", []string{modelMailedOnce}, func(_ *modelMember, h *handler, g sarama.ConsumerGroup) sarama.ConsumerGroup {
			h.beat = func(sarama.ConsumerGroupSession) error { return nil }
			return g
		}},
		{"the server's refusals not heard", []string{modelMailed, modelDeadLetters}, func(_ *modelMember, h *handler, g sarama.ConsumerGroup) sarama.ConsumerGroup {
			h.mailer = deaf{h.mailer}
			return g
		}},
	}
}

// forgetful acknowledges what goes to the ledger and does not write it.
type forgetful struct{ sarama.SyncProducer }

func (p forgetful) SendMessage(record *sarama.ProducerMessage) (int32, int64, error) {
	if record.Topic == topics.NotificationLedger {
		return record.Partition, 0, nil
	}
	return p.SyncProducer.SendMessage(record)
}

// hasty writes the ledger before it sends.
type hasty struct {
	mailer
	producer sarama.SyncProducer
}

func (m hasty) Send(ctx context.Context, order *eventsv1.OrderPlaced) error {
	number := order.GetOrderNumber()
	_, _, _ = m.producer.SendMessage(&sarama.ProducerMessage{
		Topic: topics.NotificationLedger, Partition: modelPartitionOf(number), Key: sarama.StringEncoder(number), Value: sarama.StringEncoder(`{"messageId":"early"}`),
	})
	return m.mailer.Send(ctx, order)
}

// deaf takes every answer of the server for a yes.
type deaf struct{ mailer }

func (m deaf) Send(ctx context.Context, order *eventsv1.OrderPlaced) error {
	_ = m.mailer.Send(ctx, order)
	return nil
}

// eager marks and commits each record as it hands it out.
type eager struct{ sarama.ConsumerGroup }

func (g eager) Consume(ctx context.Context, names []string, h sarama.ConsumerGroupHandler) error {
	return g.ConsumerGroup.Consume(ctx, names, eagerHandler{h})
}

type eagerHandler struct{ sarama.ConsumerGroupHandler }

func (h eagerHandler) ConsumeClaim(s sarama.ConsumerGroupSession, c sarama.ConsumerGroupClaim) error {
	records, done := make(chan *sarama.ConsumerMessage), make(chan struct{})
	go func() {
		defer close(done)
		defer close(records)
		for record := range c.Messages() {
			s.MarkMessage(record, "")
			s.Commit()
			select {
			case records <- record:
			case <-s.Context().Done():
				return
			}
		}
	}()
	err := h.ConsumerGroupHandler.ConsumeClaim(s, eagerClaim{c, records})
	return err
}

type eagerClaim struct {
	sarama.ConsumerGroupClaim
	records chan *sarama.ConsumerMessage
}

func (c eagerClaim) Messages() <-chan *sarama.ConsumerMessage { return c.records }

// TestModelFindsDeliberateFaults breaks one rule at a time. Each must be found within so many histories, by an invariant that it breaks.
func TestModelFindsDeliberateFaults(t *testing.T) {
	const within = 3000
	for _, f := range modelFaults() {
		t.Run(f.name, func(t *testing.T) {
			e := modelExplorer{metrics: newModelMetrics()}
			steps := modelSteps()
			said := property.MustFail(t, within, func(r *property.Recorder) {
				rapid.Check(r, func(rt *rapid.T) { e.check(t, rt, steps, f) })
			})
			found := regexp.MustCompile(`failed after (\d+) tests: broken: (.*)`).FindStringSubmatch(said)
			if found == nil || !slices.Contains(f.breaks, found[2]) {
				t.Fatalf("it was found by another invariant than %q:\n%s", f.breaks, said)
			}
			t.Logf("broken after %s histories: %s", found[1], found[2])
		})
	}
}
