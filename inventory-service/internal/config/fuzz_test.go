package config_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/steadfast-shop/steadfast/inventory-service/internal/config"
)

// FuzzLoad gives the settings any values. A service that starts with them has a database to connect to and two ports; the password shows neither in what is loaded nor in a fault.
func FuzzLoad(f *testing.F) {
	for _, database := range []string{
		"", "postgres://u:%s@db:5432/inventory", "postgres://u:%s@db:port/inventory", "host=db password=%s", "host=db password='%s", "postgres://u:%s@[::1", "postgres://u:%s@db/x?sslmode=maybe", "%s",
	} {
		f.Add(database, "8082", "50051")
	}
	f.Add("postgres://db", "1", "+1")
	f.Fuzz(func(t *testing.T, database, httpPort, grpcPort string) {
		const password = "Fuzz-Hunter2"
		database = strings.ReplaceAll(database, "%s", password)
		for name, value := range map[string]string{"INVENTORY_POSTGRES_URL": database, "INVENTORY_PORT": httpPort, "INVENTORY_GRPC_PORT": grpcPort} {
			if strings.ContainsRune(value, 0) {
				t.Skip("no environment can hold it")
			}
			t.Setenv(name, value)
		}
		cfg, err := config.Load()
		if shown := fmt.Sprintf("%v %+v %#v %v", cfg, cfg, cfg, err); strings.Contains(shown, password) && !strings.Contains(httpPort+grpcPort, password) {
			t.Errorf("the password of %q shows in %s", database, shown)
		}
		if err != nil {
			if !strings.HasPrefix(err.Error(), "setting INVENTORY_") {
				t.Errorf("%q names no setting", err)
			}
			return
		}
		if cfg.HTTPPort == cfg.GRPCPort || min(cfg.HTTPPort, cfg.GRPCPort) < 1 || max(cfg.HTTPPort, cfg.GRPCPort) > 65535 {
			t.Errorf("got the ports %d and %d", cfg.HTTPPort, cfg.GRPCPort)
		}
		if _, err := pgxpool.ParseConfig(cfg.PostgresURL.Reveal()); err != nil {
			t.Errorf("%q was taken: %v", database, err)
		}
	})
}
