package traces

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/config/configgrpc"
	"go.opentelemetry.io/collector/config/confignet"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/otlpreceiver"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/steadfast-shop/steadfast/devstack/internal/page"
	"github.com/steadfast-shop/steadfast/devstack/internal/ports"
)

const stopWithin = 150 * time.Millisecond

// Run takes traces over OTLP/gRPC on otlpPort and shows them on pagePort, until ctx ends.
func Run(ctx context.Context, otlpPort, pagePort int, logger *slog.Logger) error {
	var listen net.ListenConfig
	pageListener, err := listen.Listen(ctx, "tcp", ports.Address(pagePort))
	if err != nil {
		return fmt.Errorf("listen for the page: %w", err)
	}
	store := NewStore()
	host := &host{failed: make(chan error, 1)}
	otlp, err := startReceiver(ctx, ports.Address(otlpPort), store, host)
	if err != nil {
		return errors.Join(fmt.Errorf("listen for traces: %w", err), pageListener.Close())
	}
	logger.InfoContext(ctx, "takes traces", "otlp", ports.Address(otlpPort), "page", ports.Address(pagePort))
	return serve(ctx, store, otlp, host, pageListener)
}

func serve(ctx context.Context, store *Store, otlp receiver.Traces, host *host, pageListener net.Listener) error {
	group, ctx := errgroup.WithContext(ctx)
	server := page.NewServer(ctx, newHandler(store))
	group.Go(func() error {
		if err := server.Serve(pageListener); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve page: %w", err)
		}
		return nil
	})
	group.Go(func() error {
		select {
		case err := <-host.failed:
			return fmt.Errorf("receive traces: %w", err)
		case <-ctx.Done():
			return nil
		}
	})
	group.Go(func() error {
		<-ctx.Done()
		stopped := make(chan error, 1)
		go func() { stopped <- otlp.Shutdown(context.WithoutCancel(ctx)) }()
		err := server.Close()
		select {
		case stopErr := <-stopped:
			return errors.Join(err, stopErr)
		case <-time.After(stopWithin): // a sender holds on; what it sends now is not kept anyway
			return err
		}
	})
	if err := group.Wait(); err != nil {
		return fmt.Errorf("traces: %w", err)
	}
	return nil
}

// startReceiver starts the OpenTelemetry collector's own receiver, which hands what it gets to the store.
func startReceiver(ctx context.Context, address string, store *Store, host component.Host) (receiver.Traces, error) {
	factory := otlpreceiver.NewFactory()
	config, ok := factory.CreateDefaultConfig().(*otlpreceiver.Config)
	if !ok {
		return nil, errors.New("the receiver's settings are not what they were")
	}
	grpc := configgrpc.NewDefaultServerConfig()
	grpc.NetAddr = confignet.AddrConfig{Endpoint: address, Transport: confignet.TransportTypeTCP}
	config.Protocols.GRPC = configoptional.Some(grpc)
	sink, err := consumer.NewTraces(func(_ context.Context, received ptrace.Traces) error {
		store.Add(read(received))
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("make the traces' consumer: %w", err)
	}
	otlp, err := factory.CreateTraces(ctx, receiver.Settings{
		ID: component.NewID(factory.Type()),
		TelemetrySettings: component.TelemetrySettings{
			Logger:         zap.NewNop(), // failures are returned, or told to the host
			TracerProvider: tracenoop.NewTracerProvider(),
			MeterProvider:  metricnoop.NewMeterProvider(),
			Resource:       pcommon.NewResource(),
		},
	}, config, sink)
	if err != nil {
		return nil, fmt.Errorf("make the receiver: %w", err)
	}
	if err := otlp.Start(ctx, host); err != nil {
		return nil, fmt.Errorf("start the receiver: %w", err)
	}
	return otlp, nil
}

// host is what the receiver runs in: it has no extensions, and hears of failures.
type host struct{ failed chan error }

// GetExtensions implements component.Host.
func (h *host) GetExtensions() map[component.ID]component.Component { return nil }

// Report implements componentstatus.Reporter.
func (h *host) Report(event *componentstatus.Event) {
	if event.Status() != componentstatus.StatusFatalError {
		return
	}
	select {
	case h.failed <- event.Err():
	default: // an earlier failure is ending us already
	}
}

var _ componentstatus.Reporter = (*host)(nil)
