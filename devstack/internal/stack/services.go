package stack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"slices"
	"time"

	"github.com/steadfast-shop/steadfast/devstack/internal/supervise"
)

// spanDelay is OpenTelemetry's own setting for how long spans wait to be sent together, in milliseconds.
const spanDelay = "OTEL_BSP_SCHEDULE_DELAY"

var errNotReady = errors.New("not ready")

// service is one of the four, with the settings that are its own.
type service struct {
	name       string
	needs      []string
	stopWithin time.Duration
	healthPort string
	prefixes   []string          // of the settings that are passed through
	values     map[string]string // that devstack sets
	background bool
}

// services are in the order in which they are stopped.
func (p *Plan) services() []service {
	smtpHost, smtpPort := p.settings.smtpAddress()
	return []service{{
		name: Gateway, stopWithin: time.Second, healthPort: gatewayAdminPort,
		prefixes: []string{"GATEWAY_"},
		values: map[string]string{
			gatewayPort: p.port(gatewayPort), gatewayAdminPort: p.port(gatewayAdminPort),
			"ORDER_SERVICE_URI":     "http://" + p.settings.address(orderPort),
			"INVENTORY_SERVICE_URI": "http://" + p.settings.address(inventoryPort),
		},
	}, {
		name: Order, needs: []string{FerretDB}, stopWithin: 3 * time.Second, healthPort: orderPort,
		prefixes: []string{"ORDER_", "KAFKA_"},
		values: map[string]string{
			orderPort:            p.port(orderPort),
			"INVENTORY_GRPC_URI": p.settings.address(inventoryGRPCPort),
			mongodbURI:           p.orderMongoDBURI(), kafkaServers: p.kafkaServers(),
		},
	}, {
		// On machines of their own, mails take no time away from orders; here they take less.
		name: Notification, background: true, stopWithin: 1200 * time.Millisecond, healthPort: notificationPort,
		prefixes: []string{"NOTIFICATION_", "KAFKA_", "SMTP_"},
		values: map[string]string{
			notificationPort: p.port(notificationPort), kafkaServers: p.kafkaServers(),
			"SMTP_HOST": smtpHost, "SMTP_PORT": smtpPort,
		},
	}, {
		name: Inventory, needs: p.inventoryNeeds(), stopWithin: time.Second, healthPort: inventoryPort,
		prefixes: []string{"INVENTORY_"},
		values: map[string]string{
			inventoryPort: p.port(inventoryPort), inventoryGRPCPort: p.port(inventoryGRPCPort),
			postgresURL: p.inventoryPostgresURL(),
		},
	}}
}

// inventoryNeeds is nothing if its own database is external, though FerretDB
// may still use ours.
func (p *Plan) inventoryNeeds() []string {
	if p.settings.env[postgresURL] != "" {
		return nil
	}
	return []string{Postgres}
}

func (p *Plan) serviceParts() []supervise.Part {
	var parts []supervise.Part
	for _, service := range p.services() {
		service.values["LISTEN_HOST"] = "127.0.0.1"
		p.sendTraces(service.values)
		if slices.Contains(service.prefixes, "KAFKA_") {
			p.kafkaTopics(service.values)
		}
		prefixes := slices.Concat(service.prefixes, []string{"LOG_", "OTEL_", "PPROF_", "SHUTDOWN_DELAY"})
		environment := p.settings.environment(prefixes, service.values)
		part := p.part(service.name, service.needs, service.stopWithin,
			answers("http://"+p.settings.address(service.healthPort)+"/readyz"))
		part.Background = service.background
		part.Command = func(ctx context.Context, _ func(string)) (*exec.Cmd, error) {
			cmd := exec.CommandContext(context.WithoutCancel(ctx), p.program(service.name)) //nolint:gosec // one of the four services
			cmd.Env = environment
			return cmd, nil
		}
		parts = append(parts, part)
	}
	return parts
}

// sendTraces lets a service send its traces to our part for them, where that runs. They come after a fifth of a second, not after five, unless a setting says otherwise:
// somebody is looking.
func (p *Plan) sendTraces(values map[string]string) {
	if p.settings.External(Traces) || !p.chosen[Traces] {
		return
	}
	values[otlpEndpoint] = p.otlpURL()
	values[spanDelay] = p.settings.valueOr(spanDelay, "200")
}

// answers returns a probe that succeeds once url answers 200.
func answers(url string) func(context.Context) error {
	return func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
		if err != nil {
			return fmt.Errorf("probe: %w", err)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return fmt.Errorf("probe: %w", err)
		}
		defer response.Body.Close() //nolint:errcheck // only read
		if _, err := io.Copy(io.Discard, response.Body); err != nil {
			return fmt.Errorf("probe: %w", err)
		}
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("%w: %s", errNotReady, response.Status)
		}
		return nil
	}
}
