// Command order-service takes orders and keeps its word about them.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/steadfast-shop/steadfast/shared-kit/httpserver"
	"github.com/steadfast-shop/steadfast/shared-kit/process"

	"github.com/steadfast-shop/steadfast/order-service/internal/config"
	"github.com/steadfast-shop/steadfast/order-service/internal/events"
	"github.com/steadfast-shop/steadfast/order-service/internal/httpapi"
	"github.com/steadfast-shop/steadfast/order-service/internal/inventory"
	"github.com/steadfast-shop/steadfast/order-service/internal/mongodb"
	"github.com/steadfast-shop/steadfast/order-service/internal/order"
)

const service = "order-service"

func main() { os.Exit(process.Main(run)) }

func run(ctx context.Context) error {
	cfg, err := config.Load()
	if err != nil {
		return fmt.Errorf("%s cannot start:\n%w", service, err)
	}
	p, err := process.Start(ctx, service, cfg.Process)
	if err != nil {
		return err
	}
	defer p.Stop()

	database, err := mongodb.Open(cfg.MongoDB.Reveal())
	if err != nil {
		return err
	}
	p.OnStop("MongoDB", database.Close)
	p.Health.AddCheck("mongodb", database.Ping)
	p.Go("indexes", func(ctx context.Context) error { return database.KeepIndexing(ctx, p.Log) })
	journal, decisions := mongodb.NewJournal(database), mongodb.NewDecisions(database)
	p.Go("inserts", func(ctx context.Context) error { return mongodb.RunInserts(ctx, journal, decisions) })

	stock, err := inventory.Dial(cfg.Inventory)
	if err != nil {
		return err
	}
	p.OnStop("inventory client", func(context.Context) error { return stock.Close() })

	publisher := events.NewPublisher(cfg.Brokers, cfg.ReplicationFactor, p.Log)
	p.Go("Kafka producer", publisher.Run)
	relay := order.NewRelay(journal, publisher, p.Log)
	p.Go("outbox relay", relay.Run)

	orders := order.NewService(journal, decisions, stock, relay, time.Now)
	p.Go("sweeper", order.NewSweeper(orders, cfg.AbandonAfter, p.Log).Run)

	registerMetrics(p.Metrics, orders.Counts(), relay)
	engine := httpserver.NewEngine(service, cfg.RequestTimeout(), p.Log, p.Metrics)
	p.RegisterAdmin(engine)
	httpapi.Register(engine, orders)
	if err := p.ServeHTTP(ctx, "HTTP server", cfg.Port, httpserver.New(engine, cfg.RequestTimeout(), p.Log)); err != nil {
		return err
	}
	return p.Wait(ctx)
}
