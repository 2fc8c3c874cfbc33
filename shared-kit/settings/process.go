package settings

import (
	"log/slog"
	"net/netip"
	"net/url"
	"time"
)

// Process holds the settings that every service has.
type Process struct {
	// ListenHost is LISTEN_HOST, the address that servers bind to; empty means all interfaces.
	ListenHost string
	// LogLevel is LOG_LEVEL: debug, info (default), warn or error.
	LogLevel slog.Level
	// OTLPEndpoint is OTEL_EXPORTER_OTLP_ENDPOINT, where traces go over OTLP/gRPC; nil (not set) means no traces.
	OTLPEndpoint *url.URL
	// ShutdownDelay is SHUTDOWN_DELAY: how long a stopping service still serves after it says that it is not ready, so that load balancers notice. Default 0.
	ShutdownDelay time.Duration
	// PprofAddress is PPROF_ADDRESS, a loopback host:port on which profiles are served; port 0 takes a free one. Empty (not set) means no profiles.
	PprofAddress string
}

// ReadProcess reads the settings that every service has.
func ReadProcess(r *Reader) Process {
	p := Process{
		ListenHost:    r.Text("LISTEN_HOST", ""),
		ShutdownDelay: r.Duration("SHUTDOWN_DELAY", 0, 0, time.Minute),
		PprofAddress:  r.Text("PPROF_ADDRESS", ""),
	}
	if p.PprofAddress != "" && !isLoopback(p.PprofAddress) {
		r.Reject("PPROF_ADDRESS", "must be an address of this machine alone, such as 127.0.0.1:6060, or 127.0.0.1:0 for a free port")
	}
	if err := p.LogLevel.UnmarshalText([]byte(r.OneOf("LOG_LEVEL", "info", "debug", "info", "warn", "error"))); err != nil {
		r.Reject("LOG_LEVEL", err.Error())
	}
	if r.Text("OTEL_EXPORTER_OTLP_ENDPOINT", "") != "" {
		p.OTLPEndpoint = r.URL("OTEL_EXPORTER_OTLP_ENDPOINT", "", "http", "https")
	}
	return p
}

// isLoopback tells whether only this machine reaches what listens on the address.
func isLoopback(address string) bool {
	at, err := netip.ParseAddrPort(address)
	return err == nil && at.Addr().IsLoopback()
}
