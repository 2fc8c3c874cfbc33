package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/IBM/sarama"

	"github.com/steadfast-shop/steadfast/notification-service/internal/deadletter"
	"github.com/steadfast-shop/steadfast/shared-kit/kafka"
	"github.com/steadfast-shop/steadfast/shared-kit/process"
)

const (
	// connectWithin is by when a command must have reached Kafka. Unlike the service it does not wait for it.
	connectWithin = 15 * time.Second
	// closeWithin bounds a command's goodbye to the brokers: a silent one must not hold up its end.
	closeWithin = 2 * time.Second

	exitUsage = 2
)

var errInterrupted = errors.New("interrupted")

const usage = `Usage:
  notification-service                       serve: mail each customer once for each placed order
  notification-service deadletters [flags]   list the dead letters; changes nothing
  notification-service redrive [flags]       send dead letters through again, those that were not yet

Both commands read KAFKA_BOOTSTRAP_SERVERS (default 127.0.0.1:9092), as the service does. They end with 0 when all went well, with 1 when something
failed or a letter could not be sent, and with 2 when they were called wrongly. "notification-service COMMAND --help" lists a command's flags.
`

const filterUsage = `
Which letters are meant; without these flags, all. A flag that may be given several times takes any of its values, and all flags together must fit.
  --order NUMBER       the order's number; may be given several times
  --letter P/O         the letter itself, as the listing's first column names it; may be given several times
  --kind KIND          unreadable, refused, exhausted or foreign; may be given several times
  --reason TEXT        a part of the reason, in upper or lower case
  --since TIME         became a dead letter at that time or later
  --until TIME         became a dead letter before that time
  --topic NAME         the topic, ...
  --partition NUMBER   ... the partition ...
  --offset NUMBER      ... and the offset where the record was read first
TIME is 2026-01-31T15:04:05Z, 2026-01-31 (midnight UTC), or how long ago: 90m, 36h.
`

const deadlettersUsage = `Usage: notification-service deadletters [flags]

Lists the dead letters, the oldest first. No e-mail address and no name is shown.
  --open               leave out the letters that were sent through again
  --json               for programs: one JSON object a line
` + filterUsage

const redriveUsage = `Usage: notification-service redrive [flags]

Sends dead letters through again, the oldest first: back to order-placed, with a fresh count of tries. An order that was mailed before is not mailed
again. A letter that was sent through is marked, and left out the next time. Stopping halfway loses nothing.
  --dry-run            only show what would be sent
  --limit NUMBER       send at most so many
  --again              also those that were sent through before
  --json               for programs: one JSON object a line
` + filterUsage

// command is what the command line asks for.
type command func(ctx context.Context, out io.Writer, client sarama.Client) error

// options are the values of all flags, for whichever command.
type options struct {
	filter deadletter.Filter
	asJSON bool
	dryRun bool
	again  bool
	limit  int // 0 means no limit
}

// runCommand runs a command and returns the exit status of the process.
func runCommand(args []string, stdout, stderr io.Writer) int {
	c, text, err := parseCommand(args, time.Now())
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, text)
		return 0
	case err != nil:
		fmt.Fprintf(stderr, "%v\n\n%s", err, text)
		return exitUsage
	}
	return process.Main(func(ctx context.Context) error { return c.connectAndRun(ctx, stdout, stderr) })
}

// parseCommand returns what is asked for. After an error, text is the usage that helps; flag.ErrHelp means that it was asked for.
func parseCommand(args []string, now time.Time) (c command, text string, err error) {
	var o options
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	flags.SetOutput(io.Discard) // the usage is ours to print
	addFilterFlags(flags, &o.filter, now)
	flags.BoolVar(&o.asJSON, "json", false, "")
	switch args[0] {
	case "help", "--help", "-help", "-h":
		return c, usage, flag.ErrHelp
	case "deadletters":
		text = deadlettersUsage
		flags.BoolVar(&o.filter.OpenOnly, "open", false, "")
		c = o.listLetters
	case "redrive":
		text = redriveUsage
		flags.BoolVar(&o.dryRun, "dry-run", false, "")
		flags.BoolVar(&o.again, "again", false, "")
		flags.Func("limit", "", func(value string) (err error) {
			if o.limit, err = strconv.Atoi(value); err != nil || o.limit < 1 {
				return errors.New("it must be a whole number from 1")
			}
			return nil
		})
		c = o.redriveLetters
	default:
		return c, usage, fmt.Errorf("there is no command %q", args[0])
	}
	if err := flags.Parse(args[1:]); err != nil {
		return c, text, err
	}
	if flags.NArg() > 0 {
		return c, text, fmt.Errorf("%q is no flag; all of them begin with --", flags.Arg(0))
	}
	if f := o.filter; !f.Since.IsZero() && !f.Until.IsZero() && !f.Since.Before(f.Until) {
		return c, text, errors.New("--since must be before --until")
	}
	return c, text, nil
}

func addFilterFlags(flags *flag.FlagSet, f *deadletter.Filter, now time.Time) {
	flags.Func("order", "", func(value string) error {
		if value == "" {
			return errors.New("it must be an order number")
		}
		f.Orders = append(f.Orders, value)
		return nil
	})
	flags.Func("letter", "", func(value string) error {
		partition, offset, _ := strings.Cut(value, "/")
		p, partitionErr := parseNumber[int32](partition, 32)
		o, offsetErr := parseNumber[int64](offset, 64)
		if partitionErr != nil || offsetErr != nil {
			return errors.New("it must be a partition and an offset, such as 3/17")
		}
		f.Letters = append(f.Letters, fmt.Sprintf("%d/%d", *p, *o))
		return nil
	})
	flags.Func("kind", "", func(value string) error {
		kinds := append(deadletter.Kinds(), deadletter.Foreign)
		if !slices.Contains(kinds, deadletter.Kind(value)) {
			return fmt.Errorf("it must be one of %q", kinds)
		}
		f.Kinds = append(f.Kinds, deadletter.Kind(value))
		return nil
	})
	flags.StringVar(&f.Text, "reason", "", "")
	flags.Func("since", "", func(value string) (err error) { f.Since, err = parseTime(value, now); return err })
	flags.Func("until", "", func(value string) (err error) { f.Until, err = parseTime(value, now); return err })
	flags.StringVar(&f.Topic, "topic", "", "")
	flags.Func("partition", "", func(value string) (err error) { f.Partition, err = parseNumber[int32](value, 32); return err })
	flags.Func("offset", "", func(value string) (err error) { f.Offset, err = parseNumber[int64](value, 64); return err })
}

func parseNumber[T int32 | int64](value string, bits int) (*T, error) {
	number, err := strconv.ParseInt(value, 10, bits)
	if err != nil || number < 0 {
		return nil, errors.New("it must be a whole number from 0")
	}
	result := T(number)
	return &result, nil
}

func parseTime(value string, now time.Time) (time.Time, error) {
	if ago, err := time.ParseDuration(value); err == nil && ago >= 0 {
		return now.Add(-ago), nil
	}
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly} {
		if at, err := time.Parse(layout, value); err == nil {
			return at, nil
		}
	}
	return time.Time{}, errors.New("it must be a time such as 2026-01-31T15:04:05Z, a day such as 2026-01-31, or how long ago, such as 36h")
}

// connectAndRun runs the command on the Kafka that the settings name. It creates no topic.
func (c command) connectAndRun(ctx context.Context, stdout, stderr io.Writer) error {
	addresses, err := loadKafkaAddresses()
	if err != nil {
		return err
	}
	connecting, cancel := context.WithTimeout(ctx, connectWithin)
	defer cancel()
	client, err := kafka.Connect(connecting, addresses, newClientConfig(), nil, slog.New(slog.NewTextHandler(stderr, nil)))
	switch {
	case ctx.Err() != nil:
		return errInterrupted
	case err != nil:
		return fmt.Errorf("Kafka cannot be reached at %s (KAFKA_BOOTSTRAP_SERVERS): %w", strings.Join(addresses, ","), err)
	}
	defer func() {
		closed := make(chan struct{})
		go func() {
			defer close(closed)
			_ = client.Close() // nothing is under way any more
		}()
		select {
		case <-closed:
		case <-time.After(closeWithin):
		}
	}()
	done := make(chan error, 1)
	go func() { done <- c(ctx, stdout, client) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	// Letters under way are finished. Some of sarama's calls take no context; what they wait for is not worth waiting for.
	select {
	case <-done: //nolint:errcheck // it was interrupted, whatever it says
	case <-time.After(redriveGrace + time.Second):
	}
	return errInterrupted
}
