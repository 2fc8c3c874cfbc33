package topics_test

import (
	"testing"

	"github.com/steadfast-shop/steadfast/shared-proto/topics"
)

func TestAll(t *testing.T) {
	want := map[string][2]string{ // cleanup.policy, retention.ms
		"order-placed":        {"delete", "604800000"},
		"order-placed.retry":  {"delete", "604800000"},
		"order-placed.dlq":    {"delete", "2592000000"},
		"notification-ledger": {"compact,delete", "2592000000"},
	}
	for factor, minInSync := range map[int16]string{1: "", 2: "", 3: "2"} {
		all := topics.All(factor)
		if len(all) != len(want) {
			t.Errorf("%d topics; want %d", len(all), len(want))
		}
		for _, topic := range all {
			got := [2]string{topic.Config["cleanup.policy"], topic.Config["retention.ms"]}
			if got != want[topic.Name] || topic.Partitions != 6 || topic.ReplicationFactor != factor || topic.Config["min.insync.replicas"] != minInSync {
				t.Errorf("%+v; want %v, 6 partitions, %d replicas, min.insync.replicas %q", topic, want[topic.Name], factor, minInSync)
			}
		}
	}
}
