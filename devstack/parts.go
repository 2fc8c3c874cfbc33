package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/steadfast-shop/steadfast/devstack/internal/broker"
	"github.com/steadfast-shop/steadfast/devstack/internal/ferretdb"
	"github.com/steadfast-shop/steadfast/devstack/internal/inbox"
	"github.com/steadfast-shop/steadfast/devstack/internal/postgres"
	"github.com/steadfast-shop/steadfast/devstack/internal/stack"
	"github.com/steadfast-shop/steadfast/devstack/internal/traces"
)

// runPart is what the embedded parts' processes do: `devstack run` starts its
// own program again for each of them. It ends with SIGTERM.
func runPart(ctx context.Context, arguments []string) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	flags := flag.NewFlagSet("part", flag.ContinueOnError)
	port, pagePort, dir := flags.Int("port", 0, ""), flags.Int("page-port", 0, ""), flags.String("dir", "", "")
	socket := flags.String("socket", "", "")
	names, err := parse(flags, arguments)
	if err != nil {
		return err
	}
	if len(names) == 0 {
		return fmt.Errorf("%w: part needs a name", errUsage)
	}
	if *dir != "" {
		if err := os.MkdirAll(*dir, 0o700); err != nil {
			return fmt.Errorf("make data directory: %w", err)
		}
	}
	logger := slog.New(slog.NewJSONHandler(os.Stdout, nil))
	switch names[0] {
	case stack.FerretDB:
		return ferretdb.Run(ctx, *port, *socket, os.Getenv(stack.FerretDBURLSetting), logger)
	case stack.Kafka:
		return broker.Run(ctx, *port, *dir, logger)
	case stack.Inbox:
		return inbox.Run(ctx, *port, *pagePort, *dir, logger)
	case stack.Traces:
		return traces.Run(ctx, *port, *pagePort, logger)
	case postgres.FetchRole:
		return postgres.Fetch(ctx, *dir)
	default:
		return fmt.Errorf("%w: there is no part %q", errUsage, names[0])
	}
}
