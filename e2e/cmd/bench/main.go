// Bench measures a whole Steadfast on this machine: it starts the local stack, puts loads on it, and prints tables that can be pasted into documents.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/steadfast-shop/steadfast/e2e/internal/bench"
	"github.com/steadfast-shop/steadfast/e2e/internal/load"
	"github.com/steadfast-shop/steadfast/e2e/internal/poll"
	"github.com/steadfast-shop/steadfast/e2e/internal/report"
	"github.com/steadfast-shop/steadfast/e2e/internal/system"
)

const (
	// endWithin is how long processes may still be there once they were told to stop.
	endWithin = 10 * time.Second
	// startAtMost is more than a stack may take to start.
	startAtMost = 15 * time.Minute
)

func main() {
	ctx, restore := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer restore()
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "bench: %v\n", err)
		restore()
		os.Exit(1) //nolint:gocritic // restored above
	}
}

// options is what the command line says.
type options struct {
	bench                               bench.Options
	programs, before                    string
	kafka, gateway, name, json, compare string
	scenarios                           []bench.Scenario
	chosen                              bool // scenarios were named
	commit                              string
	keep                                bool
}

func parse(arguments []string, output io.Writer) (options, error) {
	o := options{}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(output)
	flags.StringVar(&o.programs, "bin", "bin", "`folder` with devstack and the services")
	flags.StringVar(&o.before, "before", "", "`folder` with these programs as they were, to measure both in turn; on one broker")
	flags.DurationVar(&o.bench.Measure, "duration", 5*time.Second, "measured time of each load")
	flags.DurationVar(&o.bench.WarmUp, "warmup", 2*time.Second, "load before it that is not measured")
	flags.IntVar(&o.bench.Rounds, "rounds", 1, "how often each load is put on each system; the medians count")
	flags.StringVar(&o.kafka, "kafka", "auto", "`which` stacks to start: embedded, apache, both, auto (both if java and mvn are there) or none")
	flags.StringVar(&o.gateway, "gateway", "", "`URL` of a running system with the same API that is measured, too")
	flags.StringVar(&o.name, "name", "foreign", "`name` of that system in the tables")
	flags.IntVar(&o.bench.Starts, "starts", 5, "how often the start of each service is measured")
	flags.StringVar(&o.json, "json", "", "`file` to write the results to")
	flags.StringVar(&o.compare, "compare", "", "`file` that an earlier run wrote, to compare with")
	flags.StringVar(&o.bench.Profiles, "profile", "", "`folder` for CPU, mutex, block and allocation profiles of the services")
	flags.BoolVar(&o.keep, "keep", false, "keep data and logs, and say where")
	flags.StringVar(&o.commit, "commit", "", "`commit` of the programs, where they do not tell")
	names := flags.String("only", "", "`scenarios` to run, with commas (default all; on apache a few)")
	if err := flags.Parse(arguments); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("unexpected %q; -help lists the flags", flags.Arg(0))
	}
	if !slices.Contains([]string{"embedded", "apache", "both", "auto", "none"}, o.kafka) {
		return o, errors.New("-kafka must be embedded, apache, both, auto or none")
	}
	if o.kafka == "none" && o.gateway == "" {
		return o, errors.New("nothing to measure: -kafka none needs -gateway")
	}
	if o.before != "" && (o.kafka == "both" || o.kafka == "none") {
		return o, errors.New("-before needs one broker: -kafka embedded or apache")
	}
	if _, err := load.ParseTarget(o.gateway); o.gateway != "" && err != nil {
		return o, fmt.Errorf("-gateway: %w", err)
	}
	if o.bench.Measure < time.Second || o.bench.WarmUp < 0 || o.bench.Starts < 0 {
		return o, errors.New("-duration must be at least 1s, and -warmup and -starts must not be negative")
	}
	if o.bench.Rounds < 1 || o.bench.Rounds > 1 && o.bench.Profiles != "" {
		return o, errors.New("-rounds must be at least 1, and -profile takes profiles of one round only")
	}
	if *names != "" {
		o.chosen = true
	}
	var err error
	o.scenarios, err = bench.Choose(*names)
	return o, err
}

func run(ctx context.Context, arguments []string, tables, progress io.Writer) error {
	o, err := parse(arguments, progress)
	if err != nil {
		return err
	}
	var earlier *report.Report
	if o.compare != "" { // before the work, so that a wrong name is told at once
		if earlier, err = report.Read(o.compare); err != nil {
			return err
		}
	}
	for _, folder := range []*string{&o.programs, &o.before} {
		if *folder == "" {
			continue
		}
		if *folder, err = filepath.Abs(*folder); err != nil {
			return fmt.Errorf("find programs: %w", err)
		}
	}
	if o.bench.Dir, err = os.MkdirTemp("", "steadfast-bench-"); err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	if err := os.Chmod(o.bench.Dir, 0o711); err != nil { // PostgreSQL does not run as root, and must enter it
		return fmt.Errorf("open the folder to PostgreSQL: %w", err)
	}
	o.bench.Ports, o.bench.Progress = system.NewPorts(), progress
	found := &report.Report{Began: time.Now(), Machine: bench.Machine(o.programs), WarmUp: o.bench.WarmUp.Seconds(), Measured: o.bench.Measure.Seconds()}
	found.Machine.Commit = cmp.Or(found.Machine.Commit, o.commit)
	bounded, cancel := context.WithTimeout(ctx, o.longest())
	defer cancel()
	err = o.measure(bounded, found)
	if ctx.Err() != nil {
		err = errors.New("interrupted; what is shown was measured before")
	}
	err = errors.Join(err, waitEnd(o.bench.Dir))
	if o.keep {
		fmt.Fprintln(progress, "data and logs are in", o.bench.Dir)
	} else {
		err = errors.Join(err, os.RemoveAll(o.bench.Dir))
	}
	return errors.Join(err, o.show(found, earlier, tables), found.Broken())
}

// longest is how long everything may take, the slowest mails and the first download of Apache Kafka included. Each step has a bound of its own; this is for their sum.
func (o *options) longest() time.Duration {
	const systems = 3
	each := time.Duration(o.bench.Rounds*len(o.scenarios)) * (o.bench.WarmUp + o.bench.Measure + bench.SettleAtMost)
	return systems * (startAtMost + time.Duration(o.bench.Starts)*time.Minute + each)
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

// measure measures one system after the other. What was measured until an error is in the report.
func (o *options) measure(ctx context.Context, into *report.Report) error {
	for _, kafka := range o.stacks() {
		scenarios := o.scenarios
		if kafka == bench.Apache && len(into.Systems) > 0 && !o.chosen {
			scenarios = slices.DeleteFunc(slices.Clone(scenarios), func(s bench.Scenario) bool { return !s.Brief })
		}
		builds := []bench.Build{{Name: kafka, Programs: o.programs}}
		if o.before != "" {
			builds = []bench.Build{{Name: "before", Programs: o.before}, {Name: "now", Programs: o.programs}}
		}
		measured, err := bench.Stacks(ctx, o.bench, kafka, builds, scenarios)
		into.Systems = append(into.Systems, measured...)
		if err != nil {
			return err
		}
	}
	if o.gateway == "" {
		return nil
	}
	measured, err := bench.Foreign(ctx, o.bench, o.name, o.gateway, o.scenarios)
	into.Systems = append(into.Systems, measured)
	return err
}

// stacks lists the stacks to start.
func (o *options) stacks() []string {
	switch o.kafka {
	case "none":
		return nil
	case "both":
		return []string{bench.Embedded, bench.Apache}
	case "auto":
		if o.before != "" {
			return []string{bench.Embedded}
		}
		for _, program := range []string{"java", "mvn"} {
			if _, err := exec.LookPath(program); err != nil {
				fmt.Fprintf(o.bench.Progress, "without Apache Kafka: %v\n", err)
				return []string{bench.Embedded}
			}
		}
		return []string{bench.Embedded, bench.Apache}
	default:
		return []string{o.kafka}
	}
}

// show prints the tables and writes the file.
func (o *options) show(found, earlier *report.Report, tables io.Writer) error {
	fmt.Fprintf(tables, "\n%s", found.Markdown())
	if earlier != nil {
		fmt.Fprintf(tables, "\n### Against %s\n\n%s", filepath.Base(o.compare), found.Compare(earlier))
	}
	if o.json == "" {
		return nil
	}
	return found.Write(o.json)
}
