// Package faults is one run of the fault runner: a fleet, clients that order from it, faults, and the judgement at the end.
package faults

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/steadfast-shop/steadfast/e2e/internal/chaos"
	"github.com/steadfast-shop/steadfast/e2e/internal/check"
	"github.com/steadfast-shop/steadfast/e2e/internal/fleet"
	"github.com/steadfast-shop/steadfast/e2e/internal/history"
	"github.com/steadfast-shop/steadfast/e2e/internal/kafka"
	"github.com/steadfast-shop/steadfast/e2e/internal/observe"
	"github.com/steadfast-shop/steadfast/e2e/internal/poll"
	"github.com/steadfast-shop/steadfast/e2e/internal/system"
	"github.com/steadfast-shop/steadfast/e2e/internal/workload"
	"github.com/steadfast-shop/steadfast/shared-proto/topics"
)

const (
	// lookWithin bounds reading everything at the end, and judging it.
	lookWithin = 5 * time.Minute
	// settledFor is how long nothing may be under way before the system counts as settled.
	settledFor = 2 * time.Second
	settleLook = 250 * time.Millisecond
	// answerWithin is how long the clients' last calls may take: their patience, and some.
	answerWithin = time.Minute
	// copiedWithin is how long the topics may take to be on all nodes once every service is ready.
	copiedWithin = time.Minute
)

// Options says what a run is.
type Options struct {
	Fleet    fleet.Options
	Seed     uint64
	Duration time.Duration
	// Settle bounds the time to settle, and Patience the search for an order in which the reads fit.
	Settle, Patience time.Duration
	Clients          int
	Pause            time.Duration
	Only             []chaos.Choice
	// NoFaults leaves all faults out.
	NoFaults bool
	// Out is the folder for the history.
	Out      string
	Progress io.Writer
	// Terminal says that Progress is one, where a line can be written over.
	Terminal bool
}

// Result is what a run was, and what came of it.
type Result struct {
	Seed     uint64
	Kafka    string
	Began    time.Time
	Duration time.Duration
	Clients  int
	// Stopped is when the clients stopped, and Settled how long the system then took to settle.
	Stopped, Settled time.Duration
	Faults           []chaos.Fault
	Calls            []history.Call
	Verdict          check.Verdict
	// Notes are things to know about the run: what this machine does not allow.
	Notes []string
	// Normal is the usual rate of placed orders, by the second.
	Normal     float64
	Recoveries []Recovery
}

// run is a run under way.
type run struct {
	Options
	fleet    *fleet.Fleet
	observer *observe.Observer
	kafka    *kafka.Client
	history  *history.History
	progress *progress
	watch    *observe.Watch
	storm    *chaos.Storm
	result   *Result
	// settleWatch ends what watches the run, once; nil where nothing does.
	settleWatch func()
}

// Run runs it all. An error means that it could not; what the system did wrong is in the result.
func Run(ctx context.Context, options Options) (result *Result, err error) {
	r := &run{Options: options, watch: observe.NewWatch(), progress: newProgress(options.Progress, options.Terminal)}
	defer func() { err = errors.Join(err, r.close()) }()
	if err := r.open(ctx); err != nil {
		return nil, err
	}
	planned := chaos.Options{Seed: r.Seed, Duration: r.Duration, Only: r.Only, Nodes: system.BrokerNodes(r.Fleet.Kafka)[1:]}
	if r.fleet.NoDisk != "" {
		planned.Without = append(planned.Without, chaos.DiskFull)
		r.result.Notes = append(r.result.Notes, "no disk is made full: "+r.fleet.NoDisk)
	}
	var plan []chaos.Fault
	if !r.NoFaults {
		if plan, err = chaos.Plan(planned, r.fleet.Links()); err != nil {
			return nil, err
		}
	}
	r.shoot(ctx, plan)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	unsettled := r.settle(ctx)
	return r.result, r.judge(ctx, unsettled)
}

// open starts the fleet and connects to it.
func (r *run) open(ctx context.Context) error {
	r.progress.say("starting two replicas of each service, and all links between them")
	var err error
	if r.fleet, err = fleet.Start(ctx, r.Fleet); err != nil {
		return err
	}
	if r.observer, err = observe.Open(ctx, r.fleet.Stack.URLs); err != nil {
		return err
	}
	if r.kafka, err = kafka.Dial(r.fleet.Stack.URLs.Kafka); err != nil {
		return err
	}
	if err := r.awaitCopies(ctx); err != nil {
		return err
	}
	if r.history, err = history.New(filepath.Join(r.Out, "history.jsonl"), r.progress.count); err != nil {
		return err
	}
	r.storm = chaos.NewStorm(r.fleet, r.kafka, r.Seed, r.history.Now)
	r.result = &Result{Seed: r.Seed, Kafka: r.Fleet.Kafka, Began: r.history.Began, Duration: r.Duration, Clients: r.Clients}
	return nil
}

// awaitCopies waits until a broker of several nodes has a copy of every topic on each: else it would be the loss of a node that is tested, and not what comes after.
func (r *run) awaitCopies(ctx context.Context) error {
	nodes := len(system.BrokerNodes(r.Fleet.Kafka))
	if nodes == 1 {
		return nil
	}
	var names []string
	for _, topic := range topics.All(int16(nodes)) {
		names = append(names, topic.Name)
	}
	ctx, cancel := context.WithTimeout(ctx, copiedWithin)
	defer cancel()
	return poll.Until(ctx, func(context.Context) error { return r.kafka.CheckReplicas(nodes, names...) })
}

// shoot has the clients ask and the faults come, until the time is over.
func (r *run) shoot(ctx context.Context, plan []chaos.Fault) {
	load := workload.New(workload.Options{Seed: r.Seed, Clients: r.Clients, Pause: r.Pause, Gateways: r.fleet.Gateways}, r.history)
	if err := load.Stock(ctx); err != nil {
		r.progress.say(err.Error()) // the checks will tell
	}
	watching, endWatch := context.WithCancel(ctx)
	var watchers sync.WaitGroup
	watchers.Go(func() { r.watch.Run(watching, r.fleet.Stack.URLs.Postgres, r.history.Now) })
	watchers.Go(func() { r.progress.run(watching, r.history.Now, r.Duration, r.storm.Faults) })
	var all sync.WaitGroup
	stopping := make(chan struct{})
	all.Go(func() {
		asking, cancel := context.WithCancel(ctx)
		defer cancel()
		over := time.AfterFunc(r.Duration-r.history.Now()+answerWithin, cancel)
		defer over.Stop()
		load.Run(asking, stopping)
	})
	all.Go(func() { r.storm.Run(ctx, plan) })
	timer := time.NewTimer(r.Duration - r.history.Now())
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	close(stopping)
	all.Wait()
	r.result.Stopped, r.result.Faults = r.history.Now(), r.storm.Faults()
	// What is given back after this was given back before the end of the watch.
	r.settleWatch = func() { endWatch(); watchers.Wait() }
}

// settle waits until nothing is under way, and returns why it does not come to that.
func (r *run) settle(ctx context.Context) (unsettled string) {
	r.progress.say("the clients have stopped; waiting for the system to settle")
	bounded, cancel := context.WithTimeout(ctx, r.Settle)
	defer cancel()
	ticker := time.NewTicker(settleLook)
	defer ticker.Stop()
	since := time.Duration(-1)
	for {
		looking, stopLooking := context.WithTimeout(ctx, lookWithin) // not bounded by the time to settle: what is missed at its end is to be told
		err := r.observer.Settled(looking)
		stopLooking()
		switch now := r.history.Now(); {
		case err != nil:
			since, unsettled = -1, err.Error()
		case err == nil && since < 0:
			since = now
		case err == nil && now-since >= settledFor:
			r.result.Settled = since - r.result.Stopped
			return ""
		}
		select {
		case <-bounded.Done():
			r.result.Settled = r.Settle
			return fmt.Sprintf("after %v: %s; %s", r.Settle, unsettled, r.observer.Consumers())
		case <-ticker.C:
		}
	}
}

// judge reads everything and holds it to the promises.
func (r *run) judge(ctx context.Context, unsettled string) error {
	r.settleWatch()
	r.settleWatch = nil
	r.progress.say("reading the databases, the topics and the inbox")
	ctx, cancel := context.WithTimeout(ctx, lookWithin)
	defer cancel()
	state, err := r.observer.Look(ctx)
	if err != nil {
		return err
	}
	if state.Complaints, err = r.fleet.Complaints(); err != nil {
		return err
	}
	for _, fault := range r.result.Faults {
		if fault.Failed != "" {
			unsettled = strings.TrimPrefix(unsettled+"; "+fault.String()+": "+fault.Failed, "; ")
		}
	}
	state.Unsettled = unsettled
	refused, dropped := r.fleet.Mail.Wronged()
	r.result.Calls = r.history.Calls()
	r.result.Verdict = check.Judge(check.Run{
		Began: r.history.Began, Calls: r.result.Calls, State: state, Patience: r.Patience,
		Facts: check.Facts{Poison: r.storm.Poison(), Refused: refused, Dropped: dropped, Disturbances: r.storm.Disturbances(), Seen: r.watch.Seen()},
	})
	r.result.Normal, r.result.Recoveries = recover201(r.result.Calls, r.result.Faults, r.result.Duration)
	return nil
}

// close ends everything, whatever there is of it.
func (r *run) close() error {
	if r.settleWatch != nil {
		r.settleWatch()
	}
	r.progress.say("stopping everything")
	var err error
	if r.history != nil {
		err = r.history.Close()
	}
	if r.kafka != nil {
		err = errors.Join(err, r.kafka.Close())
	}
	if r.observer != nil {
		err = errors.Join(err, r.observer.Close())
	}
	if r.fleet != nil {
		err = errors.Join(err, r.fleet.Close())
	}
	return err
}
