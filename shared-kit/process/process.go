// Package process starts and stops a service: what all of them need, and the order in which it goes away. What runs in it, the service's main.go shows.
package process

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/steadfast-shop/steadfast/shared-kit/health"
	"github.com/steadfast-shop/steadfast/shared-kit/logging"
	"github.com/steadfast-shop/steadfast/shared-kit/settings"
	"github.com/steadfast-shop/steadfast/shared-kit/telemetry"
)

// stopTimeout bounds the whole orderly stop, well below the 30 s after which orchestrators kill.
const stopTimeout = 8 * time.Second

// Main runs a service until SIGTERM or SIGINT and returns the process's exit status: 0 after an orderly stop, else 1. A second signal ends the process at once.
func Main(run func(ctx context.Context) error) int {
	ctx, restore := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer restore()
	context.AfterFunc(ctx, restore)
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// Process is a running service. Parts are started in the order of their dependence and stopped in the reverse one.
type Process struct {
	// Log is the service's log.
	Log *slog.Logger
	// Metrics collects what GET /metrics shows.
	Metrics *prometheus.Registry
	// Health is what GET /livez and GET /readyz tell.
	Health *health.Health

	settings settings.Process
	failed   chan error
	stops    []stop
}

// stop ends one part; it honours its context's deadline.
type stop struct {
	name string
	run  func(context.Context) error
}

// Start begins a service: log, metrics, health and traces.
func Start(ctx context.Context, service string, s settings.Process) (*Process, error) {
	p := &Process{
		Log:      logging.New(os.Stdout, service, s.LogLevel),
		Metrics:  prometheus.NewRegistry(),
		Health:   &health.Health{},
		settings: s,
		failed:   make(chan error, 1),
	}
	p.Metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	stopTraces, err := telemetry.Start(ctx, service, telemetry.Settings{Endpoint: s.OTLPEndpoint, Ratio: s.TraceRatio, Follow: s.TraceFollows}, p.Log)
	if err != nil {
		return nil, err
	}
	p.OnStop("traces", stopTraces)
	if s.PprofAddress != "" {
		if err := p.serveProfiles(ctx, s.PprofAddress); err != nil {
			p.Stop()
			return nil, err
		}
	}
	p.Log.InfoContext(ctx, "starting")
	return p, nil
}

// OnStop registers how a part ends. Parts end in the reverse order of registration.
func (p *Process) OnStop(name string, run func(context.Context) error) {
	p.stops = append(p.stops, stop{name, run})
}

// Go runs a part in the background. At its turn of the stop its context ends and it is waited for. A part that returns an error before that stops the service.
func (p *Process) Go(name string, run func(ctx context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := run(ctx); err != nil && ctx.Err() == nil {
			p.Fail(fmt.Errorf("%s: %w", name, err))
		}
	}()
	p.OnStop(name, func(stopping context.Context) error {
		cancel()
		select {
		case <-done:
			return nil
		case <-stopping.Done():
			return stopping.Err()
		}
	})
}

// Fail stops the service because of err.
func (p *Process) Fail(err error) {
	select {
	case p.failed <- err:
	default: // an earlier failure is stopping it already
	}
}

// Listen opens a TCP port on the host that the settings name.
func (p *Process) Listen(ctx context.Context, port int) (net.Listener, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", net.JoinHostPort(p.settings.ListenHost, strconv.Itoa(port)))
	if err != nil {
		return nil, fmt.Errorf("open port %d: %w", port, err)
	}
	return listener, nil
}

// ServeHTTP opens the port and serves on it. The stop closes the port, lets requests under way end, and cuts off what is left at its deadline.
func (p *Process) ServeHTTP(ctx context.Context, name string, port int, server *http.Server) error {
	listener, err := p.Listen(ctx, port)
	if err != nil {
		return err
	}
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			p.Fail(fmt.Errorf("%s: %w", name, err))
		}
	}()
	p.OnStop(name, func(stopping context.Context) error {
		err := server.Shutdown(stopping)
		if err != nil {
			err = errors.Join(err, server.Close())
		}
		return err
	})
	return nil
}

// RegisterAdmin adds health and metrics to a server's routes.
func (p *Process) RegisterAdmin(routes gin.IRoutes) {
	p.Health.Register(routes)
	routes.GET("/metrics", gin.WrapH(promhttp.HandlerFor(p.Metrics, promhttp.HandlerOpts{Registry: p.Metrics})))
}

// Wait reports the service ready, serves until ctx ends or a part fails, and stops all parts in order.
func (p *Process) Wait(ctx context.Context) error {
	p.Health.SetReady(true)
	p.Log.InfoContext(ctx, "ready")
	var failure error
	select {
	case <-ctx.Done():
	case failure = <-p.failed:
		p.Log.ErrorContext(ctx, "a part failed", "error", failure)
	}
	p.Stop()
	return failure
}

// Stop ends all parts in the reverse order of their start, within stopTimeout. It serves as a deferred call where a start fails halfway; a second call does nothing.
func (p *Process) Stop() {
	stops := p.stops
	p.stops = nil
	if len(stops) == 0 {
		return
	}
	wasReady := len(p.Health.Failing(context.Background())) == 0
	p.Health.SetReady(false)
	p.Log.Info("stopping")
	if wasReady && p.settings.ShutdownDelay > 0 {
		<-time.After(p.settings.ShutdownDelay)
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	for i := len(stops) - 1; i >= 0; i-- {
		began := time.Now()
		if err := stops[i].run(ctx); err != nil {
			p.Log.Warn("a part did not stop cleanly", "part", stops[i].name, "error", err)
		}
		p.Log.Debug("a part stopped", "part", stops[i].name, "duration", time.Since(began))
	}
	p.Log.Info("stopped")
}
