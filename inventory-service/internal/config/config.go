// Package config reads the inventory's settings.
package config

import (
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/steadfast-shop/steadfast/shared-kit/settings"
)

// exampleURL shows the form of INVENTORY_POSTGRES_URL.
const exampleURL = "postgres://user:password@host:5432/inventory" //nolint:gosec // nobody's

// Config is everything that can be set.
type Config struct {
	// Process holds what every service has.
	Process settings.Process
	// HTTPPort is INVENTORY_PORT: REST, health and metrics. Default 8082.
	HTTPPort int
	// GRPCPort is INVENTORY_GRPC_PORT: inventory.v1 and grpc.health.v1. Default 50051.
	GRPCPort int
	// PostgresURL is INVENTORY_POSTGRES_URL. It holds a password, so it has no default.
	PostgresURL settings.Secret
}

// Load reads the settings from the environment. Its error names every setting that is missing or wrong.
func Load() (Config, error) {
	r := settings.NewReader()
	c := Config{
		Process:     settings.ReadProcess(r),
		HTTPPort:    r.Port("INVENTORY_PORT", 8082),
		GRPCPort:    r.Port("INVENTORY_GRPC_PORT", 50051),
		PostgresURL: settings.Secret(r.RequiredText("INVENTORY_POSTGRES_URL", exampleURL)),
	}
	if c.PostgresURL != "" {
		// Its own message is not shown, for it may quote the password.
		if _, err := pgxpool.ParseConfig(c.PostgresURL.Reveal()); err != nil {
			r.Reject("INVENTORY_POSTGRES_URL", "is no PostgreSQL URL; write it like "+exampleURL)
		}
	}
	if c.HTTPPort == c.GRPCPort {
		r.Reject("INVENTORY_GRPC_PORT", "must differ from INVENTORY_PORT")
	}
	return c, r.Err()
}
