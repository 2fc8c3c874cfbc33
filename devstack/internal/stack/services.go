package stack

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/steadfast-shop/steadfast/devstack/internal/supervise"
)

// service is one of the four, with the settings that are its own.
type service struct {
	name       string
	program    string
	needs      []string
	stopWithin time.Duration
	healthPort string
	prefixes   []string // of the settings that are passed through
	values     map[string]string
}

// services are in the order in which they are stopped.
func (p *Plan) services() []service {
	gateway := service{
		name: Gateway, program: p.program("gateway"), stopWithin: time.Second,
		healthPort: gatewayAdminPort, prefixes: []string{"GATEWAY_"},
		values: p.portValues(gatewayPort, gatewayAdminPort),
	}
	gateway.values["ORDER_SERVICE_URI"] = "http://" + p.settings.address(orderPort)
	gateway.values["INVENTORY_SERVICE_URI"] = "http://" + p.settings.address(inventoryPort)

	order := service{
		name: Order, program: p.program("order-service"), stopWithin: 2 * time.Second,
		needs: []string{FerretDB}, healthPort: orderPort, prefixes: []string{"ORDER_", "KAFKA_"},
		values: p.portValues(orderPort),
	}
	order.values["INVENTORY_GRPC_URI"] = p.settings.address(inventoryGRPCPort)

	notification := service{
		name: Notification, program: p.program("notification-service"), stopWithin: 1200 * time.Millisecond,
		healthPort: notificationPort, prefixes: []string{"NOTIFICATION_", "KAFKA_", "SMTP_"},
		values: p.portValues(notificationPort),
	}
	notification.values["SMTP_HOST"], notification.values["SMTP_PORT"] = p.settings.smtpAddress()

	inventory := service{
		name: Inventory, program: p.program("inventory-service"), stopWithin: time.Second,
		needs: p.inventoryNeeds(), healthPort: inventoryPort, prefixes: []string{"INVENTORY_"},
		values: p.portValues(inventoryPort, inventoryGRPCPort),
	}
	return []service{gateway, order, notification, inventory}
}

func (p *Plan) program(name string) string { return filepath.Join(p.options.BinDir, name) }

func (p *Plan) portValues(settings ...string) map[string]string {
	values := map[string]string{}
	for _, setting := range settings {
		values[setting] = p.port(setting)
	}
	return values
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
		prefixes := append(service.prefixes, "LOG_", "OTEL_", "SHUTDOWN_DELAY")
		values := service.values
		values["LISTEN_HOST"] = "127.0.0.1"
		switch service.name {
		case Order:
			values[mongodbURI], values[kafkaServers] = p.mongodbURI(), p.kafkaServers()
		case Notification:
			values[kafkaServers] = p.kafkaServers()
		case Inventory:
			values[postgresURL] = p.postgresURL()
		}
		environment := p.settings.environment(prefixes, values)
		part := p.part(service.name, service.needs, service.stopWithin,
			answers("http://"+p.settings.address(service.healthPort)+"/readyz"))
		part.Command = func(ctx context.Context, _ func(string)) (*exec.Cmd, error) {
			cmd := exec.CommandContext(context.WithoutCancel(ctx), service.program) //nolint:gosec // one of the four services
			cmd.Env = environment
			return cmd, nil
		}
		parts = append(parts, part)
	}
	return parts
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
