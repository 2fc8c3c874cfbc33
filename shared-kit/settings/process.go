package settings

import (
	"log/slog"
	"net/netip"
	"net/url"
	"strings"
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
	// TraceRatio is the share of the traces begun here that are recorded, from 0 to 1: OTEL_TRACES_SAMPLER_ARG where OTEL_TRACES_SAMPLER is a ratio.
	TraceRatio float64
	// TraceFollows says that a caller's traces are recorded as the caller's own spans are, whatever the ratio: the parentbased_ samplers, one of which is the default.
	TraceFollows bool
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
	readSampler(r, &p)
	return p
}

// readSampler reads the samplers of the OpenTelemetry specification that need no server of their own.
func readSampler(r *Reader, p *Process) {
	name := r.OneOf("OTEL_TRACES_SAMPLER", "parentbased_always_on",
		"always_on", "always_off", "traceidratio", "parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio")
	ratio := r.Number("OTEL_TRACES_SAMPLER_ARG", 1, 0, 1)
	name, p.TraceFollows = strings.CutPrefix(name, "parentbased_")
	switch name {
	case "always_on":
		p.TraceRatio = 1
	case "traceidratio":
		p.TraceRatio = ratio
	}
}

// isLoopback tells whether only this machine reaches what listens on the address.
func isLoopback(address string) bool {
	at, err := netip.ParseAddrPort(address)
	return err == nil && at.Addr().IsLoopback()
}
