package e2e_test

import (
	"testing"

	"github.com/steadfast-shop/steadfast/e2e/internal/system"
)

// TestKillEachPart ends each part by SIGKILL while clients order. devstack starts it again, the clients go on with the same numbers, and in the end every promise holds.
func TestKillEachPart(t *testing.T) {
	if testing.Short() {
		t.Skip("short: kills each part, which takes a minute")
	}
	t.Parallel()
	w := ownWorld(t)
	// A killed consumer, or a mail server that dies before it says 250, leaves what was under way to be mailed again.
	mostRepeated := map[string]int{system.Notification: perPartition, system.Inbox: perPartition}
	loads := make(map[string]*load)
	for _, name := range []string{system.Gateway, system.Order, system.Inventory, system.Notification, system.Postgres, system.FerretDB, system.Kafka, system.Inbox} {
		t.Run("kill "+name, func(t *testing.T) {
			l := startLoad(t, w, w.shop)
			loads[name] = l
			l.waitForOrders(t, 20)
			if err := w.KillPart(t.Context(), name); err != nil {
				t.Fatal(err)
			}
			l.waitForOrders(t, 20)
		})
	}
	s := w.system()
	s.Quiet = sweepWithin
	for name, l := range loads {
		t.Run("after "+name, func(t *testing.T) { checkPromises(t, s, l.record, mostRepeated[name]) })
	}
}
