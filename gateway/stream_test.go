package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestStreamReachesTheClientAsItComes(t *testing.T) {
	for name, size := range map[string]string{"chunked": "", "large": "100000"} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, nil, func(w *world) {
				next := make(chan struct{})
				w.order.does(func(rw http.ResponseWriter, _ *http.Request) {
					if size != "" {
						rw.Header().Set("Content-Length", size)
					}
					_, _ = io.WriteString(rw, "first\n")
					_ = http.NewResponseController(rw).Flush()
					<-next
					_, _ = io.WriteString(rw, strings.Repeat("x", 100_000-6))
				})
				response, err := w.client.Do(w.request(context.Background(), "GET", "/api/order/user1", ""))
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = response.Body.Close() }()
				body := bufio.NewReader(response.Body)
				line, err := body.ReadString('\n')
				equal(t, "first line", line, "first\n")
				equal(t, "error", err, nil)
				time.Sleep(5 * time.Second) // longer than a try, shorter than the deadline
				close(next)
				rest, err := io.ReadAll(body)
				equal(t, "rest", len(rest), 100_000-6)
				equal(t, "error at the end", err, nil)
				equal(t, "tries", response.Header.Get(headerAttempts), "1")
			})
		})
	}
}

// An answer that breaks off after a part went out must not look complete.
func TestCutOffStreamBreaksTheClientsConnection(t *testing.T) {
	for name, does := range map[string]http.HandlerFunc{
		"chunked, broken": func(rw http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(rw, "part")
			_ = http.NewResponseController(rw).Flush()
			breakOff(rw, r)
		},
		"large, broken": func(rw http.ResponseWriter, r *http.Request) {
			rw.Header().Set("Content-Length", "100000")
			_, _ = io.WriteString(rw, "part")
			_ = http.NewResponseController(rw).Flush()
			breakOff(rw, r)
		},
		"chunked, stalled past the deadline": func(rw http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(rw, "part")
			_ = http.NewResponseController(rw).Flush()
			hang(rw, r)
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, nil, func(w *world) {
				w.order.does(does)
				got := w.ask("GET", "/api/order/user1", "")
				equal(t, "status", got.status, 200)
				equal(t, "body", got.body, "part")
				if !errors.Is(got.err, io.ErrUnexpectedEOF) {
					t.Errorf("got the error %v, want that the answer is not complete", got.err)
				}
				equal(t, "requests that the upstream saw", w.order.hits.Load(), 1)
				synctest.Wait()
				equal(t, "answers cut off", w.metric("gateway_answers_cut_off_total"), 1)
				equal(t, "places taken", w.metric("gateway_requests_in_flight"), 0)
				if !strings.Contains(w.log.String(), `"aborted":true`) {
					t.Error("the access log does not tell that the answer was cut off")
				}
			})
		})
	}
}

func TestClientThatLeavesAStreamIsNoFailure(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.order.does(func(rw http.ResponseWriter, r *http.Request) {
			_ = http.NewResponseController(rw).Flush()
			hang(rw, r)
		})
		for range 20 {
			w.leave("GET", "/api/order/user1")
			synctest.Wait()
		}
		equal(t, "states", w.states("order-service"), "reads 0 writes 0")
		equal(t, "answers cut off", w.metric("gateway_answers_cut_off_total"), 0)
		equal(t, "places taken", w.metric("gateway_requests_in_flight"), 0)
	})
}

func TestTrialThatStreams(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.inventory.does(status(500))
		w.send(5, write)
		time.Sleep(5 * time.Second)
		w.inventory.does(func(rw http.ResponseWriter, r *http.Request) {
			_ = http.NewResponseController(rw).Flush()
			hang(rw, r)
		})
		var clients sync.WaitGroup
		for range 2 {
			clients.Go(func() { w.leave("POST", "/api/inventory") })
		}
		clients.Wait()
		synctest.Wait()
		equal(t, "the upstream answered, if to clients that left", w.states("inventory-service"), "reads 0 writes 0")
	})
}

func TestAnswersWithoutBody(t *testing.T) {
	for _, code := range []int{204, 304} {
		inWorld(t, nil, func(w *world) {
			w.order.does(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(code) })
			got := w.ask("GET", "/api/order/user1", "")
			equal(t, "status", got.status, code)
			equal(t, "body", got.body, "")
			equal(t, "error", got.err, nil)
		})
	}
	inWorld(t, nil, func(w *world) {
		w.order.does(func(rw http.ResponseWriter, _ *http.Request) { rw.Header().Set("Content-Length", "12345") })
		got := w.ask("HEAD", "/api/order/user1", "")
		equal(t, "HEAD: status", got.status, 200)
		equal(t, "HEAD: Content-Length", got.header.Get("Content-Length"), "12345")
	})
}

func TestEarlyHintsPass(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.order.does(func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Link", "</style.css>")
			rw.WriteHeader(http.StatusEarlyHints)
			rw.Header().Del("Link")
			_, _ = io.WriteString(rw, "answer")
		})
		var hints []string
		ctx := httptrace.WithClientTrace(context.Background(), &httptrace.ClientTrace{
			Got1xxResponse: func(_ int, header textproto.MIMEHeader) error {
				hints = append(hints, header.Get("Link"))
				return nil
			},
		})
		response, err := w.client.Do(w.request(ctx, "GET", "/api/order/user1", "", "X-Request-Id", "mine"))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = response.Body.Close() }()
		equal(t, "hints", strings.Join(hints, "|"), "</style.css>")
		equal(t, "status", response.StatusCode, 200)
		equal(t, "request id", response.Header.Get("X-Request-Id"), "mine")
		equal(t, "Link", response.Header.Get("Link"), "")
	})
}

func TestBulkhead(t *testing.T) {
	const places = 256
	inWorld(t, nil, func(w *world) {
		finish := make(chan struct{})
		w.order.does(func(rw http.ResponseWriter, _ *http.Request) {
			_ = http.NewResponseController(rw).Flush() // the answer has begun: its place is kept until its end
			<-finish
		})
		var clients sync.WaitGroup
		for range places {
			clients.Go(func() { equal(t, "status", w.ask("GET", "/api/order/user1", "").status, 200) })
		}
		synctest.Wait()
		equal(t, "places taken", w.metric("gateway_requests_in_flight", "upstream", "order-service"), places)
		got := w.ask("GET", "/api/order/user1", "")
		equal(t, "full: status", got.status, 503)
		equal(t, "full: tries", got.attempts, "0")
		equal(t, "full: Retry-After", got.header.Get("Retry-After"), "1")
		equal(t, "full: rejections", w.metric("gateway_rejections_total", "policy", policyBulkhead), 1)
		equal(t, "the other upstream", w.ask("GET", "/api/inventory", "").status, 200)
		close(finish)
		clients.Wait()
		synctest.Wait()
		equal(t, "places taken at the end", w.metric("gateway_requests_in_flight"), 0)
		equal(t, "status at the end", w.ask("GET", "/api/order/user1", "").status, 200)
	})
}
