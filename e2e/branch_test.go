package e2e_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/steadfast-shop/steadfast/e2e/internal/promises"
	"github.com/steadfast-shop/steadfast/e2e/internal/shop"
	"github.com/steadfast-shop/steadfast/e2e/internal/system"
)

const (
	// branchAbandonAfter is ORDER_ABANDON_AFTER of branches; it leaves a request 2 s.
	branchAbandonAfter = 8 * time.Second
	// branchSweepWithin is by when a branch's sweep must have ended what was abandoned.
	branchSweepWithin = branchAbandonAfter + 3*time.Second
)

// branch is a gateway, an order-service and an inventory-service beside the shared stack, with databases of their own on its servers. Broker and mails are the stack's.
// They can be killed and frozen without anyone else noticing, and nobody else ends their orders.
type branch struct {
	gateway, order, inventory *system.Service
	link                      *system.Link // from order-service to inventory-service
	shop                      *shop.Client
	settings                  []string
}

// newDatabase makes a database on the stack's PostgreSQL and returns its URL.
func newDatabase(t *testing.T, w *world) string {
	t.Helper()
	at, err := url.Parse(w.URLs.Postgres)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), w.URLs.Postgres)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	at.Path = newDatabaseName()
	if _, err := conn.Exec(t.Context(), "CREATE DATABASE "+pgx.Identifier{at.Path}.Sanitize()); err != nil {
		t.Fatal(err)
	}
	return at.String()
}

func newDatabaseName() string { return strings.ReplaceAll(newID("branch"), "-", "_") }

// newMongoDB returns the URI of a database of its own on the stack's MongoDB.
func newMongoDB(t *testing.T, w *world) string {
	t.Helper()
	at, err := url.Parse(w.URLs.MongoDB)
	if err != nil {
		t.Fatal(err)
	}
	at.Path = newDatabaseName()
	return at.String()
}

// startBranch starts a branch whose inventory is kept in the PostgreSQL database at the URL.
func startBranch(t *testing.T, w *world, postgres string, settings ...string) *branch {
	t.Helper()
	b := &branch{settings: append(w.Settings(), "ORDER_ABANDON_AFTER="+branchAbandonAfter.String(), "ORDER_MONGODB_URI="+newMongoDB(t, w), "INVENTORY_POSTGRES_URL="+postgres)}
	b.settings = append(b.settings, settings...)
	b.inventory = startService(t, system.Inventory, b.settings...)
	var err error
	if b.link, err = system.OpenLink(t.Context(), theSuite.ports, b.inventory.GRPC); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.link.Close() })
	b.settings = append(b.settings, "INVENTORY_GRPC_URI="+b.link.Address(), "INVENTORY_SERVICE_URI="+b.inventory.API)
	b.order = startService(t, system.Order, b.settings...)
	b.settings = append(b.settings, "ORDER_SERVICE_URI="+b.order.API)
	b.gateway = startService(t, system.Gateway, b.settings...)
	for _, service := range []*system.Service{b.inventory, b.order, b.gateway} {
		if err := service.WaitReady(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	b.shop = shop.NewChecked(b.gateway.API, theSuite.described.check)
	return b
}

// system is where the promises of the branch are checked, once the sweeper has looked at all that was cut off.
func (b *branch) system(w *world) promises.System {
	return promises.System{Shop: b.shop, Inbox: w.inbox, Orders: []string{b.order.URL}, Notifications: []string{w.URLs.Notification}, Quiet: branchSweepWithin}
}

// newStock puts a new SKU on the branch's stock.
func (b *branch) newStock(t *testing.T, record *promises.Record, quantity int64) (sku string) {
	t.Helper()
	sku = newID("SKU")
	if err := record.Stock(t.Context(), b.shop, sku, quantity); err != nil {
		t.Fatal(err)
	}
	return sku
}

// warmUp places an order, for the first one finds no connection open, and has less time here than in a stack.
func (b *branch) warmUp(t *testing.T, record *promises.Record, sku string) shop.Order {
	t.Helper()
	order := newOrder(sku, 1)
	if answer, err := placeStubbornly(t.Context(), b.shop, record, order, giveUpAfter); err != nil || answer.Status != http.StatusCreated {
		t.Fatalf("the first order: %s, %v; want 201", answer, err)
	}
	return order
}

// restart starts a service of a branch again after its end, at its old addresses.
func restart(t *testing.T, service **system.Service) {
	t.Helper()
	again, err := (*service).StartAgain(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	*service = again
	t.Cleanup(again.Kill)
	if err := again.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// wantFate waits until each order has the status.
func wantFate(t *testing.T, client *shop.Client, status string, orders []shop.Order) {
	t.Helper()
	for _, order := range orders {
		eventually(t, branchSweepWithin+giveUpAfter, func(ctx context.Context) error {
			fate, known, err := client.Fate(ctx, order.User.ID, order.Number)
			if err == nil && (!known || fate.Status != status) {
				err = fmt.Errorf("order %s is %q; want %s", order.Number, fate.Status, status)
			}
			return err
		})
	}
}
