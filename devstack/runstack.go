package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/steadfast-shop/steadfast/devstack/internal/console"
	"github.com/steadfast-shop/steadfast/devstack/internal/control"
	"github.com/steadfast-shop/steadfast/devstack/internal/datadir"
	"github.com/steadfast-shop/steadfast/devstack/internal/postgres"
	"github.com/steadfast-shop/steadfast/devstack/internal/process"
	"github.com/steadfast-shop/steadfast/devstack/internal/stack"
)

type runFlags struct {
	data, bin, kafka, postgres, only string
	kafkaNodes                       int
	fresh, freePorts, quiet          bool
}

func parseRunFlags(arguments []string) (runFlags, error) {
	var f runFlags
	flags := flag.NewFlagSet("run", flag.ContinueOnError)
	flags.StringVar(&f.data, "data", ".devstack", "")
	flags.StringVar(&f.bin, "bin", "", "")
	flags.StringVar(&f.kafka, "kafka", "embedded", "")
	flags.IntVar(&f.kafkaNodes, "kafka-nodes", 1, "")
	flags.StringVar(&f.postgres, "postgres", "installed", "")
	flags.StringVar(&f.only, "only", "", "")
	flags.BoolVar(&f.fresh, "fresh", false, "")
	flags.BoolVar(&f.freePorts, "free-ports", false, "")
	flags.BoolVar(&f.quiet, "quiet", false, "")
	rest, err := parse(flags, arguments)
	switch {
	case err != nil:
		return f, err
	case len(rest) > 0:
		return f, fmt.Errorf("%w: run does not take %q", errUsage, rest[0])
	case f.kafka != "embedded" && f.kafka != "apache":
		return f, fmt.Errorf("%w: --kafka is embedded or apache", errUsage)
	case f.kafkaNodes != 1 && f.kafkaNodes != 3:
		return f, fmt.Errorf("%w: --kafka-nodes is 1 or 3", errUsage)
	case f.kafkaNodes != 1 && f.kafka != "apache":
		return f, fmt.Errorf("%w: --kafka-nodes=%d needs --kafka=apache, for the embedded broker has one node", errUsage, f.kafkaNodes)
	case f.postgres != "installed" && f.postgres != "download":
		return f, fmt.Errorf("%w: --postgres is installed or download", errUsage)
	}
	return f, nil
}

// runStack brings everything up, and stops it at the first SIGINT, SIGTERM or
// SIGHUP. A second one kills.
func runStack(ctx context.Context, arguments []string) error {
	flags, err := parseRunFlags(arguments)
	if err != nil {
		return err
	}
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	// A reader of our output that has gone (`devstack | tee`) must not end us
	// without order.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)

	dir, err := openData(flags.data)
	if err != nil {
		return err
	}
	defer dir.Close() //nolint:errcheck // the end of the process gives it free, too
	terminal := console.New(os.Stdout, console.WantsColour(os.Stdout, os.Getenv))
	ledger, err := cleanUp(ctx, dir, flags.fresh, terminal)
	if err != nil {
		return err
	}
	plan, err := makePlan(ctx, flags, dir.Path)
	if err != nil {
		return err
	}
	if err := plan.CheckPorts(ctx); err != nil {
		return err
	}
	s := &session{
		plan: plan, terminal: terminal, quiet: flags.quiet, signals: signals,
		dataDir: dir.Path, socket: control.SocketPath(dir.Path), started: time.Now(),
	}
	return s.run(ctx, ledger)
}

// openData locks the data directory. Root's is passable, because PostgreSQL does
// not run as root.
func openData(data string) (*datadir.Dir, error) {
	path, err := filepath.Abs(data)
	if err != nil {
		return nil, fmt.Errorf("find data directory: %w", err)
	}
	mode := os.FileMode(0o700)
	if os.Geteuid() == 0 {
		mode = 0o711
	}
	return datadir.Open(path, mode)
}

// cleanUp ends what a killed devstack left behind, and deletes what it is asked to.
func cleanUp(ctx context.Context, dir *datadir.Dir, fresh bool, terminal *console.Console) (*process.Ledger, error) {
	if err := os.RemoveAll(filepath.Join(dir.Path, documentName)); err != nil {
		return nil, fmt.Errorf("remove the description of an earlier run: %w", err)
	}
	ledgerDir := filepath.Join(dir.Path, "processes")
	ledger, err := process.OpenLedger(ledgerDir)
	if err != nil {
		return nil, err
	}
	stopped, err := ledger.StopLeftovers(ctx)
	for _, name := range stopped {
		terminal.Say("  stopped the %s that an earlier run left behind", name)
	}
	if err != nil {
		return nil, err
	}
	if fresh {
		if err := errors.Join(dir.Empty(), os.RemoveAll(filepath.Dir(postgres.OutsideDir(dir.Path)))); err != nil {
			return nil, err
		}
	}
	if err := os.MkdirAll(filepath.Join(dir.Path, "logs"), 0o700); err != nil {
		return nil, fmt.Errorf("make folder for logs: %w", err)
	}
	return process.OpenLedger(ledgerDir)
}

func makePlan(ctx context.Context, flags runFlags, dataDir string) (*stack.Plan, error) {
	settings, err := stack.ReadSettings(ctx, os.Environ(), flags.freePorts)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find own program: %w", err)
	}
	bin := filepath.Dir(self)
	if flags.bin != "" {
		if bin, err = filepath.Abs(flags.bin); err != nil {
			return nil, fmt.Errorf("find programs: %w", err)
		}
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = dataDir // no home: what is fetched serves this stack only
	}
	var only []string
	if flags.only != "" {
		only = strings.Split(flags.only, ",")
	}
	starter := process.NewStarter()
	return stack.NewPlan(stack.Options{
		DataDir: dataDir, CacheDir: filepath.Join(cache, "steadfast"), BinDir: bin, Self: self,
		ApacheKafka: flags.kafka == "apache", KafkaNodes: flags.kafkaNodes, Only: only, FetchPostgres: flags.postgres == "download",
		Run: func(cmd *exec.Cmd) error {
			if err := starter.Start(cmd, syscall.SIGKILL); err != nil {
				return fmt.Errorf("start: %w", err)
			}
			return cmd.Wait()
		},
	}, settings)
}
