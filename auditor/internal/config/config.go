// Package config reads where the auditor looks.
package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/steadfast-shop/steadfast/shared-kit/settings"
)

// Examples show the form of the settings.
const (
	exampleMongoDB  = "mongodb://user:password@host:27017/order"     //nolint:gosec // nobody's
	examplePostgres = "postgres://user:password@host:5432/inventory" //nolint:gosec // nobody's
	exampleKafka    = "host:9092"
)

// Config is where the auditor looks.
type Config struct {
	// MongoDB is ORDER_MONGODB_URI; Postgres is INVENTORY_POSTGRES_URL. They hold passwords, so they have no default.
	MongoDB  settings.Secret
	Postgres settings.Secret
	// Brokers is KAFKA_BOOTSTRAP_SERVERS.
	Brokers []string
}

// Load reads the settings from the environment. Its error names every setting that is missing or wrong.
func Load() (Config, error) {
	r := settings.NewReader()
	c := Config{
		MongoDB:  settings.Secret(r.RequiredText("ORDER_MONGODB_URI", exampleMongoDB)),
		Postgres: settings.Secret(r.RequiredText("INVENTORY_POSTGRES_URL", examplePostgres)),
	}
	if r.RequiredText("KAFKA_BOOTSTRAP_SERVERS", exampleKafka) != "" {
		c.Brokers = r.Addresses("KAFKA_BOOTSTRAP_SERVERS", "")
	}
	return c, r.Err()
}

// FromStack reads the addresses from the stack.json of a running local stack.
func FromStack(path string) (Config, error) {
	data, err := os.ReadFile(path) //nolint:gosec // the user's choice
	if errors.Is(err, os.ErrNotExist) {
		return Config{}, fmt.Errorf("there is no %s: no local stack runs there; start it with `make run`", path)
	}
	if err != nil {
		return Config{}, fmt.Errorf("read the stack's addresses: %w", err)
	}
	var document struct {
		Ready bool `json:"ready"`
		URLs  struct {
			MongoDB  settings.Secret `json:"mongodb"`
			Postgres settings.Secret `json:"postgres"`
			Kafka    string          `json:"kafka"`
		} `json:"urls"`
	}
	if err := json.Unmarshal(data, &document); err != nil {
		return Config{}, fmt.Errorf("%s is not what devstack writes: %w", path, err)
	}
	if !document.Ready || document.URLs.MongoDB == "" || document.URLs.Postgres == "" || document.URLs.Kafka == "" {
		return Config{}, fmt.Errorf("the local stack of %s is not ready; wait until it is", path)
	}
	return Config{MongoDB: document.URLs.MongoDB, Postgres: document.URLs.Postgres, Brokers: strings.Split(document.URLs.Kafka, ",")}, nil
}
