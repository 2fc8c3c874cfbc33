// Package events publishes what happened to orders on Kafka: events.v1 as protobuf JSON, with CloudEvents 1.0 attributes in the headers.
package events

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/IBM/sarama"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/steadfast-shop/steadfast/shared-kit/kafka"
	"github.com/steadfast-shop/steadfast/shared-kit/telemetry"
	eventsv1 "github.com/steadfast-shop/steadfast/shared-proto/events/v1"
	"github.com/steadfast-shop/steadfast/shared-proto/topics"

	"github.com/steadfast-shop/steadfast/order-service/internal/order"
)

const (
	clientID  = "order-service"
	eventType = "shop.steadfast.events.v1.OrderPlaced"
	source    = "/order-service"
)

// errNotReady answers while no broker has been reached, or the broker has not answered for the batch before.
var errNotReady = errors.New("no Kafka broker has been reached yet, or it does not answer")

// Publisher publishes events once Run has reached a broker.
type Publisher struct {
	brokers  []string
	topics   []topics.Topic
	log      *slog.Logger
	producer chan sarama.SyncProducer // holds the producer once there is one, and while nothing is being sent
}

// NewPublisher returns a publisher for the brokers, each host:port. Missing topics are made with the given replication factor.
func NewPublisher(brokers []string, replicationFactor int16, log *slog.Logger) *Publisher {
	return &Publisher{brokers: brokers, topics: topics.All(replicationFactor), log: log, producer: make(chan sarama.SyncProducer, 1)}
}

// Run connects, as long as it takes, and closes the connection when ctx ends.
func (p *Publisher) Run(ctx context.Context) error {
	config := kafka.NewConfig(clientID)
	client, err := kafka.Connect(ctx, p.brokers, config, p.topics, p.log)
	if err != nil {
		return err
	}
	producer, err := sarama.NewSyncProducerFromClient(client)
	if err != nil {
		return fmt.Errorf("open the producer: %w", errors.Join(err, client.Close()))
	}
	p.log.InfoContext(ctx, "connected to Kafka")
	p.producer <- producer
	<-ctx.Done()
	return errors.Join(producer.Close(), client.Close())
}

// Publish implements order.Publisher. Where ctx ends first, events whose answer is missing count as not published, though they may have been.
func (p *Publisher) Publish(ctx context.Context, batch []order.Event) []error {
	var producer sarama.SyncProducer
	select {
	case producer = <-p.producer:
	case <-ctx.Done():
		return allFailed(len(batch), errNotReady)
	}
	messages, spans := make([]*sarama.ProducerMessage, len(batch)), make([]trace.Span, len(batch))
	for i, event := range batch {
		messages[i], spans[i] = newMessage(ctx, event)
	}
	results := p.send(ctx, producer, messages)
	for i, span := range spans {
		kafka.EndPublish(span, len(batch), results[i])
	}
	return results
}

// send returns each message's answer. It has taken the producer, and sees to it that it goes back.
func (p *Publisher) send(ctx context.Context, producer sarama.SyncProducer, messages []*sarama.ProducerMessage) []error {
	sent := make(chan error, 1)
	go func() { // it takes no context; what outlives ours keeps the next batch back, so that a silent broker does not find them piled up
		// gofail: var publishBefore struct{}
		err := producer.SendMessages(messages)
		// gofail: var publishAfter struct{}
		p.producer <- producer
		sent <- err
	}()
	select {
	case err := <-sent:
		return resultsOf(messages, err)
	case <-ctx.Done():
		return allFailed(len(messages), ctx.Err())
	}
}

// newMessage makes the event's record and the span of its sending, which belongs to the request that placed the order.
func newMessage(ctx context.Context, event order.Event) (*sarama.ProducerMessage, trace.Span) {
	ctx, span := kafka.StartPublish(telemetry.Continue(ctx, event.TraceParent), topics.OrderPlaced, event.Order.Number)
	headers := []sarama.RecordHeader{
		header("ce_specversion", "1.0"),
		header("ce_id", event.Order.Number),
		header("ce_source", source),
		header("ce_type", eventType),
		header("ce_time", event.PlacedAt.UTC().Format(time.RFC3339Nano)),
		header("content-type", "application/json"),
	}
	kafka.InjectTrace(ctx, &headers)
	return &sarama.ProducerMessage{
		Topic:   topics.OrderPlaced,
		Key:     sarama.StringEncoder(event.Order.Number),
		Value:   sarama.ByteEncoder(encode(event)),
		Headers: headers,
	}, span
}

func header(name, value string) sarama.RecordHeader {
	return sarama.RecordHeader{Key: []byte(name), Value: []byte(value)}
}

func encode(event order.Event) []byte {
	customer := event.Order.Customer
	message := &eventsv1.OrderPlaced{
		OrderNumber: event.Order.Number,
		Customer:    &eventsv1.Customer{UserId: customer.UserID, Email: customer.Email, FirstName: customer.FirstName, LastName: customer.LastName},
		Lines:       make([]*eventsv1.OrderLine, len(event.Order.Lines)),
		PlacedAt:    timestamppb.New(event.PlacedAt),
	}
	for i, line := range event.Order.Lines {
		message.Lines[i] = &eventsv1.OrderLine{SkuCode: line.SKU, Quantity: line.Quantity, UnitPriceMinor: line.Price.Minor()}
	}
	value, err := protojson.Marshal(message)
	if err != nil { // only invalid UTF-8 fails, and that does not pass validation
		panic(err)
	}
	return value
}

// resultsOf gives each message its own answer.
func resultsOf(messages []*sarama.ProducerMessage, err error) []error {
	results := make([]error, len(messages))
	var failed sarama.ProducerErrors
	if err == nil {
		return results
	}
	if !errors.As(err, &failed) {
		return allFailed(len(messages), err)
	}
	place := make(map[*sarama.ProducerMessage]int, len(messages))
	for i, message := range messages {
		place[message] = i
	}
	for _, f := range failed {
		results[place[f.Msg]] = f.Err
	}
	return results
}

func allFailed(n int, err error) []error {
	results := make([]error, n)
	for i := range results {
		results[i] = err
	}
	return results
}
