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
	// Programs is the folder with devstack and the services; Dir is for data and logs.
	Programs, Dir string
	Ports         *system.Ports
	// Progress is told what happens.
	Progress io.Writer
	// WarmUp is run before each Measure.
	WarmUp, Measure time.Duration
	// Starts is how often the start of each service is measured.
	Starts int
	// Profiles is a folder for profiles of the services, or "" for none.
	Profiles string
	// StartWithin is how long the stack may take to start; 0 means a minute.
	StartWithin time.Duration
	// SettleWithin is how long, once the mails are there, the promises may take to hold; 0 means ten seconds.
	SettleWithin time.Duration
}

// Stack starts a stack with this broker, measures it and stops it. What was measured until an error is returned with it.
func Stack(ctx context.Context, o Options, name string, scenarios []Scenario) (measured report.System, err error) {
	measured = report.System{Name: name}
	o.say("%s: starting", name)
	t, err := openStack(ctx, o, name, newRun())
	if err != nil {
		return measured, fmt.Errorf("%s: %w", name, err)
	}
	defer func() {
		if closeErr := t.close(); closeErr != nil {
			err = errors.Join(err, fmt.Errorf("%s: %w", name, closeErr))
		}
	}()
	if o.Starts > 0 {
		o.say("%s: starting each service %d times", name, o.Starts)
		if measured.Starts, err = t.timeStarts(ctx, o.Starts); err != nil {
			return measured, fmt.Errorf("%s: %w", name, err)
		}
	}
	measured.Idle = t.memory()
	err = t.measureAll(ctx, o, &measured, scenarios)
	measured.Memory = t.memory()
	return measured, err // and what the deferred stop finds
}

// Foreign measures a system that runs already.
func Foreign(ctx context.Context, o Options, name, gateway string, scenarios []Scenario) (report.System, error) {
	measured := report.System{Name: name}
	gateway = strings.TrimSuffix(gateway, "/")
	o.Profiles = ""
	t := &target{gateway: gateway, shop: shop.New(gateway), run: newRun()}
	return measured, t.measureAll(ctx, o, &measured, scenarios)
}

func (o *Options) say(format string, arguments ...any) {
	fmt.Fprintf(o.Progress, format+"\n", arguments...)
}

// newRun returns what sets this run's ids apart from those of others.
func newRun() string { return strings.ToLower(rand.Text()[:8]) }

func (t *target) measureAll(ctx context.Context, o Options, measured *report.System, scenarios []Scenario) error {
	var d *data
	for _, s := range scenarios {
		if s.read != nil && d == nil {
			prepared, err := t.prepare(ctx)
			if err != nil {
				return fmt.Errorf("%s: prepare reads: %w", measured.Name, err)
			}
			d = &prepared
		}
		var result report.Scenario
		var err error
		if s.read != nil {
			result, err = t.measure(ctx, o, measured.Name, s, reads(s.read(*d)), nil)
		} else {
			result, err = t.measureOrders(ctx, o, measured.Name, s)
		}
		if err != nil {
			return fmt.Errorf("%s, %s: %w", measured.Name, s.Name, err)
		}
		measured.Scenarios = append(measured.Scenarios, result)
		o.say("%s: %s: %s", measured.Name, s.Name, result.Summary())
	}
	return nil
}

func (t *target) measureOrders(ctx context.Context, o Options, name string, s Scenario) (report.Scenario, error) {
	task, err := t.newOrders(ctx, s.Name, s.skus, orderUsers)
	if err != nil {
		return report.Scenario{}, err
	}
	before, err := t.lastMail(ctx)
	if err != nil {
		return report.Scenario{}, err
	}
	return t.measure(ctx, o, name, s, task, func(result load.Result, into *report.Scenario) error {
		return t.verify(ctx, cmp.Or(o.SettleWithin, settleWithin), task, before, result, into)
	})
}

// measure puts one load on the target. verify, if it is not nil, then looks whether the promises were kept, and returns an error if it could not.
func (t *target) measure(ctx context.Context, o Options, name string, s Scenario, task load.Task, verify func(load.Result, *report.Scenario) error) (report.Scenario, error) {
	measured := report.Scenario{Name: s.Name, Title: s.Title, Clients: s.Clients, Profiled: o.Profiles != ""}
	var start, end meter
	profiles, err := t.newProfiles(o, name+"-"+s.Name)
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
