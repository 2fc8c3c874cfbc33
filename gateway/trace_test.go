package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/steadfast-shop/steadfast/shared-kit/telemetry/telemetrytest"
)

// inTracedWorld runs the test in a world whose spans are recorded.
func inTracedWorld(t *testing.T, edit func(*config), test func(w *world, spans *tracetest.SpanRecorder)) {
	t.Helper()
	recorder := telemetrytest.Record(t)
	inWorld(t, edit, func(w *world) { test(w, recorder) })
}

// ended returns the spans that have ended once nothing moves any more: a request's own ends after its answer.
func ended(spans *tracetest.SpanRecorder) []sdktrace.ReadOnlySpan {
	synctest.Wait()
	return spans.Ended()
}

// lines describes the spans that have ended, one a line: the tries in their order, then the request with its events.
func lines(spans *tracetest.SpanRecorder) []string {
	var all []string
	for _, span := range ended(spans) {
		line := fmt.Sprintf("%s %s %s", span.SpanKind(), span.Name(), span.Status().Code)
		for _, a := range span.Attributes() {
			if strings.HasPrefix(string(a.Key), "steadfast.") || a.Key == "error.type" || a.Key == "http.request.resend_count" {
				line += fmt.Sprintf(" %s=%s", strings.TrimPrefix(string(a.Key), "steadfast.gateway."), a.Value.String())
			}
		}
		for _, event := range span.Events() {
			line += " [" + event.Name
			for _, a := range event.Attributes {
				if a.Key != keyWait { // it has jitter
					line += " " + a.Value.String()
				}
			}
			line += "]"
		}
		all = append(all, line)
	}
	return all
}

func wantLines(t *testing.T, spans *tracetest.SpanRecorder, want ...string) {
	t.Helper()
	if got := lines(spans); !slices.Equal(got, want) {
		t.Errorf("got the spans\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// breakOffLater sends the headers and a part of its answer.
func breakOffLater(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Length", "10")
	_ = http.NewResponseController(w).Flush()
	breakOff(w, r)
}

func TestEachTryIsASpan(t *testing.T) {
	for _, tt := range []struct {
		name   string
		first  http.HandlerFunc
		failed string
	}{
		{"no answer", breakOff, "upstream=order-service try=1 outcome=connection error.type=connection"},
		{"unavailable", status(503), "upstream=order-service try=1 error.type=503 outcome=unavailable"},
		{"broken off", breakOffLater, "upstream=order-service try=1 outcome=truncated error.type=truncated"},
		{"too slow", hang, "upstream=order-service try=1 outcome=timeout error.type=timeout"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inTracedWorld(t, nil, func(w *world, spans *tracetest.SpanRecorder) {
				parents := make(chan string, 2)
				w.order.does(func(rw http.ResponseWriter, r *http.Request) {
					_, _ = io.Copy(io.Discard, r.Body) // or the end of the connection would not be noticed
					parents <- r.Header.Get("traceparent")
					if len(parents) == 1 {
						tt.first(rw, r)
						return
					}
					rw.WriteHeader(http.StatusConflict)
				})
				equal(t, "status", w.ask("POST", "/api/order", "{}").status, http.StatusConflict)
				wantLines(t, spans,
					"client POST Error "+tt.failed,
					"client POST Unset upstream=order-service try=2 http.request.resend_count=1 outcome=4xx",
					"server POST /api/order Unset upstream=order-service tries=2 [retry scheduled 2]")
				all := ended(spans)
				for i := range 2 {
					span := all[i].SpanContext()
					equal(t, "traceparent of a try", <-parents, fmt.Sprintf("00-%s-%s-01", span.TraceID(), span.SpanID()))
					equal(t, "parent of a try", all[i].Parent().SpanID(), all[2].SpanContext().SpanID())
				}
			})
		})
	}
}

func TestRejectionsAreEvents(t *testing.T) {
	t.Run("breaker", func(t *testing.T) {
		inTracedWorld(t, nil, func(w *world, spans *tracetest.SpanRecorder) {
			w.order.stop()
			for range 3 {
				w.ask("POST", "/api/order", "{}")
			}
			all := lines(spans)
			equal(t, "the request that no try was made for", all[len(all)-1],
				"server POST /api/order Error upstream=order-service tries=0 failure=breaker_open [rejected breaker order-service]")
		})
	})
	t.Run("retry budget", func(t *testing.T) {
		inTracedWorld(t, func(c *config) {
			patient(c)
			for i := range c.Upstreams {
				c.Upstreams[i].Policies.Retry.Always, c.Upstreams[i].Policies.Retry.Budget = 0, 0
			}
		}, func(w *world, spans *tracetest.SpanRecorder) {
			w.order.does(status(503))
			w.ask("POST", "/api/order", "{}")
			wantLines(t, spans,
				"client POST Error upstream=order-service try=1 error.type=503 outcome=unavailable",
				"server POST /api/order Error upstream=order-service tries=1 failure=retry_budget_exhausted [retry scheduled 2] [rejected retry_budget order-service]")
		})
	})
	t.Run("bulkhead", func(t *testing.T) {
		inTracedWorld(t, func(c *config) {
			for i := range c.Upstreams {
				c.Upstreams[i].Policies.Bulkhead = 1
			}
		}, func(w *world, spans *tracetest.SpanRecorder) {
			release := make(chan struct{})
			w.order.does(func(http.ResponseWriter, *http.Request) { <-release })
			go w.ask("GET", "/api/order/user1", "")
			time.Sleep(time.Second) // on the bubble's clock: the first is in
			equal(t, "status", w.ask("GET", "/api/order/user1", "").status, http.StatusServiceUnavailable)
			wantLines(t, spans, "server GET /api/order/*rest Error upstream=order-service tries=0 failure=bulkhead_full [rejected bulkhead order-service]")
			close(release)
		})
	})
}

// TestSpansHideThePath asks for a user whose id is an address.
func TestSpansHideThePath(t *testing.T) {
	inTracedWorld(t, nil, func(w *world, spans *tracetest.SpanRecorder) {
		equal(t, "status", w.ask("GET", "/api/order/jane@customers.example?after=jane", "").status, http.StatusOK)
		for _, span := range ended(spans) {
			if said := fmt.Sprint(span.Name(), span.Attributes(), span.Events()); strings.Contains(said, "jane") {
				t.Errorf("%s span: %s", span.SpanKind(), said)
			}
		}
		equal(t, "spans", len(ended(spans)), 2)
	})
}

// TestClientThatLeavesIsNoError looks at the spans of a request whose client goes away.
func TestClientThatLeavesIsNoError(t *testing.T) {
	inTracedWorld(t, nil, func(w *world, spans *tracetest.SpanRecorder) {
		w.order.does(hang)
		ctx, leave := context.WithTimeout(w.t.Context(), time.Second)
		defer leave()
		if _, err := w.client.Do(w.request(ctx, "GET", "/api/order/user1", "")); err == nil {
			t.Error("there is an answer")
		}
		time.Sleep(time.Second) // on the bubble's clock: the gateway has noticed
		for _, span := range ended(spans) {
			equal(t, span.SpanKind().String()+" status", span.Status().Code, codes.Unset)
		}
		equal(t, "spans", len(ended(spans)), 2)
	})
}

// BenchmarkTryWithoutTraces is what the span of a try costs where nothing is recorded.
func BenchmarkTryWithoutTraces(b *testing.B) {
	provider := otel.GetTracerProvider()
	otel.SetTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.NeverSample())))
	defer otel.SetTracerProvider(provider)
	u := &upstream{name: "order-service"}
	ctx := trace.ContextWithSpanContext(b.Context(), trace.SpanContext{})
	for b.Loop() {
		_, span := u.startTry(ctx, http.MethodPost, 1)
		traceOutcome(span, "2xx")
		traceAnswer(span, http.StatusCreated)
		span.End()
	}
}
