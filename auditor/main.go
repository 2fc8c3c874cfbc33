// Command auditor checks that what the databases and the topics hold adds up: stock, reservations, orders, events, mails and the journal. It reads only.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/steadfast-shop/steadfast/auditor/audit"
	"github.com/steadfast-shop/steadfast/auditor/internal/config"
	"github.com/steadfast-shop/steadfast/auditor/internal/show"
	"github.com/steadfast-shop/steadfast/auditor/kafka"
	"github.com/steadfast-shop/steadfast/auditor/mongodb"
	"github.com/steadfast-shop/steadfast/auditor/postgres"
)

const usage = `Usage: auditor [flags]
Checks that stock, reservations, orders, events, mails and the journal agree.
Exit status: 0 they do; 1 they differ; 2 wrong usage, or it could not look.

  --stack FILE        audit the local stack that wrote this stack.json; without it the
                      addresses are ORDER_MONGODB_URI, INVENTORY_POSTGRES_URL and
                      KAFKA_BOOTSTRAP_SERVERS
  --journal-age TIME  how old a journal entry may be (default 2m)
  --grace TIME        leave younger orders and reservations out (default 10s)
  --all               list every difference, not the first ten of each kind
  --json              write the report as JSON
`

// Exit statuses.
const (
	statusClean   = 0
	statusDiffers = 1
	statusFailed  = 2
)

const closeTimeout = 5 * time.Second

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// arguments are what the command line says.
type arguments struct {
	stack     string
	all, json bool
	options   audit.Options
}

func run(args []string, out, complaints io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	asked, err := parse(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(out, usage)
		return statusClean
	}
	if err != nil {
		fmt.Fprintf(complaints, "auditor: %v\n\n%s", err, usage)
		return statusFailed
	}
	report, err := look(ctx, asked)
	if err == nil {
		err = write(out, report, asked)
	}
	switch {
	case err != nil:
		fmt.Fprintf(complaints, "auditor: %v\n", err)
		return statusFailed
	case !report.Clean():
		return statusDiffers
	default:
		return statusClean
	}
}

func parse(args []string) (arguments, error) {
	var asked arguments
	flags := flag.NewFlagSet("auditor", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&asked.stack, "stack", "", "")
	flags.DurationVar(&asked.options.JournalAge, "journal-age", 2*time.Minute, "")
	flags.DurationVar(&asked.options.Grace, "grace", 10*time.Second, "")
	flags.BoolVar(&asked.all, "all", false, "")
	flags.BoolVar(&asked.json, "json", false, "")
	if err := flags.Parse(args); err != nil {
		return asked, err
	}
	switch {
	case flags.NArg() > 0:
		return asked, fmt.Errorf("there is no argument %q", flags.Arg(0))
	case asked.options.JournalAge <= 0:
		return asked, errors.New("--journal-age must be more than 0, such as 2m")
	case asked.options.Grace < 0:
		return asked, errors.New("--grace must not be negative; write it like 10s")
	case asked.options.Grace == 0:
		asked.options.Grace = -1 // none
	}
	if asked.all {
		asked.options.MaxCases = -1
	}
	return asked, nil
}

// look connects to everything and audits it.
func look(ctx context.Context, asked arguments) (report audit.Report, err error) {
	load := config.Load
	if asked.stack != "" {
		load = func() (config.Config, error) { return config.FromStack(asked.stack) }
	}
	cfg, err := load()
	if err != nil {
		return report, err
	}
	closing, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	orders, err := mongodb.Open(ctx, cfg.MongoDB.Reveal())
	if err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, closeWithin(closing, orders.Close)) }()
	inventory, err := postgres.Open(ctx, cfg.Postgres.Reveal())
	if err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, closeWithin(closing, inventory.Close)) }()
	records, err := kafka.Open(ctx, cfg.Brokers)
	if err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, records.Close()) }()
	return audit.Run(ctx, audit.Sources{Orders: orders, Inventory: inventory, Records: records}, asked.options)
}

func closeWithin(ctx context.Context, closeIt func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, closeTimeout)
	defer cancel()
	return closeIt(ctx)
}

func write(out io.Writer, report audit.Report, asked arguments) error {
	if asked.json {
		return show.JSON(out, report)
	}
	return show.Text(out, report, asked.all)
}
