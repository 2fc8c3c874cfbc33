// Command inventory-service keeps the stock: REST for its owners, gRPC for the order service.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/steadfast-shop/steadfast/inventory-service/internal/config"
	"github.com/steadfast-shop/steadfast/inventory-service/internal/grpcapi"
	"github.com/steadfast-shop/steadfast/inventory-service/internal/httpapi"
	"github.com/steadfast-shop/steadfast/inventory-service/internal/postgres"
	"github.com/steadfast-shop/steadfast/inventory-service/internal/stock"
	"github.com/steadfast-shop/steadfast/shared-kit/httpserver"
	"github.com/steadfast-shop/steadfast/shared-kit/process"
)

// requestLimit bounds the work on one request. The gateway waits 3 s for it, the order service 1.5 s.
const requestLimit = 2 * time.Second

func main() { os.Exit(process.Main(run)) }

func run(ctx context.Context) error {
	cfg, err := config.Load()
	if err != nil {
		return err
	}
	p, err := process.Start(ctx, "inventory-service", cfg.Process)
	if err != nil {
		return err
	}
	defer p.Stop()

	repository, err := postgres.Open(ctx, cfg.PostgresURL.Reveal())
	if err != nil {
		return err
	}
	p.OnStop("database", repository.Close)
	p.Go("reservations", repository.RunReservations)
	p.Go("migrations", func(ctx context.Context) error { return repository.KeepMigrating(ctx, p.Log) })
	p.Health.AddCheck("database", repository.Check)
	p.Metrics.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "inventory_reservations_waiting", Help: "Reservations that wait to go to the database together. Above 100 for long: it does not keep up.",
	}, func() float64 { return float64(repository.WaitingReservations()) }))
	inventory := stock.NewService(repository)

	listener, err := p.Listen(ctx, cfg.GRPCPort)
	if err != nil {
		return err
	}
	rpc := grpcapi.NewServer(inventory, requestLimit, p.Log, p.Metrics)
	p.Go("gRPC health", func(ctx context.Context) error { return rpc.FollowHealth(ctx, repository.Check) })
	go func() {
		if err := rpc.Serve(listener); err != nil {
			p.Fail(fmt.Errorf("gRPC server: %w", err))
		}
	}()
	p.OnStop("gRPC server", rpc.Stop)

	engine := httpserver.NewEngine("inventory-service", requestLimit, p.Log, p.Metrics)
	p.RegisterAdmin(engine)
	httpapi.Register(engine, inventory)
	if err := p.ServeHTTP(ctx, "HTTP server", cfg.HTTPPort, httpserver.New(engine, requestLimit, p.Log)); err != nil {
		return err
	}
	return p.Wait(ctx)
}
