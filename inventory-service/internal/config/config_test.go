package config_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/steadfast-shop/steadfast/inventory-service/internal/config"
)

const url = "postgres://inventory:hunter2@127.0.0.1:5432/inventory"

func TestLoad(t *testing.T) {
	t.Setenv("INVENTORY_POSTGRES_URL", url)
	t.Setenv("INVENTORY_GRPC_PORT", "50052")
	got, err := config.Load()
	if err != nil {
		t.Fatal(err)
	}
	if got.HTTPPort != 8082 || got.GRPCPort != 50052 || got.PostgresURL.Reveal() != url || got.Process.LogLevel != slog.LevelInfo {
		t.Errorf("got %+v", got)
	}
	if shown := fmt.Sprintf("%v %+v %#v", got, got, got); strings.Contains(shown, "hunter2") {
		t.Errorf("the password shows in %s", shown)
	}
}

func TestLoadNamesEveryFault(t *testing.T) {
	tests := []struct {
		name string
		set  map[string]string
		want []string
	}{
		{"nothing set", nil, []string{"INVENTORY_POSTGRES_URL is missing"}},
		{
			"all wrong",
			map[string]string{"INVENTORY_PORT": "http", "INVENTORY_GRPC_PORT": "0", "INVENTORY_POSTGRES_URL": "postgres://u:hunter2@host:port/db", "LOG_LEVEL": "loud"},
			[]string{"INVENTORY_PORT", "INVENTORY_GRPC_PORT", "INVENTORY_POSTGRES_URL", "LOG_LEVEL"},
		},
		{
			"one port for both",
			map[string]string{"INVENTORY_PORT": "9000", "INVENTORY_GRPC_PORT": "9000", "INVENTORY_POSTGRES_URL": url},
			[]string{"INVENTORY_GRPC_PORT must differ"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for name, value := range test.set {
				t.Setenv(name, value)
			}
			_, err := config.Load()
			for _, want := range test.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want it to name %q", err, want)
				}
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the password shows in %v", err)
			}
		})
	}
}
