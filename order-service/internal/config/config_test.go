package config_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/steadfast-shop/steadfast/order-service/internal/config"
)

func TestDefaults(t *testing.T) {
	cfg, err := config.Load()
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Port != 8081 || cfg.Inventory != "dns:///127.0.0.1:50051" || cfg.AbandonAfter != 30*time.Second || cfg.ReplicationFactor != 1 {
		t.Errorf("Load() = %+v", cfg)
	}
	if got := cfg.RequestTimeout(); got != 2500*time.Millisecond {
		t.Errorf("RequestTimeout() = %s; want 2.5s", got)
	}
}

func TestInventoryTarget(t *testing.T) {
	for uri, want := range map[string]string{
		"inventory:50051":              "dns:///inventory:50051",
		"dns:///inventory:50051":       "dns:///inventory:50051",
		"http://inventory:50051":       "dns:///inventory:50051",
		"http://inventory:50051/":      "dns:///inventory:50051",
		"static://127.0.0.1:9":         "dns:///127.0.0.1:9",
		"inventory":                    "",
		":50051":                       "",
		"https://inventory:50051":      "",
		"inventory:50051/path":         "",
		"inventory:50051:50052:50053:": "",
	} {
		t.Setenv("INVENTORY_GRPC_URI", uri)
		cfg, err := config.Load()
		if cfg.Inventory != want || (err == nil) != (want != "") {
			t.Errorf("INVENTORY_GRPC_URI=%s: target %q, %v; want %q", uri, cfg.Inventory, err, want)
		}
	}
}

func TestEveryFaultIsNamed(t *testing.T) {
	wrong := map[string]string{
		"ORDER_PORT":               "0",
		"ORDER_MONGODB_URI":        "postgres://somewhere",
		"INVENTORY_GRPC_URI":       "nowhere",
		"KAFKA_BOOTSTRAP_SERVERS":  "broker",
		"KAFKA_REPLICATION_FACTOR": "three",
		"ORDER_ABANDON_AFTER":      "30",
		"LOG_LEVEL":                "loud",
		"SHUTDOWN_DELAY":           "-1s",
	}
	for name, value := range wrong {
		t.Setenv(name, value)
	}
	_, err := config.Load()
	for name := range wrong {
		if !strings.Contains(fmt.Sprint(err), name) {
			t.Errorf("the error does not name %s: %v", name, err)
		}
	}
}

func TestSecretsStayHidden(t *testing.T) {
	t.Setenv("ORDER_MONGODB_URI", "mongodb://user:pass-word@db/order")
	cfg, err := config.Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"%v", "%+v", "%#v"} {
		if shown := fmt.Sprintf(format, cfg); strings.Contains(shown, "pass-word") {
			t.Errorf("%s shows the password: %s", format, shown)
		}
	}
}
