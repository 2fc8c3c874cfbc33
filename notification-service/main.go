// The notification service mails each customer once for each placed order. See README.md.
package main

import (
	"context"
	"os"
	"time"

	"github.com/steadfast-shop/steadfast/notification-service/internal/mail"
	"github.com/steadfast-shop/steadfast/shared-kit/httpserver"
	"github.com/steadfast-shop/steadfast/shared-kit/process"
)

const (
	serviceName = "notification-service"
	adminLimit  = 5 * time.Second
)

func main() {
	if len(os.Args) > 1 {
		os.Exit(runCommand(os.Args[1:], os.Stdout, os.Stderr))
	}
	os.Exit(process.Main(run))
}

func run(ctx context.Context) error {
	cfg, err := loadConfig()
	if err != nil {
		return err
	}
	p, err := process.Start(ctx, serviceName, cfg.process)
	if err != nil {
		return err
	}
	defer p.Stop()

	sender, err := mail.NewSender(cfg.smtp)
	if err != nil {
		return err
	}
	p.OnStop("smtp", sender.Close)

	consumer := newConsumer(cfg, sender, newMetrics(p.Metrics), p.Log)
	p.Go("kafka", consumer.run)

	engine := httpserver.NewEngine(serviceName, adminLimit, p.Log, p.Metrics)
	p.RegisterAdmin(engine)
	if err := p.ServeHTTP(ctx, "http", cfg.port, httpserver.New(engine, adminLimit, p.Log)); err != nil {
		return err
	}
	return p.Wait(ctx)
}
