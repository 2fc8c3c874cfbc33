// Package stack is the plan of the local stack: which parts there are, what each
// needs, on which ports, and with which environment.
package stack

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/steadfast-shop/steadfast/devstack/internal/ports"
)

// Settings are the environment that devstack was started with.
type Settings struct {
	ports map[string]int // by setting
	env   map[string]string
}

type portSetting struct {
	name     string
	part     string
	fallback int
}

// The names of the settings for ports.
const (
	gatewayPort          = "GATEWAY_PORT"
	gatewayAdminPort     = "GATEWAY_ADMIN_PORT"
	orderPort            = "ORDER_PORT"
	inventoryPort        = "INVENTORY_PORT"
	inventoryGRPCPort    = "INVENTORY_GRPC_PORT"
	notificationPort     = "NOTIFICATION_PORT"
	postgresPort         = "DEVSTACK_POSTGRES_PORT"
	mongodbPort          = "DEVSTACK_MONGODB_PORT"
	kafkaPort            = "DEVSTACK_KAFKA_PORT"
	kafkaControllerPort  = "DEVSTACK_KAFKA_CONTROLLER_PORT"
	kafka2Port           = "DEVSTACK_KAFKA_2_PORT"
	kafka2ControllerPort = "DEVSTACK_KAFKA_2_CONTROLLER_PORT"
	kafka3Port           = "DEVSTACK_KAFKA_3_PORT"
	kafka3ControllerPort = "DEVSTACK_KAFKA_3_CONTROLLER_PORT"
	smtpPort             = "DEVSTACK_SMTP_PORT"
	inboxPort            = "DEVSTACK_INBOX_PORT"
	otlpPort             = "DEVSTACK_OTLP_PORT"
	tracesPort           = "DEVSTACK_TRACES_PORT"
)

// The settings that replace an embedded part by a running one.
const (
	mongodbURI    = "ORDER_MONGODB_URI"
	postgresURL   = "INVENTORY_POSTGRES_URL"
	kafkaServers  = "KAFKA_BOOTSTRAP_SERVERS"
	kafkaReplicas = "KAFKA_REPLICATION_FACTOR"
	smtpHost      = "SMTP_HOST"
	smtpServer    = "SMTP_PORT"
	otlpEndpoint  = "OTEL_EXPORTER_OTLP_ENDPOINT"
)

func portSettings() []portSetting {
	return []portSetting{
		{gatewayPort, Gateway, 9000},
		{gatewayAdminPort, Gateway, 9001},
		{orderPort, Order, 8081},
		{inventoryPort, Inventory, 8082},
		{inventoryGRPCPort, Inventory, 50051},
		{notificationPort, Notification, 8083},
		{postgresPort, Postgres, 15432}, // 5432 is often an installed server's
		{mongodbPort, FerretDB, 27017},
		{kafkaPort, Kafka, 9092},
		{kafkaControllerPort, Kafka, 9093},
		{kafka2Port, Kafka2, 9094},
		{kafka2ControllerPort, Kafka2, 9095},
		{kafka3Port, Kafka3, 9096},
		{kafka3ControllerPort, Kafka3, 9097},
		{smtpPort, Inbox, 1025},
		{inboxPort, Inbox, 8025},
		{otlpPort, Traces, 4317},
		{tracesPort, Traces, 8026},
	}
}

// ReadSettings reads the environment, given as "NAME=value". With freePorts,
// ports that are not set are any that are free. The error names every bad value.
func ReadSettings(ctx context.Context, environment []string, freePorts bool) (Settings, error) {
	s := Settings{ports: map[string]int{}, env: map[string]string{}}
	for _, line := range environment {
		if name, value, _ := strings.Cut(line, "="); value != "" {
			s.env[name] = value
		}
	}
	var faults []error
	var unset []string
	for _, setting := range portSettings() {
		text := s.env[setting.name]
		switch number, err := strconv.Atoi(text); {
		case text == "" && freePorts:
			unset = append(unset, setting.name)
		case text == "":
			s.ports[setting.name] = setting.fallback
		case err != nil || number < 1 || number > 65535:
			faults = append(faults, fmt.Errorf("%s is %q: it must be a port, from 1 to 65535", setting.name, text))
		default:
			s.ports[setting.name] = number
		}
	}
	if err := errors.Join(faults...); err != nil {
		return Settings{}, err
	}
	free, err := ports.Free(ctx, len(unset))
	if err != nil {
		return Settings{}, err
	}
	for i, name := range unset {
		s.ports[name] = free[i]
	}
	return s, nil
}

// External says whether a setting replaces the part by a running one.
func (s Settings) External(part string) bool {
	switch part {
	case Postgres:
		return s.env[postgresURL] != "" && s.env[mongodbURI] != ""
	case FerretDB:
		return s.env[mongodbURI] != ""
	case Kafka, Kafka2, Kafka3:
		return s.env[kafkaServers] != ""
	case Inbox:
		return s.env[smtpHost] != "" || s.env[smtpServer] != ""
	case Traces:
		return s.env[otlpEndpoint] != ""
	default:
		return false
	}
}

// needs are the ports that the parts of our own listen on.
func (s Settings) needs(apacheKafka bool) []ports.Need {
	var needs []ports.Need
	for _, setting := range portSettings() {
		if s.External(setting.part) || setting.name == kafkaControllerPort && !apacheKafka {
			continue
		}
		needs = append(needs, ports.Need{Part: setting.part, Port: s.ports[setting.name], Setting: setting.name})
	}
	return needs
}

func (s Settings) address(setting string) string { return ports.Address(s.ports[setting]) }

// general are the variables that any program may need from its surroundings.
// GOCOVERDIR and the like make the stack measurable from outside.
func general() []string {
	return []string{
		"PATH", "HOME", "USER", "TMPDIR", "TZ", "LANG", "LC_ALL", "XDG_CACHE_HOME", "JAVA_HOME", "SSL_CERT_FILE", "SSL_CERT_DIR",
		"GOCOVERDIR", "GODEBUG", "GOGC", "GOMAXPROCS", "GOMEMLIMIT", "GORACE", "GOTRACEBACK",
	}
}

// environment is a clean environment: what any program needs, the settings whose
// names begin with one of prefixes, and on top of these the given values.
func (s Settings) environment(prefixes []string, values map[string]string) []string {
	all := map[string]string{}
	for name, value := range s.env {
		hasPrefix := func(prefix string) bool { return strings.HasPrefix(name, prefix) }
		if slices.Contains(general(), name) || slices.ContainsFunc(prefixes, hasPrefix) {
			all[name] = value
		}
	}
	for name, value := range values {
		all[name] = value
	}
	lines := make([]string, 0, len(all))
	for name, value := range all {
		lines = append(lines, name+"="+value)
	}
	slices.Sort(lines)
	return lines
}

// valueOr is the setting's value, or the fallback if it is not set.
func (s Settings) valueOr(setting, fallback string) string {
	if value := s.env[setting]; value != "" {
		return value
	}
	return fallback
}

func (s Settings) smtpAddress() (host, port string) {
	if !s.External(Inbox) {
		host, port, _ = net.SplitHostPort(s.address(smtpPort))
		return host, port
	}
	return s.valueOr(smtpHost, "127.0.0.1"), s.valueOr(smtpServer, "1025")
}
