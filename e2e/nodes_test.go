package e2e_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/steadfast-shop/steadfast/e2e/internal/system"
	"github.com/steadfast-shop/steadfast/shared-proto/topics"
)

// TestNodeOfThreeIsLost kills each of three nodes of Apache Kafka in turn, and freezes each, while clients order: every order is answered at once, what is ordered without the node
// is mailed before it is back, and in the end every promise holds.
func TestNodeOfThreeIsLost(t *testing.T) {
	if theSuite.broker != system.Apache3 {
		t.Skipf("needs three nodes: %s=%s", settingKafka, system.Apache3)
	}
	w := ownWorld(t)
	wantReplicated(t, w)
	loads := make(map[string]*load)
	for _, lost := range []struct {
		how  string
		lose func(t *testing.T, node string) (bringBack func())
	}{
		{"kill", func(t *testing.T, node string) func() {
			t.Cleanup(func() { ok(t, w.StartPart(context.WithoutCancel(t.Context()), node)) })
			ok(t, w.CrashPart(t.Context(), node))
			return func() { startPart(t, w, node) }
		}},
		{"freeze", func(t *testing.T, node string) func() {
			thaw, err := w.FreezePart(node)
			ok(t, err)
			t.Cleanup(thaw)
			return thaw
		}},
	} {
		for _, node := range system.BrokerNodes(theSuite.broker) {
			name := lost.how + " " + node
			t.Run(name, func(t *testing.T) {
				l := startLoad(t, w, w.shop)
				loads[name] = l
				l.waitForOrders(t, 20)
				bringBack := lost.lose(t, node)
				order := newOrder(newStock(t, w, l.record, 10), 1)
				if answer, err := l.record.Place(t.Context(), w.shop, order); err != nil || answer.Status != http.StatusCreated {
					t.Errorf("without %s an order was answered %s, %v; want 201", node, answer, err)
				}
				eventually(t, readdressed, func(ctx context.Context) error {
					mails, err := w.inbox.ByRecipient(ctx)
					if err == nil && len(mails[strings.ToLower(order.User.Email)]) == 0 {
						err = fmt.Errorf("what was ordered without %s is not mailed without it", node)
					}
					return err
				})
				l.waitForOrders(t, 20)
				bringBack()
				l.stop()
				if bad := l.record.Answers(http.StatusServiceUnavailable) + l.record.Answers(0); bad > 0 {
					t.Errorf("%d requests had no good answer", bad)
				}
				wantReplicated(t, w)
			})
		}
	}
	for name, l := range loads {
		t.Run("after "+name, func(t *testing.T) { checkPromises(t, w.system(), l.record, perPartition) })
	}
}

// wantReplicated waits until every topic, and the one in which Kafka keeps the offsets, is on all three nodes.
func wantReplicated(t *testing.T, w *world) {
	t.Helper()
	names := []string{"__consumer_offsets"}
	for _, topic := range topics.All(3) {
		names = append(names, topic.Name)
	}
	eventually(t, readdressed, func(context.Context) error {
		for _, name := range names[1:] {
			_, settings, err := w.kafka.Describe(name)
			if err != nil {
				return err
			}
			if settings["min.insync.replicas"] != "2" {
				return fmt.Errorf("%s has min.insync.replicas %q; want 2", name, settings["min.insync.replicas"])
			}
		}
		return w.kafka.CheckReplicas(3, names...)
	})
}
