// Package ferretdb runs the stand-in for MongoDB: FerretDB on PostgreSQL.
package ferretdb

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"

	"github.com/FerretDB/FerretDB/ferretdb"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"golang.org/x/sync/errgroup"

	"github.com/steadfast-shop/steadfast/devstack/internal/ports"
)

// Database is the PostgreSQL database that holds FerretDB's.
const Database = "ferretdb"

// Run serves MongoDB's protocol on port and, if one is given, on a unix socket,
// with the data in the PostgreSQL database at url, until ctx ends. It needs no PostgreSQL to start, and goes on
// when that comes back after having been away.
func Run(ctx context.Context, port int, socket, url string, logger *slog.Logger) error {
	if err := os.Remove(socket); err != nil && !errors.Is(err, fs.ErrNotExist) { // a killed server leaves it
		return fmt.Errorf("remove old socket: %w", err)
	}
	server, err := ferretdb.New(&ferretdb.Config{
		Listener:      ferretdb.ListenerConfig{TCP: ports.Address(port), Unix: socket},
		Logger:        slog.New(errorsOnly{logger.Handler()}),
		Handler:       "postgresql",
		PostgreSQLURL: url,
	})
	if err != nil {
		return fmt.Errorf("start FerretDB: %w", err)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return server.Run(ctx) })
	group.Go(func() error { return maintainIndexes(ctx, url, logger) })
	if err := group.Wait(); err != nil {
		return fmt.Errorf("run FerretDB: %w", err)
	}
	return nil
}

// Ready returns a probe that succeeds once the server on port answers, which it
// does when it reaches its PostgreSQL.
func Ready(port int) func(context.Context) error {
	return func(ctx context.Context) error {
		// The driver waits half a second after a connection that was refused.
		var dialer net.Dialer
		conn, err := dialer.DialContext(ctx, "tcp", ports.Address(port))
		if err != nil {
			return fmt.Errorf("connect: %w", err)
		}
		_ = conn.Close() // only a probe
		client, err := mongo.Connect(options.Client().ApplyURI("mongodb://" + ports.Address(port)))
		if err != nil {
			return fmt.Errorf("make client: %w", err)
		}
		defer client.Disconnect(ctx) //nolint:errcheck // only a probe
		if err := client.Ping(ctx, nil); err != nil {
			return fmt.Errorf("ping: %w", err)
		}
		return nil
	}
}

// errorsOnly leaves out FerretDB's warnings: it writes several for every client
// that goes, because it does not know the command endSessions.
type errorsOnly struct{ slog.Handler }

func (h errorsOnly) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelError && h.Handler.Enabled(ctx, level)
}

func (h errorsOnly) WithAttrs(attributes []slog.Attr) slog.Handler {
	return errorsOnly{h.Handler.WithAttrs(attributes)}
}

func (h errorsOnly) WithGroup(name string) slog.Handler { return errorsOnly{h.Handler.WithGroup(name)} }
