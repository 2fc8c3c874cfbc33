package apachekafka

import (
	"slices"
	"strings"
	"testing"
)

// TestProperties: what is kept is on a majority of the nodes, and they have nothing but their voters in common.
func TestProperties(t *testing.T) {
	t.Parallel()
	one := &Cluster{Dir: "/data", Nodes: []Ports{{9092, 9093}}}
	three := &Cluster{Dir: "/data", Nodes: []Ports{{9092, 9093}, {9094, 9095}, {9096, 9097}}}
	for _, c := range []struct {
		broker *Broker
		want   []string
	}{
		{one.Broker(0), []string{
			"node.id=1", "controller.quorum.voters=1@127.0.0.1:9093", "log.dirs=/data/data",
			"offsets.topic.replication.factor=1", "min.insync.replicas=1", "transaction.state.log.min.isr=1",
		}},
		{three.Broker(2), []string{
			"node.id=3", "controller.quorum.voters=1@127.0.0.1:9093,2@127.0.0.1:9095,3@127.0.0.1:9097", "log.dirs=/data/3/data",
			"listeners=PLAINTEXT://127.0.0.1:9096,CONTROLLER://127.0.0.1:9097", "advertised.listeners=PLAINTEXT://127.0.0.1:9096",
			"offsets.topic.replication.factor=3", "min.insync.replicas=2", "transaction.state.log.min.isr=2",
		}},
	} {
		lines := strings.Split(c.broker.properties(), "\n")
		for _, want := range c.want {
			if !slices.Contains(lines, want) {
				t.Errorf("node %d lacks %s among %q", c.broker.id, want, lines)
			}
		}
	}
}

// TestIdentity: all nodes get the id that the first one made, also after a restart.
func TestIdentity(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := &Cluster{Dir: dir}
	made, err := first.identity()
	if err != nil || len(made) != 22 {
		t.Fatalf("got %q, %v; want 22 characters", made, err)
	}
	for _, c := range []*Cluster{first, {Dir: dir}} {
		if again, err := c.identity(); again != made || err != nil {
			t.Errorf("got %q, %v; want %q again", again, err, made)
		}
	}
}
