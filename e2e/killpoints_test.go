package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/steadfast-shop/steadfast/shared-proto/topics"

	"github.com/steadfast-shop/steadfast/e2e/internal/failpoints"
	"github.com/steadfast-shop/steadfast/e2e/internal/kafka"
	"github.com/steadfast-shop/steadfast/e2e/internal/poll"
	"github.com/steadfast-shop/steadfast/e2e/internal/promises"
	"github.com/steadfast-shop/steadfast/e2e/internal/shop"
	"github.com/steadfast-shop/steadfast/e2e/internal/system"
)

const (
	consumerGroup = "notification-service"
	// reachedWithin is by when a point must have been reached: the longest wait is that for a group to give a consumer its partitions.
	reachedWithin = 40 * time.Second
	// soonAbandoned is ORDER_ABANDON_AFTER where a test wants the sweeper at work. It cancels what is under way for that long, which breaks no promise.
	soonAbandoned = 2 * time.Second
)

// victim is a service with fail points.
type victim struct {
	failpoints.Control
	service *system.Service
}

// victims are the services with fail points in a stack, and a gateway to them.
type victims struct {
	*world
	order, inventory, notification *victim
	// direct is a client of order-service: without a gateway, whose breaker would keep the orders back that the next crash needs.
	direct *shop.Client
	record *promises.Record
	sku    string
}

// startVictims puts services with fail points in the place of the stack's own.
func startVictims(t *testing.T) *victims {
	t.Helper()
	w := ownWorld(t, "ORDER_ABANDON_AFTER="+soonAbandoned.String())
	for _, name := range system.Services() {
		if err := w.StopPart(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	v := &victims{world: w, record: promises.NewRecord()}
	v.inventory = startVictim(t, system.Inventory, w.Settings()...)
	v.order = startVictim(t, system.Order, append(w.Settings(), "INVENTORY_GRPC_URI="+v.inventory.service.GRPC)...)
	host, port, err := net.SplitHostPort(startMoodyRelay(t, w.URLs.SMTP).address)
	if err != nil {
		t.Fatal(err)
	}
	v.notification = startVictim(t, system.Notification, append(w.Settings(), "SMTP_HOST="+host, "SMTP_PORT="+port)...)
	gateway := startService(t, system.Gateway, append(w.Settings(), "ORDER_SERVICE_URI="+v.order.service.API, "INVENTORY_SERVICE_URI="+v.inventory.service.API)...)
	if err := gateway.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.shop, v.direct = shop.NewChecked(gateway.API, theSuite.described.check), shop.New(v.order.service.API)
	v.sku = newStock(t, w, v.record, 100_000)
	return v
}

func startVictim(t *testing.T, name string, settings ...string) *victim {
	t.Helper()
	ports, err := theSuite.ports.Take(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	control := failpoints.Control{Address: net.JoinHostPort("127.0.0.1", ports[0])}
	place := system.Place{Programs: theSuite.withFailPoints(t), Logs: theSuite.dir, Ports: theSuite.ports}
	service, err := system.StartService(t.Context(), place, name, append(settings, failpoints.Setting+"="+control.Address)...)
	if err != nil {
		t.Fatal(err)
	}
	v := &victim{Control: control, service: service}
	t.Cleanup(func() { v.service.Kill() })
	if err := service.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	return v
}

// withFailPoints returns the folder with the programs that have fail points, which the first one to ask builds.
func (s *suite) withFailPoints(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(s.dir, "failpoints")
	s.building.Do(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), buildWithin)
		defer cancel()
		s.points, s.unbuilt = failpoints.Build(ctx, "..", dir)
	})
	if s.unbuilt != nil {
		t.Fatal(s.unbuilt)
	}
	return dir
}

// again starts the service once more, which was killed.
func (v *victim) again(t *testing.T) {
	t.Helper()
	service, err := v.service.StartAgain(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	v.service = service
	if err := service.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// system is where the promises are checked.
func (v *victims) system() promises.System {
	return promises.System{
		Shop: v.shop, Inbox: v.inbox, Orders: []string{v.order.service.URL}, Notifications: []string{v.notification.service.URL}, Quiet: soonAbandoned + 2*time.Second,
	}
}

// TestKillPoints crashes the order, the inventory and the notification service at each of their kill points, right before and right after every effect that they have on the outside, and
// starts them again. In the end every promise holds.
func TestKillPoints(t *testing.T) {
	if testing.Short() {
		t.Skip("short: crashes services forty times, which takes more than a minute")
	}
	t.Parallel()
	theSuite.withFailPoints(t)
	for _, name := range failpoints.Services() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := startVictims(t)
			crashed := 0
			for _, point := range theSuite.points {
				if point.Service == name && !point.IsFault() {
					crashed++
					t.Run(point.Name, func(t *testing.T) { v.crashAt(t, point) })
				}
			}
			checkKilled(t, v, name, crashed)
		})
	}
}

func checkKilled(t *testing.T, v *victims, name string, crashed int) {
	t.Helper()
	if crashed == 0 {
		t.Fatal("the service has no kill points")
	}
	mostRepeated := 0
	if name == system.Notification { // what was under way at each crash
		mostRepeated = crashed * perPartition
	}
	checkPromises(t, v.system(), v.record, mostRepeated)
}

// crashAt has the service stay at the point, kills it there, and starts it again.
func (v *victims) crashAt(t *testing.T, point failpoints.Point) {
	it := map[string]*victim{system.Order: v.order, system.Inventory: v.inventory, system.Notification: v.notification}[point.Service]
	bring := v.bringers()[point.Name]
	if bring == nil {
		bring = v.placeSome
	}
	if err := it.On(t.Context(), point.Name, failpoints.Stay); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), reachedWithin)
	defer cancel()
	reached, work := make(chan struct{}), sync.WaitGroup{}
	work.Go(func() {
		for { // what one does not bring about, the next one may: orders meet in batches by chance
			bring(t)
			timer := time.NewTimer(time.Second)
			select {
			case <-reached:
				timer.Stop()
				return
			case <-ctx.Done():
				timer.Stop()
				return
			case <-timer.C:
			}
		}
	})
	err := it.WaitReached(ctx, point.Name)
	close(reached)
	it.service.Kill()
	if _, endErr := it.service.WaitEnd(system.StopWithin); endErr != nil {
		t.Error(endErr)
	}
	if point.Service == system.Notification {
		if err := v.kafka.EndMembers(consumerGroup); err != nil {
			t.Error(err)
		}
	}
	it.again(t)
	work.Wait()
	if err != nil {
		t.Fatalf("the point was not reached: %v", err)
	}
}

// bringers bring processes to the points that some orders alone do not lead to.
func (v *victims) bringers() map[string]func(*testing.T) {
	terminate := v.terminate(v.notification.service)
	abandonUnreserved, abandonReserved := v.abandonAt("reserveCallBefore"), v.abandonAt("decisionBefore")
	return map[string]func(*testing.T){
		"createItemBefore": v.stockOne, "createItemAfter": v.stockOne,
		"adjustBefore": v.adjustOne, "adjustAfter": v.adjustOne,
		"reserveAloneBefore": v.placeCopies, "reserveAloneAfter": v.placeCopies,
		"releaseBefore": abandonReserved, "releaseAfter": abandonReserved,
		"releaseUnknownBefore": abandonUnreserved, "releaseUnknownAfter": abandonUnreserved,
		"cancelBefore": abandonReserved, "cancelAfter": abandonReserved,
		"releaseCallBefore": abandonReserved, "releaseCallAfter": abandonUnreserved,
		"deleteEachBefore": v.placeOne, "deleteEachAfter": v.placeOne,
		"putOffBefore": v.placeDeferred, "putOffAfter": v.placeDeferred,
		"deadLetterBefore": v.poison, "deadLetterAfter": v.poison,
		"lastCommitBefore": terminate, "lastCommitAfter": terminate,
	}
}

func (v *victims) place(t *testing.T, orders ...shop.Order) {
	var all sync.WaitGroup
	for _, order := range orders {
		all.Go(func() {
			if _, err := placeStubbornly(t.Context(), v.direct, v.record, order, giveUpAfter); err != nil && t.Context().Err() == nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

func (v *victims) placeOne(t *testing.T) { v.place(t, newOrder(v.sku, 1)) }

// placeDeferred places an order whose mail the server puts off once.
func (v *victims) placeDeferred(t *testing.T) {
	order := newOrder(v.sku, 1)
	order.User.Email = "deferred-" + order.User.Email
	v.place(t, order)
}

// placeSome places orders, one of which is refused.
func (v *victims) placeSome(t *testing.T) {
	orders := append(newOrders(v.sku, 4), newOrder(v.sku, 1_000_000))
	v.place(t, orders...)
}

// placeCopies sends one order many times at once.
func (v *victims) placeCopies(t *testing.T) {
	order := newOrder(v.sku, 1)
	copies := make([]shop.Order, 20)
	for i := range copies {
		copies[i] = order
	}
	v.place(t, copies...)
}

// abandonAt returns a function that has order-service lose an order at one of its points, so that the sweeper finds it.
func (v *victims) abandonAt(point string) func(*testing.T) {
	return func(t *testing.T) {
		if err := v.order.On(t.Context(), point, fmt.Sprintf("1*sleep(%d)", (2*soonAbandoned).Milliseconds())); err != nil {
			t.Log(err) // it may be down just now
			return
		}
		order := newOrder(v.sku, 1)
		_, err := v.record.Place(t.Context(), v.direct, order)
		if errors.Is(err, promises.ErrBadAnswer) {
			t.Error(err)
		}
	}
}

// stockOne puts a SKU on stock. A 409 says that an earlier try did.
func (v *victims) stockOne(t *testing.T) {
	sku := newID("SKU")
	v.stubbornly(t, func(ctx context.Context) (shop.Answer, error) { return v.shop.Stock(ctx, sku, 5) }, http.StatusCreated, http.StatusConflict)
	v.record.Adjusted(sku, 5)
}

func (v *victims) adjustOne(t *testing.T) {
	id := newID("A")
	v.stubbornly(t, func(ctx context.Context) (shop.Answer, error) { return v.shop.Adjust(ctx, v.sku, id, -3) }, http.StatusOK)
	v.record.Adjusted(v.sku, -3)
}

// stubbornly repeats a request until it is answered with one of the statuses.
func (v *victims) stubbornly(t *testing.T, request func(context.Context) (shop.Answer, error), want ...int) {
	ctx, cancel := context.WithTimeout(t.Context(), giveUpAfter)
	defer cancel()
	err := poll.Until(ctx, func(ctx context.Context) error {
		answer, err := request(ctx)
		if err == nil && !slices.Contains(want, answer.Status) {
			err = errors.New(answer.String())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// poison writes a record that is no event.
func (v *victims) poison(t *testing.T) {
	if _, err := v.kafka.Write(kafka.Record{Topic: topics.OrderPlaced, Key: []byte(newID("poison")), Value: []byte("not an event")}); err != nil {
		t.Error(err)
	}
}

// terminate returns a function that has the consumer stop in order, with events handled.
func (v *victims) terminate(consumer *system.Service) func(*testing.T) {
	return func(t *testing.T) {
		v.placeOne(t)
		if _, _, err := consumer.Terminate(); err != nil {
			t.Log(err) // it is dead already
		}
	}
}
