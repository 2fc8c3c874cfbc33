// Package load is a closed-loop load generator: each client sends its next request once it has the answer to the last one.
package load

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// errorPause keeps clients whose requests fail at once from using up the machine.
const errorPause = 20 * time.Millisecond

// Task makes requests and judges answers. Requests are numbered from 0, across all clients; its methods are called concurrently.
type Task interface {
	// Request appends the n-th request, as it goes over the wire.
	Request(buffer []byte, n int64) []byte
	// Check returns what is wrong with the answer to the n-th request. It must not keep the body.
	Check(n int64, status int, body []byte) error
}

// Options says how much load there is.
type Options struct {
	// Target is the URL of what is measured: http://host:port.
	Target  string
	Clients int
	// Requests started during WarmUp are made and checked, but not measured. Those started in the Measure after it are.
	WarmUp, Measure time.Duration
	// Most ends the load after so many requests; 0 means no such end.
	Most int64
	// OnStart and OnEnd are called when the measured time begins and ends, if they are not nil; the load goes on meanwhile.
	OnStart, OnEnd func()
}

// Result is what came of a load.
type Result struct {
	// Latencies are those of all right answers to requests that began in the measured time.
	Latencies []time.Duration
	// Rate is how many right answers a second came within the measured time.
	Rate float64
	// Right are the numbers of all requests that were answered rightly, measured or not.
	Right []int64
	// Requests is how many there were, and Errors how many of them were not answered rightly, measured or not. Faults counts these by what was wrong.
	Requests, Errors int64
	Faults           map[string]int
	// Ended is when the last answer came.
	Ended time.Time
}

// generator is a load under way.
type generator struct {
	options    Options
	task       Task
	next       atomic.Int64
	start, end time.Time // of the measured time
}

// client is what one client has to tell.
type client struct {
	connection connection
	latencies  []time.Duration
	inTime     int64 // right answers within the measured time
	right      []int64
	errors     int64
	faults     map[string]int
}

// ParseTarget returns the host:port of a target's URL.
func ParseTarget(target string) (address string, err error) {
	parsed, err := url.Parse(target)
	if err != nil || parsed.Scheme != "http" || parsed.Port() == "" || strings.Trim(parsed.Path, "/") != "" {
		return "", fmt.Errorf("the target %q must be http://host:port", target)
	}
	return parsed.Host, nil
}

// Run puts the load on the target until the measured time is over and all answers are there, or ctx ends, which is an error.
func Run(ctx context.Context, task Task, options Options) (Result, error) {
	address, err := ParseTarget(options.Target)
	if err != nil {
		return Result{}, err
	}
	now := time.Now()
	g := &generator{options: options, task: task, start: now.Add(options.WarmUp), end: now.Add(options.WarmUp + options.Measure)}
	clients := make([]client, options.Clients)
	var group sync.WaitGroup
	for i := range clients {
		clients[i].connection.address = address
		clients[i].faults = make(map[string]int)
		group.Go(func() { g.loop(ctx, &clients[i]) })
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		group.Wait()
	}()
	at(done, g.start, options.OnStart)
	at(done, g.end, options.OnEnd)
	<-done
	if err := ctx.Err(); err != nil {
		return Result{}, err
	}
	return g.result(clients), nil
}

// at calls the function at the time, or once done is closed.
func at(done <-chan struct{}, when time.Time, call func()) {
	timer := time.NewTimer(time.Until(when))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-done:
	}
	if call != nil {
		call()
	}
}

// loop is one client.
func (g *generator) loop(ctx context.Context, c *client) {
	defer c.connection.close()
	var request []byte
	for ctx.Err() == nil {
		n := g.next.Add(1) - 1
		if g.options.Most > 0 && n >= g.options.Most || g.options.Most == 0 && !time.Now().Before(g.end) {
			return
		}
		request = g.task.Request(request[:0], n)
		began := time.Now()
		status, body, err := c.connection.send(ctx, request)
		ended := time.Now()
		if err == nil {
			err = g.task.Check(n, status, body)
		}
		if err != nil {
			c.errors++
			c.faults[err.Error()]++
			pause(ctx)
			continue
		}
		c.right = append(c.right, n)
		if !began.Before(g.start) {
			c.latencies = append(c.latencies, ended.Sub(began))
		}
		if !ended.Before(g.start) && ended.Before(g.end) {
			c.inTime++
		}
	}
}

func pause(ctx context.Context) {
	timer := time.NewTimer(errorPause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// result joins what the clients tell.
func (g *generator) result(clients []client) Result {
	r := Result{Faults: make(map[string]int), Ended: time.Now()}
	var inTime int64
	for _, c := range clients {
		r.Latencies = append(r.Latencies, c.latencies...)
		r.Right = append(r.Right, c.right...)
		r.Errors += c.errors
		inTime += c.inTime
		for fault, times := range c.faults {
			r.Faults[fault] += times
		}
	}
	r.Requests = int64(len(r.Right)) + r.Errors
	if g.options.Measure > 0 {
		r.Rate = float64(inTime) / g.options.Measure.Seconds()
	}
	return r
}
