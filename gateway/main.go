// Gateway is the one public door: it routes requests to the services, and shields services and clients from each other's failures.
package main

import (
	"context"
	"net"
	"os"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/steadfast-shop/steadfast/shared-kit/httpserver"
	"github.com/steadfast-shop/steadfast/shared-kit/process"
)

// dialTimeout bounds the opening of a connection, so that a machine which is away costs a third of a try.
const dialTimeout = time.Second

func main() { os.Exit(process.Main(run)) }

// run serves until ctx ends.
func run(ctx context.Context) error {
	cfg, err := loadConfig()
	if err != nil {
		return err
	}
	p, err := process.Start(ctx, "gateway", cfg.Process)
	if err != nil {
		return err
	}
	defer p.Stop()

	gw := newGateway(cfg, (&net.Dialer{Timeout: dialTimeout}).DialContext, p.Log, p.Metrics)
	p.OnStop("connections to the upstreams", gw.close)
	p.Health.Register(gw.engine)

	admin := gin.New()
	p.RegisterAdmin(admin)
	if err := p.ServeHTTP(ctx, "admin server", cfg.AdminPort, httpserver.New(admin, cfg.Deadline, p.Log)); err != nil {
		return err
	}
	if err := p.ServeHTTP(ctx, "public server", cfg.Port, httpserver.New(gw, cfg.Deadline, p.Log)); err != nil {
		return err
	}
	return p.Wait(ctx)
}
