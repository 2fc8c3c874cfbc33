package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"
)

// states returns the levels of an upstream's breakers: 0 closed, 1 half-open, 2 open.
func (w *world) states(upstream string) string {
	return fmt.Sprintf("reads %v writes %v",
		w.metric("gateway_breaker_state", "upstream", upstream, "calls", "reads"),
		w.metric("gateway_breaker_state", "upstream", upstream, "calls", "writes"))
}

const (
	read  = "GET /api/inventory"
	write = "POST /api/inventory" // is tried once
)

// send makes n requests, one after the other, and returns the number of tries that they took in all.
func (w *world) send(n int, request string) int {
	w.t.Helper()
	before := w.inventory.hits.Load()
	method, path, _ := strings.Cut(request, " ")
	for range n {
		w.ask(method, path, "")
	}
	return int(w.inventory.hits.Load() - before)
}

func TestBreakerLife(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.inventory.does(status(500))
		equal(t, "tries before the fifth failure", w.send(4, write), 4)
		equal(t, "four failures", w.states("inventory-service"), "reads 0 writes 0")
		equal(t, "the fifth", w.send(1, write), 1)
		equal(t, "five failures", w.states("inventory-service"), "reads 0 writes 2")

		time.Sleep(time.Second)
		got := w.ask("POST", "/api/inventory", "")
		equal(t, "open: status", got.status, 503)
		equal(t, "open: tries", got.attempts, "0")
		equal(t, "open: Retry-After", got.header.Get("Retry-After"), "4")
		equal(t, "open: time", got.took, 0)
		equal(t, "open: rejections", w.metric("gateway_rejections_total", "policy", policyBreaker), 1)
		equal(t, "open: tries of reads", w.send(1, read), 1)
		equal(t, "the other upstream", w.ask("POST", "/api/order", "").status, 200)

		time.Sleep(4 * time.Second)
		equal(t, "half-open: failing trials", w.send(3, write), 2)
		equal(t, "two of three trials failed", w.states("inventory-service"), "reads 0 writes 2")

		time.Sleep(5 * time.Second)
		w.inventory.does(status(201))
		equal(t, "half-open: one good trial", w.send(1, write), 1)
		equal(t, "one of three trials succeeded", w.states("inventory-service"), "reads 0 writes 1")
		equal(t, "half-open: a second one", w.send(1, write), 1)
		equal(t, "two of three trials succeeded", w.states("inventory-service"), "reads 0 writes 0")
		for _, to := range []string{"open", "half-open"} {
			equal(t, "transitions to "+to, w.metric("gateway_breaker_transitions_total", "to", to, "calls", "writes"), 2)
		}
		equal(t, "transitions to closed", w.metric("gateway_breaker_transitions_total", "to", "closed", "calls", "writes"), 1)
	})
}

func TestBreakerCounts(t *testing.T) {
	for _, tt := range []struct {
		name string
		does http.HandlerFunc
		open bool
	}{
		{"500", status(500), true},
		{"503", status(503), true},
		{"connection breaks", breakOff, true},
		{"truncated", truncate, true},
		{"slow headers", hang, true},
		{"slow body", dribble, true},
		{"broken stream", func(rw http.ResponseWriter, r *http.Request) {
			_ = http.NewResponseController(rw).Flush()
			breakOff(rw, r)
		}, true},
		{"200", status(200), false},
		{"400", status(400), false},
		{"404", status(404), false},
		{"409", status(409), false},
		{"429", status(429), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for calls, request := range map[string]string{"reads": read, "writes": write} {
				inWorld(t, func(c *config) { c.Upstreams[1].Policies.Retry.Max = 0 }, func(w *world) {
					w.inventory.does(tt.does)
					want, opens := 20, 0.0
					if tt.open {
						want, opens = 5, 1
					}
					equal(t, calls+": tries", w.send(20, request), want)
					equal(t, calls+": opened", w.metric("gateway_breaker_transitions_total", "to", "open", "calls", calls), opens)
					equal(t, "opened in all", w.metric("gateway_breaker_transitions_total", "to", "open"), opens)
				})
			}
		})
	}
}

func TestBreakerWindowForgets(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		for range 5 { // four failures in any ten calls
			w.inventory.does(status(500))
			w.send(4, write)
			w.inventory.does(status(200))
			w.send(6, write)
		}
		equal(t, "states", w.states("inventory-service"), "reads 0 writes 0")
	})
}

func TestRetriesStopAtAnOpenBreaker(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.inventory.does(status(503))
		equal(t, "first read", w.send(1, read), 4)
		got := w.ask("GET", "/api/inventory", "")
		equal(t, "second read: tries", got.attempts, "1")
		equal(t, "second read: Retry-After", got.header.Get("Retry-After"), "5")
		equal(t, "requests that the upstream saw", w.inventory.hits.Load(), 5)
	})
}

// leave makes a request whose client goes away after a second.
func (w *world) leave(method, path string) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if response, err := w.client.Do(w.request(ctx, method, path, "")); err == nil {
		_ = response.Body.Close()
	}
}

func TestClientsThatLeaveAreNotCounted(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.inventory.does(status(500))
		w.send(4, write)
		w.inventory.does(hang)
		for range 20 {
			w.leave("POST", "/api/inventory")
			synctest.Wait()
		}
		equal(t, "clients gone", w.metric("gateway_clients_gone_total"), 20)
		equal(t, "20 clients that left were no failures", w.states("inventory-service"), "reads 0 writes 0")
		w.inventory.does(status(500))
		w.send(1, write)
		equal(t, "and no successes", w.states("inventory-service"), "reads 0 writes 2")
	})
}

func TestTrialOutlivesItsClient(t *testing.T) {
	for _, tt := range []struct {
		name   string
		after  time.Duration
		status int
		want   string
	}{
		{"succeeds after its client left", 2 * time.Second, 200, "reads 0 writes 0"},
		{"fails after its client left", 2 * time.Second, 500, "reads 0 writes 2"},
		{"takes longer than a try", time.Hour, 200, "reads 0 writes 2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, nil, func(w *world) {
				w.inventory.does(status(500))
				w.send(5, write)
				w.inventory.does(func(rw http.ResponseWriter, r *http.Request) {
					select {
					case <-time.After(tt.after):
						rw.WriteHeader(tt.status)
					case <-r.Context().Done():
					}
				})
				time.Sleep(5 * time.Second)
				var clients sync.WaitGroup
				for range 3 {
					clients.Go(func() { w.leave("POST", "/api/inventory") })
				}
				clients.Wait()
				synctest.Wait()
				equal(t, "all clients left", w.states("inventory-service"), "reads 0 writes 1")
				equal(t, "a fourth trial", w.ask("POST", "/api/inventory", "").attempts, "0")
				time.Sleep(2500 * time.Millisecond)
				synctest.Wait()
				equal(t, "trials are over", w.states("inventory-service"), tt.want)
			})
		})
	}
}

// A call that began before the breaker opened says nothing about the upstream as it is when it is tried again.
func TestLateOutcomesAreIgnored(t *testing.T) {
	b := newBreaker(breakerPolicy{Failures: 1, Window: 1, Open: time.Hour, Trials: 3, Successes: 2}, func(circuitbreaker.State) {})
	late, _ := b.acquire()
	first, _ := b.acquire()
	first.settle(outcomeFailure)
	equal(t, "open", b.level(), 2)
	b.circuit.HalfOpen()
	late.settle(outcomeFailure)
	late.settle(outcomeFailure)
	equal(t, "half-open", b.level(), 1)
	trials := make([]*permit, 0, 3)
	for range 3 {
		trial, passes := b.acquire()
		if !passes || !trial.trial {
			t.Fatal("a trial was refused")
		}
		trials = append(trials, trial)
	}
	if _, passes := b.acquire(); passes {
		t.Error("a fourth trial passed: the late outcome gave a permit back")
	}
	trials[0].settle(outcomeSuccess)
	trials[0].settle(outcomeSuccess)
	equal(t, "one success, told twice", b.level(), 1)
	trials[1].settle(outcomeSuccess)
	equal(t, "closed", b.level(), 0)
}
