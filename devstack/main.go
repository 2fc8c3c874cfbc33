// Devstack runs the whole of Steadfast on one machine: the databases, the broker,
// a mail inbox and the four services, each as a process of its own.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/steadfast-shop/steadfast/devstack/internal/console"
	"github.com/steadfast-shop/steadfast/devstack/internal/control"
)

const usage = `Usage:
  devstack [run] [flags]               start everything, and stop it at Ctrl-C
  devstack start|stop|kill NAME        start, stop, or crash one part of the running stack
  devstack status [--json]             show what runs where

Flags of run:
  --data DIR       where data, logs and stack.json are kept (default .devstack)
  --fresh          delete all data first
  --bin DIR        where the services' programs are (default: beside devstack)
  --only NAMES     run only these parts (with commas) and what they need
  --free-ports     take any ports that are free (they are in stack.json)
  --quiet          leave the logs of the parts in their files
  --kafka KIND     embedded (default), or apache: Apache Kafka itself; needs java and mvn
  --kafka-nodes N  1 (default), or 3 of Apache Kafka: any one of them can be lost
  --postgres KIND  installed (default; downloaded if it is not), or download

The other commands take --data, too.
`

var errUsage = errors.New("wrong usage")

func main() {
	err := run(context.Background(), os.Args[1:])
	switch {
	case err == nil:
	case errors.Is(err, flag.ErrHelp):
		fmt.Print(usage)
	case errors.Is(err, errUsage):
		fmt.Fprintf(os.Stderr, "devstack: %v\n\n%s", err, usage)
		os.Exit(2)
	default:
		fmt.Fprintf(os.Stderr, "devstack: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, arguments []string) error {
	verb := "run"
	if len(arguments) > 0 && arguments[0] != "" && arguments[0][0] != '-' {
		verb, arguments = arguments[0], arguments[1:]
	}
	switch verb {
	case "run":
		return runStack(ctx, arguments)
	case "start", "stop", "kill":
		return commandPart(ctx, verb, arguments)
	case "status":
		return showStatus(ctx, arguments)
	case "part":
		return runPart(ctx, arguments)
	default:
		return fmt.Errorf("%w: there is no command %q", errUsage, verb)
	}
}

// parse reads flags that may stand before and after the other arguments, which
// it returns.
func parse(flags *flag.FlagSet, arguments []string) ([]string, error) {
	flags.SetOutput(nullWriter{})
	var rest []string
	for {
		if err := flags.Parse(arguments); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				return nil, flag.ErrHelp
			}
			return nil, fmt.Errorf("%w: %w", errUsage, err)
		}
		if flags.NArg() == 0 {
			return rest, nil
		}
		rest = append(rest, flags.Arg(0))
		arguments = slices.Clone(flags.Args()[1:])
	}
}

type nullWriter struct{}

func (nullWriter) Write(p []byte) (int, error) { return len(p), nil }

func dataFlag(flags *flag.FlagSet) *string {
	return flags.String("data", ".devstack", "")
}

func commandPart(ctx context.Context, verb string, arguments []string) error {
	flags := flag.NewFlagSet(verb, flag.ContinueOnError)
	data := dataFlag(flags)
	names, err := parse(flags, arguments)
	if err != nil {
		return err
	}
	if len(names) == 0 {
		return fmt.Errorf("%w: %s needs the name of a part", errUsage, verb)
	}
	client, err := clientFor(*data)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := client.Command(ctx, verb, name); err != nil {
			return fmt.Errorf("%s %s: %w", verb, name, err)
		}
	}
	return nil
}

func showStatus(ctx context.Context, arguments []string) error {
	flags := flag.NewFlagSet("status", flag.ContinueOnError)
	data, asJSON := dataFlag(flags), flags.Bool("json", false, "")
	rest, err := parse(flags, arguments)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return fmt.Errorf("%w: status takes no name", errUsage)
	}
	client, err := clientFor(*data)
	if err != nil {
		return err
	}
	document, err := client.Status(ctx)
	if err != nil {
		return err
	}
	if *asJSON {
		return writeJSON(os.Stdout, document)
	}
	console.New(os.Stdout, console.WantsColour(os.Stdout, os.Getenv)).ShowTable(document.Parts)
	return nil
}

func clientFor(data string) (*control.Client, error) {
	path, err := filepath.Abs(data)
	if err != nil {
		return nil, fmt.Errorf("find data directory: %w", err)
	}
	return control.NewClient(control.SocketPath(path)), nil
}
