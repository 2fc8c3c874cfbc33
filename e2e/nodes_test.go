package e2e_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/steadfast-shop/steadfast/e2e/internal/shop"
	"github.com/steadfast-shop/steadfast/e2e/internal/system"
	"github.com/steadfast-shop/steadfast/shared-proto/topics"
)

const (
	// frozenNode is longer than the cluster waits for a sign of life of a node (9 s) and a client for its answer (10 s).
	frozenNode = 15 * time.Second
	// pacedEach lets the clients place some twenty orders a second.
	pacedEach = 250 * time.Millisecond
)

// TestNodeOfThreeIsLost kills each of three nodes of Apache Kafka in turn, and freezes one, while clients order: every order is answered as ever, what is ordered without a killed node
// is mailed before it is back, and in the end every promise holds.
func TestNodeOfThreeIsLost(t *testing.T) {
	if theSuite.broker != system.Apache3 {
		t.Skipf("needs three nodes: %s=%s", settingKafka, system.Apache3)
	}
	w := ownWorld(t)
	wantReplicated(t, w)
	loads := make(map[string]*load)
	lose := func(name, node string, how func(t *testing.T, w *world, l *load, node string)) {
		t.Run(name+" "+node, func(t *testing.T) {
			l := startPacedLoad(t, w, pacedEach, w.shop)
			loads[name+" "+node] = l
			l.waitForOrders(t, 20)
			how(t, w, l, node)
			l.waitForOrders(t, 20)
			l.stop()
			if bad := l.record.Answers(http.StatusServiceUnavailable) + l.record.Answers(0); bad > 0 {
				t.Errorf("%d requests had no good answer", bad)
			}
			wantReplicated(t, w)
		})
	}
	for _, node := range system.BrokerNodes(theSuite.broker) {
		lose("kill", node, killNode)
	}
	lose("freeze", system.Kafka, freezeNode)
	for name, l := range loads {
		t.Run("after "+name, func(t *testing.T) { checkPromises(t, w.system(), l.record, perPartition) })
	}
}

// killNode kills a node, and starts it again once an order that was placed without it has been mailed without it.
func killNode(t *testing.T, w *world, l *load, node string) {
	t.Cleanup(func() { ok(t, w.StartPart(context.WithoutCancel(t.Context()), node)) })
	ok(t, w.CrashPart(t.Context(), node))
	order := orderWithout(t, w, l, node)
	wantMailed(t, w, order, readdressed)
	l.waitForOrders(t, 20)
	startPart(t, w, node)
}

// freezeNode freezes a node for so long that the others give it up, while orders go on. Their mails may take longer: a consumer that has asked the node waits 45 s for its answer, and the
// group then up to 25 s for the consumer.
func freezeNode(t *testing.T, w *world, l *load, node string) {
	thaw, err := w.FreezePart(node)
	ok(t, err)
	defer thaw()
	order := orderWithout(t, w, l, node)
	keepOrdering(t, w, l.record, newStock(t, w, l.record, 100), frozenNode)
	thaw()
	wantMailed(t, w, order, 2*readdressed)
}

// orderWithout places an order while a node is lost.
func orderWithout(t *testing.T, w *world, l *load, node string) shop.Order {
	t.Helper()
	order := newOrder(newStock(t, w, l.record, 10), 1)
	if answer, err := l.record.Place(t.Context(), w.shop, order); err != nil || answer.Status != http.StatusCreated {
		t.Errorf("without %s an order was answered %s, %v; want 201", node, answer, err)
	}
	return order
}

// wantMailed waits until an order that was just placed is mailed.
func wantMailed(t *testing.T, w *world, order shop.Order, within time.Duration) {
	t.Helper()
	began := time.Now()
	eventually(t, within, func(ctx context.Context) error {
		mails, err := w.inbox.ByRecipient(ctx)
		if err == nil && len(mails[strings.ToLower(order.User.Email)]) == 0 {
			err = fmt.Errorf("order %s is not mailed", order.Number)
		}
		return err
	})
	t.Logf("mailed after %v", time.Since(began).Round(time.Millisecond))
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
