// Faults shoots at a whole Steadfast while clients order from it, and then looks whether it has kept its word.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/steadfast-shop/steadfast/e2e/internal/chaos"
	"github.com/steadfast-shop/steadfast/e2e/internal/faultreport"
	"github.com/steadfast-shop/steadfast/e2e/internal/faults"
	"github.com/steadfast-shop/steadfast/e2e/internal/poll"
	"github.com/steadfast-shop/steadfast/e2e/internal/system"
)

const (
	// endWithin is how long processes may still be there once they were told to stop.
	endWithin = 10 * time.Second
	// seeds are those that are chosen where none is given: short enough to be typed.
	seeds = 1 << 20
)

// errBroken means that a promise was not kept.
var errBroken = errors.New("promises are broken")

func main() {
	ctx, restore := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer restore()
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "faults: %v\n", err)
		restore()
		os.Exit(1) //nolint:gocritic // restored above
	}
}

// settings collects a flag that may be given several times.
type settings []string

func (s *settings) String() string { return strings.Join(*s, " ") }

// Set implements flag.Value.
func (s *settings) Set(text string) error {
	if name, _, found := strings.Cut(text, "="); !found || name == "" {
		return errors.New("write it like NAME=value, or order-service:NAME=value")
	}
	*s = append(*s, text)
	return nil
}

// options is what the command line says.
type options struct {
	run        faults.Options
	seed, out  string
	keep, list bool
}

func parse(arguments []string, output io.Writer) (options, error) {
	o := options{}
	flags := flag.NewFlagSet("faults", flag.ContinueOnError)
	flags.SetOutput(output)
	flags.StringVar(&o.run.Fleet.Programs, "bin", "bin", "`folder` with devstack and the services")
	flags.DurationVar(&o.run.Duration, "duration", 3*time.Minute, "how long clients order and faults come")
	flags.StringVar(&o.seed, "seed", "", "`number` from which all that is chosen follows; printed, and chosen where it is not given")
	flags.StringVar(&o.run.Fleet.Kafka, "kafka", system.Embedded, "`broker`: embedded, apache, or apache3, which has three nodes")
	flags.IntVar(&o.run.Clients, "clients", 16, "how many clients there are")
	flags.DurationVar(&o.run.Pause, "pause", 150*time.Millisecond, "mean time that a client waits between two things")
	flags.DurationVar(&o.run.Settle, "settle", 3*time.Minute, "how long the system may take to settle")
	flags.DurationVar(&o.run.Patience, "patience", time.Minute, "how long an order is searched for in which the reads fit")
	flags.StringVar(&o.out, "out", "faults-report", "`folder` for the report and the history")
	flags.BoolVar(&o.keep, "keep", false, "keep data and logs, and say where; after a broken promise they are kept anyway")
	flags.BoolVar(&o.list, "list", false, "list the kinds of faults, and end")
	flags.Var((*settings)(&o.run.Fleet.Environment), "env", "`setting` NAME=value for all services, or order-service:NAME=value for one; may be given several times")
	only := flags.String("only", "", "`faults` to bring about, with commas: a kind, or a kind and the beginning of a target, such as kill:postgres,drip:gateway")
	none := flags.Bool("no-faults", false, "bring about none: the same clients and checks")
	if err := flags.Parse(arguments); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("unexpected %q; -help lists the flags", flags.Arg(0))
	}
	if err := system.CheckBroker(o.run.Fleet.Kafka); err != nil {
		return o, fmt.Errorf("-kafka: %w", err)
	}
	if o.run.Duration < 10*time.Second || o.run.Clients < 1 || o.run.Pause < time.Millisecond || o.run.Settle < time.Second || o.run.Patience < time.Second {
		return o, errors.New("-duration must be at least 10s, -clients 1, -pause 1ms, -settle and -patience 1s")
	}
	o.run.NoFaults = *none
	var err error
	if o.run.Seed, err = seedOf(o.seed); err != nil {
		return o, err
	}
	if *only != "" {
		o.run.Only, err = chaos.ParseChoices(*only)
	}
	o.run.Fleet.SmallDisk = !*none && o.mayFill()
	return o, err
}

// mayFill says whether a disk may come to be made full.
func (o *options) mayFill() bool {
	for _, choice := range o.run.Only {
		if choice.Kind == chaos.DiskFull {
			return true
		}
	}
	return len(o.run.Only) == 0
}

func seedOf(text string) (uint64, error) {
	if text == "" {
		return uint64(1 + rand.IntN(seeds)), nil
	}
	var seed uint64
	if _, err := fmt.Sscan(text, &seed); err != nil || fmt.Sprint(seed) != text {
		return 0, fmt.Errorf("-seed is %q: it must be a whole number", text)
	}
	return seed, nil
}

func run(ctx context.Context, arguments []string, tables, progress io.Writer) error {
	o, err := parse(arguments, progress)
	if err != nil {
		return err
	}
	if o.list {
		fmt.Fprint(tables, faultreport.Kinds())
		return nil
	}
	for _, folder := range []*string{&o.run.Fleet.Programs, &o.out} {
		if *folder, err = filepath.Abs(*folder); err != nil {
			return fmt.Errorf("find folders: %w", err)
		}
	}
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return fmt.Errorf("make the folder for the report: %w", err)
	}
	if o.run.Fleet.Dir, err = os.MkdirTemp("", "steadfast-faults-"); err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	if err := os.Chmod(o.run.Fleet.Dir, 0o711); err != nil { // PostgreSQL does not run as root, and must enter it
		return fmt.Errorf("open the folder to PostgreSQL: %w", err)
	}
	o.run.Fleet.Ports, o.run.Out, o.run.Progress, o.run.Terminal = system.NewPorts(), o.out, progress, isTerminal(progress)
	fmt.Fprintf(progress, "seed %d, %v\n", o.run.Seed, o.run.Duration)
	result, err := faults.Run(ctx, o.run)
	if errors.Is(err, context.Canceled) {
		err = errors.New("interrupted; nothing was judged")
	}
	err = errors.Join(err, waitEnd(o.run.Fleet.Dir))
	isBroken := result != nil && len(result.Verdict.Broken) > 0
	if o.keep || isBroken {
		fmt.Fprintln(progress, "data and logs are in", o.run.Fleet.Dir)
	} else {
		err = errors.Join(err, os.RemoveAll(o.run.Fleet.Dir))
	}
	if err != nil {
		return err
	}
	return o.show(result, tables)
}

// show writes the tables and the page.
func (o *options) show(result *faults.Result, tables io.Writer) error {
	fmt.Fprint(tables, "\n", faultreport.Tables(result))
	page := filepath.Join(o.out, "report.html")
	if err := faultreport.WritePage(page, result); err != nil {
		return err
	}
	fmt.Fprintf(tables, "\nThe report is %s, and every call is in %s.\n", page, filepath.Join(o.out, "history.jsonl"))
	if len(result.Verdict.Broken) > 0 {
		broken := filepath.Join(o.out, "broken.json")
		if err := faultreport.WriteBroken(broken, result); err != nil {
			return err
		}
		fmt.Fprintf(tables, "All that is broken, with its calls, is in %s.\n", broken)
		return fmt.Errorf("%w: %s (seed %d)", errBroken, strings.Join(result.Verdict.Names(), ", "), result.Seed)
	}
	return nil
}

// isTerminal says whether a line can be written over.
func isTerminal(out io.Writer) bool {
	file, isFile := out.(*os.File)
	if !isFile {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// waitEnd waits for the end of all that was started, which a stop in the middle of a start leaves to the system.
func waitEnd(dir string) error {
	ctx, cancel := context.WithTimeout(context.Background(), endWithin)
	defer cancel()
	return poll.Until(ctx, func(context.Context) error {
		if left := system.Leftovers(dir); len(left) > 0 {
			return fmt.Errorf("processes are left: %s", strings.Join(left, ", "))
		}
		return nil
	})
}
