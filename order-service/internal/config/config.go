// Package config holds order-service's settings.
package config

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/steadfast-shop/steadfast/shared-kit/settings"
)

// Config is all that can be set. The environment is read here and nowhere else.
type Config struct {
	settings.Process
	// Port is ORDER_PORT, where the REST API is served. Default 8081.
	Port int
	// MongoDB is ORDER_MONGODB_URI, with the database's name as its path ("order" where it has none). It may hold a password. Default: a server on this machine.
	MongoDB settings.Secret
	// Inventory is INVENTORY_GRPC_URI as a gRPC target. Default dns:///127.0.0.1:50051.
	Inventory string
	// Brokers is KAFKA_BOOTSTRAP_SERVERS, host:port, separated by commas. Default 127.0.0.1:9092.
	Brokers []string
	// ReplicationFactor is KAFKA_REPLICATION_FACTOR, for topics that do not exist yet. Default 1; 3 in production.
	ReplicationFactor int16
	// AbandonAfter is ORDER_ABANDON_AFTER: an undecided order of that age is cancelled. Default 30s.
	AbandonAfter time.Duration
}

// Load reads the settings and returns every fault at once.
func Load() (Config, error) {
	r := settings.NewReader()
	c := Config{
		Process:           settings.ReadProcess(r),
		Port:              r.Port("ORDER_PORT", 8081),
		MongoDB:           settings.Secret(r.Text("ORDER_MONGODB_URI", "mongodb://127.0.0.1:27017/order")),
		Inventory:         r.Text("INVENTORY_GRPC_URI", "127.0.0.1:50051"),
		Brokers:           r.Addresses("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9092"),
		ReplicationFactor: int16(r.Int("KAFKA_REPLICATION_FACTOR", 1, 1, 9)),
		AbandonAfter:      r.Duration("ORDER_ABANDON_AFTER", 30*time.Second, time.Second, time.Hour),
	}
	if uri := c.MongoDB.Reveal(); !strings.HasPrefix(uri, "mongodb://") && !strings.HasPrefix(uri, "mongodb+srv://") {
		r.Reject("ORDER_MONGODB_URI", "must start with mongodb:// or mongodb+srv://")
	}
	target, err := grpcTarget(c.Inventory)
	if err != nil {
		r.Reject("INVENTORY_GRPC_URI", err.Error())
	}
	c.Inventory = target
	return c, r.Err()
}

// RequestTimeout bounds a request: less than the 3 s that the gateway gives a try, and so little of AbandonAfter that the sweeper never meets a request under way.
func (c Config) RequestTimeout() time.Duration { return min(2500*time.Millisecond, c.AbandonAfter/4) }

// grpcTarget takes host:port, with or without one of the schemes that are in use for it, and returns a target that follows all addresses of the host.
func grpcTarget(uri string) (string, error) {
	address := uri
	if scheme, rest, found := strings.Cut(uri, "://"); found {
		switch scheme {
		case "dns", "http", "grpc", "static":
			address = strings.Trim(rest, "/")
		default:
			return "", fmt.Errorf("has the unknown scheme %s; give host:port", scheme)
		}
	}
	if !settings.IsAddress(address) {
		return "", errors.New("must be host:port, such as inventory:50051")
	}
	return "dns:///" + address, nil
}
