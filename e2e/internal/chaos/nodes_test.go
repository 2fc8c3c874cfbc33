package chaos

import (
	"testing"
	"time"

	"github.com/steadfast-shop/steadfast/shared-proto/topics"
)

// TestNodes: the further nodes of a broker are killed and frozen like any process, and mails may be repeated over it as they may over the first.
func TestNodes(t *testing.T) {
	options := Options{Seed: 1, Duration: 3 * time.Minute, Only: []Choice{{Kill, "kafka-2"}, {Freeze, "kafka-2"}}}
	if faults, err := Plan(options, links); err == nil {
		t.Errorf("without such a node got %v; want an error", faults)
	}
	options.Nodes = []string{"kafka-2", "kafka-3"}
	faults, err := Plan(options, links)
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[Kind]int)
	for _, fault := range faults {
		seen[fault.Kind]++
		if fault.Target != "kafka-2" || fault.cutMails() != topics.Partitions {
			t.Errorf("%s may repeat %d mails; want kafka-2, and %d", fault, fault.cutMails(), topics.Partitions)
		}
	}
	if seen[Kill] == 0 || seen[Freeze] == 0 {
		t.Errorf("got %v; want both kinds", seen)
	}
}
