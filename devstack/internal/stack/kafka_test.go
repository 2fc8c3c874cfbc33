package stack

import (
	"slices"
	"strings"
	"testing"

	"github.com/steadfast-shop/steadfast/devstack/internal/supervise"
)

// TestThreeNodes: each node is a part of its own, all are named to the services, which ask for a copy on each, and all are stopped at once.
func TestThreeNodes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		nodes                 int
		environment           []string
		names                 []string
		servers, copies, took string
	}{
		{nodes: 1, names: []string{Kafka}, servers: "127.0.0.1:9092", copies: "", took: "9092 9093"},
		{
			nodes: 3, names: []string{Kafka, Kafka2, Kafka3}, servers: "127.0.0.1:9092,127.0.0.1:9094,127.0.0.1:9096", copies: "3",
			took: "9092 9093 9094 9095 9096 9097",
		},
		{
			nodes: 3, environment: []string{"KAFKA_REPLICATION_FACTOR=2"}, names: []string{Kafka, Kafka2, Kafka3},
			servers: "127.0.0.1:9092,127.0.0.1:9094,127.0.0.1:9096", copies: "2", took: "9092 9093 9094 9095 9096 9097",
		},
		{nodes: 3, environment: []string{"KAFKA_BOOTSTRAP_SERVERS=there:1,here:2"}, servers: "there:1,here:2", copies: ""},
	} {
		settings, err := ReadSettings(t.Context(), c.environment, false)
		if err != nil {
			t.Fatal(err)
		}
		p := &Plan{options: Options{DataDir: t.TempDir(), ApacheKafka: true, KafkaNodes: c.nodes, Only: []string{Kafka}}, settings: settings}
		if err := p.choose(); err != nil {
			t.Fatal(err)
		}
		var names, took []string
		if !settings.External(Kafka) {
			for i, part := range p.kafka() {
				names = append(names, part.Name)
				if part.StopBeside != (i > 0) || !p.chosen[part.Name] {
					t.Errorf("%s: stopped beside the one before %t, chosen %t", part.Name, part.StopBeside, p.chosen[part.Name])
				}
			}
		}
		for _, need := range settings.needs(true) {
			if p.chosen[need.Part] {
				took = append(took, p.port(need.Setting))
			}
		}
		values := map[string]string{}
		p.kafkaTopics(values)
		if !slices.Equal(names, c.names) || p.kafkaServers() != c.servers || values[kafkaReplicas] != c.copies || strings.Join(took, " ") != c.took {
			t.Errorf("%d nodes with %q: got %q at %s with %s copies on the ports %q", c.nodes, c.environment, names, p.kafkaServers(), values[kafkaReplicas], took)
		}
	}
}

// TestDescribeNodes: each node is shown with its own address, and those that were not asked for come along.
func TestDescribeNodes(t *testing.T) {
	t.Parallel()
	settings, err := ReadSettings(t.Context(), []string{"INVENTORY_POSTGRES_URL=postgres://there/inventory", "ORDER_MONGODB_URI=mongodb://there/order"}, false)
	if err != nil {
		t.Fatal(err)
	}
	p := &Plan{options: Options{ApacheKafka: true, KafkaNodes: 3, Only: []string{Kafka2}}, settings: settings}
	if err := p.choose(); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, part := range p.Describe([]supervise.Status{{Name: Kafka, State: supervise.Ready}, {Name: Kafka2, State: supervise.Ready}, {Name: Kafka3, State: supervise.Ready}}) {
		if part.State == string(supervise.Ready) {
			got = append(got, part.Name+" "+strings.Join(part.Addresses, ","))
		}
	}
	if want := []string{"kafka 127.0.0.1:9092", "kafka-2 127.0.0.1:9094", "kafka-3 127.0.0.1:9096"}; !slices.Equal(got, want) {
		t.Errorf("got %q; want %q", got, want)
	}
}
