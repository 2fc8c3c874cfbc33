package config_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/steadfast-shop/steadfast/auditor/internal/config"
)

const (
	mongoDB  = "mongodb://u:secret@db:27017/order"
	postgres = "postgres://u:secret@db:5432/inventory"
)

func TestLoad(t *testing.T) {
	for name, test := range map[string]struct {
		mongoDB, postgres, kafka string
		want                     string // "": no fault
	}{
		"whole":         {mongoDB, postgres, "a:9092, b:9092", ""},
		"no MongoDB":    {"", postgres, "a:9092", "ORDER_MONGODB_URI is missing"},
		"no PostgreSQL": {mongoDB, "", "a:9092", "INVENTORY_POSTGRES_URL is missing"},
		"no Kafka":      {mongoDB, postgres, "", "KAFKA_BOOTSTRAP_SERVERS is missing"},
		"bad Kafka":     {mongoDB, postgres, "a", "KAFKA_BOOTSTRAP_SERVERS must be host:port"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("ORDER_MONGODB_URI", test.mongoDB)
			t.Setenv("INVENTORY_POSTGRES_URL", test.postgres)
			t.Setenv("KAFKA_BOOTSTRAP_SERVERS", test.kafka)
			c, err := config.Load()
			checkFault(t, err, test.want)
			if shown := fmt.Sprintf("%v %+v", c, err); strings.Contains(shown, "secret") {
				t.Errorf("a password is shown: %s", shown)
			}
			if test.want == "" && (c.MongoDB.Reveal() != mongoDB || c.Postgres.Reveal() != postgres || len(c.Brokers) != 2) {
				t.Errorf("got %+v", c)
			}
		})
	}
}

func TestFromStack(t *testing.T) {
	t.Parallel()
	whole := fmt.Sprintf(`{"ready":true,"urls":{"mongodb":%q,"postgres":%q,"kafka":"a:9092,b:9092","more":1}}`, mongoDB, postgres)
	for name, test := range map[string]struct{ document, want string }{
		"whole":     {whole, ""},
		"not ready": {strings.Replace(whole, "true", "false", 1), "is not ready"},
		"left out":  {strings.Replace(whole, "kafka", "other", 1), "is not ready"},
		"not JSON":  {"{", "is not what devstack writes"},
		"none":      {"", "start it with `make run`"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "stack.json")
			if test.document != "" {
				if err := os.WriteFile(path, []byte(test.document), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			c, err := config.FromStack(path)
			checkFault(t, err, test.want)
			if test.want == "" && (c.MongoDB.Reveal() != mongoDB || c.Postgres.Reveal() != postgres || len(c.Brokers) != 2) {
				t.Errorf("got %+v", c)
			}
		})
	}
}

func checkFault(t *testing.T, err error, want string) {
	t.Helper()
	if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
		t.Errorf("got %v; want %q", err, want)
	}
}
