package process

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof" // what it adds to the default mux is served nowhere: all servers have muxes of their own
	"runtime"
	"time"
)

// How closely locks and waits are looked at while profiles are served: one contention in ten, and one wait for each 10 µs spent waiting. Closer looks cost what they measure.
const (
	mutexFraction = 10
	blockRate     = 10_000 // nanoseconds
)

// serveProfiles serves net/http/pprof on an address of its own. The settings allow only loopback: a profile tells too much, and costs too much, for strangers.
func (p *Process) serveProfiles(ctx context.Context, address string) error {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("open the address for profiles: %w", err)
	}
	runtime.SetMutexProfileFraction(mutexFraction)
	runtime.SetBlockProfileRate(blockRate)
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index) // serves the named profiles below it, too
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	// A profile takes as long as its reader asks for, so there is no write timeout.
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			p.Fail(fmt.Errorf("profiles: %w", err))
		}
	}()
	p.OnStop("profiles", func(context.Context) error { return server.Close() })
	p.Log.InfoContext(ctx, "serving profiles", "address", listener.Addr().String())
	return nil
}
