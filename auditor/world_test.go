package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/jackc/pgx/v5"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/steadfast-shop/steadfast/shared-kit/kafka"
	"github.com/steadfast-shop/steadfast/shared-kit/stacktest"
	eventsv1 "github.com/steadfast-shop/steadfast/shared-proto/events/v1"
	"github.com/steadfast-shop/steadfast/shared-proto/topics"
)

const (
	// settingAuditor makes the test's program the auditor itself, so that a test can measure a process of its own.
	settingAuditor = "STEADFAST_TEST_AUDITOR"
	skus           = 100
	initial        = 1_000_000_000
	batch          = 1000
)

var stack *stacktest.Stack //nolint:gochecknoglobals // one stack for all tests of the package

func TestMain(m *testing.M) {
	if os.Getenv(settingAuditor) != "" {
		os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
	}
	os.Exit(stacktest.Main("ferretdb,kafka", func(running *stacktest.Stack) int {
		stack = running
		return m.Run()
	}))
}

// world is what the services leave behind, in real databases and topics. Tests have it one after the other, since the topics' names are fixed.
type world struct {
	t        *testing.T
	postgres *pgx.Conn
	mongodb  *mongo.Database
	client   sarama.Client
	producer sarama.SyncProducer
	config   map[string]string // the auditor's settings
	program  string            // the auditor's; "" is the test's own
}

func newWorld(t *testing.T) *world {
	t.Helper()
	name := fmt.Sprintf("audit_%d", time.Now().UnixNano())
	w := &world{t: t, config: map[string]string{"KAFKA_BOOTSTRAP_SERVERS": stack.Kafka}}
	w.openPostgres(name)
	w.openMongoDB(name)
	w.openKafka()
	for i := range skus {
		w.sql(`INSERT INTO stock (sku_code, quantity, initial_quantity) VALUES ($1, $2, $2)`, sku(i), initial)
	}
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) sql(statement string, values ...any) {
	w.t.Helper()
	_, err := w.postgres.Exec(w.t.Context(), statement, values...)
	w.must(err)
}

// openPostgres makes a database with the inventory's own migrations.
func (w *world) openPostgres(name string) {
	w.t.Helper()
	admin, err := pgx.Connect(w.t.Context(), stack.Postgres)
	w.must(err)
	_, err = admin.Exec(w.t.Context(), "CREATE DATABASE "+name)
	w.must(errors.Join(err, admin.Close(w.t.Context())))
	address, err := url.Parse(stack.Postgres)
	w.must(err)
	address.Path = "/" + name
	w.config["INVENTORY_POSTGRES_URL"] = address.String()
	w.postgres, err = pgx.Connect(w.t.Context(), address.String())
	w.must(err)
	w.t.Cleanup(func() { _ = w.postgres.Close(context.Background()) })
	files, err := filepath.Glob("../inventory-service/internal/postgres/migrations/*.sql")
	w.must(err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		w.must(err)
		up, _, found := strings.Cut(string(text), "-- +goose Down")
		if !found {
			w.t.Fatalf("%s has no way down", file)
		}
		w.sql(up)
	}
}

func (w *world) openMongoDB(name string) {
	w.t.Helper()
	address, err := url.Parse(stack.MongoDB)
	w.must(err)
	address.Path = "/" + name
	w.config["ORDER_MONGODB_URI"] = address.String()
	client, err := mongo.Connect(options.Client().ApplyURI(address.String()))
	w.must(err)
	w.t.Cleanup(func() { _ = client.Disconnect(context.Background()) })
	w.mongodb = client.Database(name)
}

// openKafka makes the topics anew.
func (w *world) openKafka() {
	w.t.Helper()
	brokers := []string{stack.Kafka}
	admin, err := sarama.NewClusterAdmin(brokers, kafka.NewConfig("test"))
	w.must(err)
	for _, topic := range topics.All(1) {
		if err := admin.DeleteTopic(topic.Name); err != nil && !errors.Is(err, sarama.ErrUnknownTopicOrPartition) {
			w.t.Fatal(err)
		}
	}
	w.must(admin.Close())
	w.client, err = kafka.Connect(w.t.Context(), brokers, manual(kafka.NewConfig("test")), topics.All(1), slog.New(slog.DiscardHandler))
	w.must(err)
	w.producer, err = sarama.NewSyncProducerFromClient(w.client)
	w.must(err)
	w.t.Cleanup(func() { _ = errors.Join(w.producer.Close(), w.client.Close()) })
}

func manual(config *sarama.Config) *sarama.Config {
	config.Producer.Partitioner = sarama.NewManualPartitioner
	return config
}

func sku(i int) string { return fmt.Sprintf("SKU-%03d", i%skus) }

func partitionOf(number string) int32 {
	partition, err := sarama.NewMurmur2Partitioner("").Partition(&sarama.ProducerMessage{Key: sarama.StringEncoder(number)}, topics.Partitions)
	if err != nil {
		panic(err)
	}
	return partition
}

// reserve records reservations of 2 units of one SKU each, and takes the stock.
func (w *world) reserve(numbers ...string) {
	w.t.Helper()
	rows := make([][]any, len(numbers))
	taken := map[string]int{}
	for i, number := range numbers {
		rows[i] = []any{number, "reserved", []map[string]any{{"sku_code": sku(i), "quantity": 2}}}
		taken[sku(i)] += 2
	}
	_, err := w.postgres.CopyFrom(w.t.Context(), pgx.Identifier{"reservations"}, []string{"id", "state", "lines"}, pgx.CopyFromRows(rows))
	w.must(err)
	for code, quantity := range taken {
		w.sql(`UPDATE stock SET quantity = quantity - $2 WHERE sku_code = $1`, code, quantity)
	}
}

func (w *world) decide(numbers ...string) {
	w.t.Helper()
	var documents []any
	for i, number := range numbers {
		documents = append(documents, bson.D{
			{Key: "_id", Value: number}, {Key: "status", Value: "PLACED"}, {Key: "userId", Value: "u"}, {Key: "decidedAt", Value: time.Now()},
			{Key: "lines", Value: bson.A{bson.D{{Key: "skuCode", Value: sku(i)}, {Key: "quantity", Value: int64(2)}, {Key: "priceMinor", Value: int64(2999)}, {Key: "priceDecimals", Value: 2}}}},
		})
	}
	for part := range slices.Chunk(documents, batch) {
		_, err := w.mongodb.Collection("orders").InsertMany(w.t.Context(), part)
		w.must(err)
	}
}

func (w *world) journal(number string, age time.Duration) {
	w.t.Helper()
	_, err := w.mongodb.Collection("inflight").InsertOne(w.t.Context(), bson.D{{Key: "_id", Value: number}, {Key: "receivedAt", Value: time.Now().Add(-age)}})
	w.must(err)
}

// event is the record of an order's event.
func event(i int, number string) *sarama.ProducerMessage {
	value, err := protojson.Marshal(&eventsv1.OrderPlaced{
		OrderNumber: number, Customer: &eventsv1.Customer{UserId: "u", Email: "u@customers.example"},
		Lines: []*eventsv1.OrderLine{{SkuCode: sku(i), Quantity: 2, UnitPriceMinor: 2999}},
	})
	if err != nil {
		panic(err)
	}
	return &sarama.ProducerMessage{Topic: topics.OrderPlaced, Partition: partitionOf(number), Key: sarama.StringEncoder(number), Value: sarama.ByteEncoder(value)}
}

func (w *world) publish(numbers ...string) {
	w.t.Helper()
	var records []*sarama.ProducerMessage
	for i, number := range numbers {
		records = append(records, event(i, number))
	}
	w.write(records)
}

// mail writes the ledger.
func (w *world) mail(numbers ...string) {
	w.t.Helper()
	var records []*sarama.ProducerMessage
	for _, number := range numbers {
		records = append(records, &sarama.ProducerMessage{Topic: topics.NotificationLedger, Partition: partitionOf(number),
			Key: sarama.StringEncoder(number), Value: sarama.StringEncoder(`{"messageId":"m","sentAt":"2026-01-02T03:04:05Z"}`)})
	}
	w.write(records)
}

func (w *world) write(records []*sarama.ProducerMessage) {
	w.t.Helper()
	for part := range slices.Chunk(records, batch) {
		w.must(w.producer.SendMessages(part))
	}
}

// commit says that the consumer has worked on all events.
func (w *world) commit() {
	w.t.Helper()
	request := &sarama.OffsetCommitRequest{Version: 2, ConsumerGroup: "notification-service", ConsumerGroupGeneration: sarama.GroupGenerationUndefined}
	for partition := range int32(topics.Partitions) {
		end, err := w.client.GetOffset(topics.OrderPlaced, partition, sarama.OffsetNewest)
		w.must(err)
		request.AddBlock(topics.OrderPlaced, partition, end, 0, "")
	}
	coordinator, err := w.client.Coordinator(request.ConsumerGroup)
	w.must(err)
	response, err := coordinator.CommitOffset(request)
	w.must(err)
	for _, partitions := range response.Errors {
		for _, failed := range partitions {
			if !errors.Is(failed, sarama.ErrNoError) {
				w.t.Fatal(failed)
			}
		}
	}
}

// place lets whole orders happen.
func (w *world) place(numbers ...string) {
	w.t.Helper()
	w.reserve(numbers...)
	w.decide(numbers...)
	w.publish(numbers...)
	w.mail(numbers...)
	w.commit()
}

// numbers returns order numbers that sort differently byte by byte than in most languages, too.
func numbers(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("%s-%06d", []string{"ORD", "ord", "Örd", "_"}[i%4], i)
	}
	return all
}
