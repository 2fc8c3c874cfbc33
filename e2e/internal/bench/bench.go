// Package bench measures a whole Steadfast, or another system with its API: how many orders it takes, how fast it answers, what it uses of the machine, and whether it keeps its
// promises meanwhile.
package bench

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/steadfast-shop/steadfast/e2e/internal/load"
	"github.com/steadfast-shop/steadfast/e2e/internal/report"
	"github.com/steadfast-shop/steadfast/e2e/internal/shop"
	"github.com/steadfast-shop/steadfast/e2e/internal/system"
)

// The systems that are started here, by devstack's names for their brokers.
const (
	Embedded = "embedded"
	Apache   = "apache"
)

const devstack = "devstack"

// Options says what is measured, and how.
type Options struct {
	// Dir is for data and logs.
	Dir   string
	Ports *system.Ports
	// Progress is told what happens.
	Progress io.Writer
	// WarmUp is run before each Measure.
	WarmUp, Measure time.Duration
	// Rounds is how often each load is put on each system; the medians count. 0 means once.
	Rounds int
	// Starts is how often the start of each service is measured.
	Starts int
	// Profiles is a folder for profiles of the services, or "" for none.
	Profiles string
	// StartWithin is how long the stack may take to start; 0 means a minute.
	StartWithin time.Duration
	// SettleWithin is how long, once the mails are there, the promises may take to hold; 0 means ten seconds.
	SettleWithin time.Duration
}

// Build is a folder with devstack and the services, and the name that its system has in the report.
type Build struct{ Name, Programs string }

// Stacks starts a stack of each build with this broker, measures them and stops them. Each load is put on one after the other, so that what else the machine does meets all of them
// alike. What was measured until an error is returned with it.
func Stacks(ctx context.Context, o Options, broker string, builds []Build, scenarios []Scenario) ([]report.System, error) {
	targets, err := openStacks(ctx, o, broker, builds)
	if err == nil {
		err = measureStacks(ctx, o, targets, scenarios)
	}
	var measured []report.System
	for _, t := range targets {
		t.measured.Memory = t.memory()
		err = errors.Join(err, t.close())
		measured = append(measured, t.measured)
	}
	return measured, err
}

// openStacks returns those that it has started with an error, too.
func openStacks(ctx context.Context, o Options, broker string, builds []Build) ([]*target, error) {
	var targets []*target
	for _, build := range builds {
		o.say("%s: starting", build.Name)
		t, err := openStack(ctx, o, broker, build)
		if err != nil {
			return targets, fmt.Errorf("%s: %w", build.Name, err)
		}
		targets = append(targets, t)
	}
	return targets, nil
}

func measureStacks(ctx context.Context, o Options, targets []*target, scenarios []Scenario) (err error) {
	for _, t := range targets {
		if o.Starts > 0 {
			o.say("%s: starting each service %d times", t.measured.Name, o.Starts)
			if t.measured.Starts, err = t.timeStarts(ctx, o.Starts); err != nil {
				return fmt.Errorf("%s: %w", t.measured.Name, err)
			}
		}
		t.measured.Idle = t.memory()
	}
	return runAll(ctx, o, targets, scenarios)
}

// runAll puts each load on the targets in turn, every other round in the opposite order, and adds what came of it to what was measured. A load that was interrupted counts with the rounds
// that it has.
func runAll(ctx context.Context, o Options, targets []*target, scenarios []Scenario) error {
	targets = slices.Clone(targets)
	for _, s := range scenarios {
		measured := map[*target][]report.Scenario{}
		var err error
		for round := 0; round < max(1, o.Rounds) && err == nil; round++ {
			for _, t := range targets {
				var result report.Scenario
				if result, err = t.run(ctx, o, s, round); err != nil {
					break
				}
				measured[t] = append(measured[t], result)
			}
			slices.Reverse(targets)
		}
		for t, rounds := range measured {
			t.measured.Scenarios = append(t.measured.Scenarios, report.Median(rounds))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Foreign measures a system that runs already. What was measured until an error is returned with it.
func Foreign(ctx context.Context, o Options, name, gateway string, scenarios []Scenario) (report.System, error) {
	gateway = strings.TrimSuffix(gateway, "/")
	o.Profiles = ""
	t := &target{gateway: gateway, shop: shop.New(gateway), ids: newRun(), measured: report.System{Name: name}}
	err := runAll(ctx, o, []*target{t}, scenarios)
	return t.measured, err
}

func (o *Options) say(format string, arguments ...any) {
	fmt.Fprintf(o.Progress, format+"\n", arguments...)
}

// newRun returns what sets this run's ids apart from those of others.
func newRun() string { return strings.ToLower(rand.Text()[:8]) }

// run puts one load on the target, for the round-th time.
func (t *target) run(ctx context.Context, o Options, s Scenario, round int) (report.Scenario, error) {
	var result report.Scenario
	var err error
	if s.read != nil {
		result, err = t.measureReads(ctx, o, s)
	} else {
		result, err = t.measureOrders(ctx, o, s, round)
	}
	if err != nil {
		return result, fmt.Errorf("%s, %s: %w", t.measured.Name, s.Name, err)
	}
	o.say("%s: %s: %s", t.measured.Name, s.Name, result.Summary())
	return result, nil
}

func (t *target) measureReads(ctx context.Context, o Options, s Scenario) (report.Scenario, error) {
	if t.readable == nil {
		prepared, err := t.prepare(ctx)
		if err != nil {
			return report.Scenario{}, fmt.Errorf("prepare: %w", err)
		}
		t.readable = &prepared
	}
	return t.measure(ctx, o, s, reads(s.read(*t.readable)), nil)
}

func (t *target) measureOrders(ctx context.Context, o Options, s Scenario, round int) (report.Scenario, error) {
	task, err := t.newOrders(ctx, fmt.Sprintf("%s-%d", s.Name, round), s.skus, orderUsers)
	if err != nil {
		return report.Scenario{}, err
	}
	before, err := t.lastMail(ctx)
	if err != nil {
		return report.Scenario{}, err
	}
	return t.measure(ctx, o, s, task, func(result load.Result, into *report.Scenario) error {
		return t.verify(ctx, cmp.Or(o.SettleWithin, settleWithin), task, before, result, into)
	})
}

// measure puts one load on the target. verify, if it is not nil, then looks whether the promises were kept, and returns an error if it could not.
func (t *target) measure(ctx context.Context, o Options, s Scenario, task load.Task, verify func(load.Result, *report.Scenario) error) (report.Scenario, error) {
	measured := report.Scenario{Name: s.Name, Title: s.Title, Clients: s.Clients, Profiled: o.Profiles != ""}
	var start, end meter
	profiles, err := t.newProfiles(o, t.measured.Name+"-"+s.Name)
	if err != nil {
		return measured, err
	}
	result, err := load.Run(ctx, task, load.Options{
		Target: t.gateway, Clients: s.Clients, WarmUp: o.WarmUp, Measure: o.Measure,
		OnStart: func() { profiles.start(ctx); start = t.read() },
		OnEnd:   func() { end = t.read() },
	})
	if err = errors.Join(err, profiles.wait()); err != nil {
		return measured, err
	}
	quantiles := load.Quantiles(result.Latencies, 0.5, 0.95, 0.99, 1)
	measured.Rate, measured.Samples, measured.CPU = result.Rate, len(result.Latencies), end.cores(start)
	measured.P50, measured.P95 = milliseconds(quantiles[0]), milliseconds(quantiles[1])
	measured.P99, measured.Most = milliseconds(quantiles[2]), milliseconds(quantiles[3])
	measured.Requests, measured.Errors, measured.Faults = result.Requests, result.Errors, result.Faults
	measured.Memory = t.memory()
	if verify != nil {
		err = verify(result, &measured)
	}
	return measured, err
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
