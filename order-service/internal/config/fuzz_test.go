package config_test

import (
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/steadfast-shop/steadfast/order-service/internal/config"
)

// FuzzLoad gives the settings any values. A service that starts with them can work with them: its targets can be dialled, and requests end well before the sweeper comes.
func FuzzLoad(f *testing.F) {
	for _, target := range []string{
		"", "inventory:50051", "http://inventory:50051/", "dns:///inventory:50051", "static://[::1]:9", "inventory:99999", "user@inventory:1", "inventory:1?a=b", "inventory:1#c", "a b:1",
		"inventory:0", "//:1", "https://inventory:1",
	} {
		f.Add(target, "mongodb://u:p@db/order", "30s", "3")
	}
	f.Add("", "mongodb+srv://", "1s", "0")
	f.Add("", "postgres://", "1h0m0.1s", "10")
	f.Fuzz(func(t *testing.T, target, database, abandon, replication string) {
		values := map[string]string{
			"INVENTORY_GRPC_URI": target, "ORDER_MONGODB_URI": database, "ORDER_ABANDON_AFTER": abandon, "KAFKA_REPLICATION_FACTOR": replication,
		}
		for name, value := range values {
			if strings.ContainsRune(value, 0) {
				t.Skip("no environment can hold it")
			}
			t.Setenv(name, value)
		}
		cfg, err := config.Load()
		if err != nil {
			for line := range strings.SplitSeq(err.Error(), "\nsetting ") {
				name, _, _ := strings.Cut(strings.TrimPrefix(line, "setting "), " ")
				if _, known := values[name]; !known {
					t.Errorf("%q names no setting", line)
				}
			}
			return
		}
		address, isDNS := strings.CutPrefix(cfg.Inventory, "dns:///")
		host, port, err := net.SplitHostPort(address)
		number, portErr := strconv.ParseUint(port, 10, 16)
		if !isDNS || err != nil || portErr != nil || number == 0 || host == "" || strings.ContainsAny(host, "/?#@ \t\n") {
			t.Errorf("INVENTORY_GRPC_URI=%q was taken as %q", target, cfg.Inventory)
		}
		if cfg.ReplicationFactor < 1 || !strings.HasPrefix(cfg.MongoDB.Reveal(), "mongodb") {
			t.Errorf("got the replication factor %d and the database %q", cfg.ReplicationFactor, cfg.MongoDB.Reveal())
		}
		if timeout := cfg.RequestTimeout(); timeout < 250*time.Millisecond || 3*timeout >= cfg.AbandonAfter {
			t.Errorf("requests end after %v, and are abandoned after %v", timeout, cfg.AbandonAfter)
		}
	})
}
