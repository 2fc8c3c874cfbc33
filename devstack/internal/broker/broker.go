// Package broker runs the stand-in for Kafka: kfake, with its data on disk.
package broker

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Run serves Kafka's protocol on port, with the data in dir, until ctx ends.
//
// A record is handed to the operating system before it is acknowledged, so it
// outlives a killed broker but not a power failure. That is what Apache Kafka's
// own defaults promise for a single node, too.
func Run(ctx context.Context, port int, dir string, logger *slog.Logger) error {
	cluster, err := kfake.NewCluster(
		kfake.NumBrokers(1),
		kfake.Ports(port),
		kfake.DataDir(dir),
		kfake.WithLogger(log{logger}),
	)
	if err != nil {
		return fmt.Errorf("start broker: %w", err)
	}
	logger.Info("broker serves", "addresses", cluster.ListenAddrs())
	dead := newGhosts(time.Now)
	dead.watch(cluster)
	dead.run(ctx, cluster.ListenAddrs()[0], logger)
	<-ctx.Done()
	cluster.Close()
	return nil
}

// Ready returns a probe that succeeds once the broker at address answers.
func Ready(address string) func(context.Context) error {
	return func(ctx context.Context) error {
		client, err := kgo.NewClient(kgo.SeedBrokers(address))
		if err != nil {
			return fmt.Errorf("read address: %w", err)
		}
		defer client.Close()
		if err := client.Ping(ctx); err != nil {
			return fmt.Errorf("ping: %w", err)
		}
		return nil
	}
}

// log passes what kfake has to say on, without its line for every request.
type log struct{ *slog.Logger }

func (l log) Logf(level kfake.LogLevel, format string, arguments ...any) {
	switch level {
	case kfake.LogLevelError:
		l.Error(fmt.Sprintf(format, arguments...))
	case kfake.LogLevelWarn:
		l.Warn(fmt.Sprintf(format, arguments...))
	default:
	}
}
