package traces

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/steadfast-shop/steadfast/devstack/internal/ports"
)

// runPart runs the part on free ports until the test ends.
func runPart(t *testing.T) (otlp, page string) {
	t.Helper()
	free, err := ports.Free(t.Context(), 2)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, free[0], free[1], slog.New(slog.DiscardHandler)) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	page = "http://" + ports.Address(free[1])
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		response, err := http.Get(page + "/livez")
		if err == nil {
			_ = response.Body.Close()
			return ports.Address(free[0]), page
		}
		select {
		case <-tick.C:
		case err := <-ended:
			t.Fatalf("run: %v", err)
		}
	}
}

// service returns a tracer that sends to the part, and the function that sends what is left.
func service(t *testing.T, otlp, name string) (tracer trace.Tracer, flush func()) {
	t.Helper()
	exporter, err := otlptracegrpc.New(t.Context(), otlptracegrpc.WithEndpoint(otlp), otlptracegrpc.WithInsecure())
	if err != nil {
		t.Fatal(err)
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(resource.NewSchemaless(attribute.String("service.name", name))))
	t.Cleanup(func() { _ = provider.Shutdown(context.WithoutCancel(t.Context())) })
	return provider.Tracer("test"), func() {
		if err := provider.ForceFlush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func get(t *testing.T, url string, into any) (status int, header http.Header) {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // only read
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if into != nil {
		if err := json.Unmarshal(body, into); err != nil {
			t.Fatalf("%s: %v: %s", url, err, body)
		}
	}
	return response.StatusCode, response.Header
}

type listing struct {
	Total  int
	Traces []Summary
}

// TestTraceOfTwoServices sends a trace over OTLP, as services do, and asks for it.
func TestTraceOfTwoServices(t *testing.T) {
	t.Parallel()
	otlp, page := runPart(t)
	gateway, flushGateway := service(t, otlp, "gateway")
	orders, flushOrders := service(t, otlp, "order-service")
	ctx, request := gateway.Start(t.Context(), "POST /api/order", trace.WithSpanKind(trace.SpanKindServer))
	ctx, work := orders.Start(ctx, "place", trace.WithAttributes(attribute.String(keyNumber, "ORD-001"), attribute.String(keyStatus, "PLACED"), attribute.Int("answer", 42)))
	_, insert := orders.Start(ctx, "insert", trace.WithSpanKind(trace.SpanKindClient))
	insert.AddEvent("retry scheduled", trace.WithAttributes(attribute.Int("try", 2)))
	insert.SetStatus(codes.Error, "no primary")
	insert.End()
	work.End()
	flushOrders() // children come first
	request.End()
	flushGateway()

	var list listing
	if get(t, page+"/api/traces?order=ORD-001", &list); len(list.Traces) != 1 {
		t.Fatalf("got %+v, want one trace", list)
	}
	got := list.Traces[0]
	if got.Name != "POST /api/order" || got.Service != "gateway" || got.Status != "PLACED" || got.Spans != 3 || got.Errors != 1 ||
		strings.Join(got.Services, " ") != "gateway order-service" || got.Answer <= 0 || got.Duration < got.Answer {
		t.Errorf("got %+v", got)
	}
	var whole struct {
		Summary
		Spans []Span
	}
	get(t, page+"/api/traces/"+request.SpanContext().TraceID().String(), &whole)
	if len(whole.Spans) != 3 {
		t.Fatalf("got %+v, want three spans", whole)
	}
	first, last := whole.Spans[0], whole.Spans[2]
	if first.Kind != "server" || first.Parent != "" || whole.Spans[1].Parent != first.ID || whole.Spans[1].Attributes["answer"] != float64(42) {
		t.Errorf("got %+v", whole.Spans)
	}
	if last.Kind != "client" || last.Status != "error" || last.Message != "no primary" || len(last.Events) != 1 || last.Events[0].Name != "retry scheduled" {
		t.Errorf("got %+v", last)
	}
}

func TestAPIRefusesWhatItDoesNotUnderstand(t *testing.T) {
	t.Parallel()
	_, page := runPart(t)
	for path, want := range map[string]int{
		"/api/traces?limit=0": http.StatusBadRequest, "/api/traces?limit=1001": http.StatusBadRequest, "/api/traces?limit=x": http.StatusBadRequest,
		"/api/traces?placed=perhaps": http.StatusBadRequest, "/api/traces/unknown": http.StatusNotFound, "/api/traces?limit=1": http.StatusOK,
		"/": http.StatusOK, "/page.css": http.StatusOK, "/page.js": http.StatusOK, "/traces.css": http.StatusOK, "/traces.js": http.StatusOK,
		"/timeline.js": http.StatusOK, "/icon.svg": http.StatusOK, "/store.go": http.StatusNotFound,
	} {
		status, header := get(t, page+path, nil)
		if status != want {
			t.Errorf("%s: status %d, want %d", path, status, want)
		}
		if got := header.Get("Content-Security-Policy"); !strings.Contains(got, "default-src 'none'") {
			t.Errorf("%s: policy %q", path, got)
		}
	}
}

// TestEventsFollowTheStore reads the stream that the page updates itself by.
func TestEventsFollowTheStore(t *testing.T) {
	t.Parallel()
	otlp, page := runPart(t)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, page+"/api/events", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // only read
	lines := bufio.NewScanner(response.Body)
	next := func() string {
		for lines.Scan() {
			if line := lines.Text(); strings.HasPrefix(line, "data:") {
				return line
			}
		}
		return ""
	}
	if got, want := next(), `data: {"changes":0,"count":0}`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	tracer, flush := service(t, otlp, "gateway")
	_, span := tracer.Start(t.Context(), "GET /")
	span.End()
	flush()
	if got, want := next(), `data: {"changes":1,"count":1}`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// spanOf returns a span of the trace that starts the given seconds into the test's day.
func spanOf(trace string, second int, parent string, attributes map[string]any) Span {
	return Span{
		TraceID: trace, ID: fmt.Sprintf("%s-%d", trace, second), Parent: parent, Name: "work", Service: "gateway", Attributes: attributes,
		Start: time.Date(2026, 1, 1, 0, 0, second, 0, time.UTC), Duration: 500,
	}
}

func ids(found []Summary) string {
	var all []string
	for _, trace := range found {
		all = append(all, trace.TraceID)
	}
	return strings.Join(all, " ")
}

func TestStoreFindsTraces(t *testing.T) {
	t.Parallel()
	store := NewStore()
	store.Add([]Span{
		spanOf("b1", 2, "", map[string]any{keyNumber: "ORD-100"}),
		spanOf("a1", 1, "", map[string]any{keyNumber: "ORD-10"}),
		spanOf("c1", 3, "", nil),
	})
	for _, test := range []struct {
		filter Filter
		want   string
		total  int
	}{
		{Filter{}, "c1 b1 a1", 3},
		{Filter{Limit: 1}, "c1", 3},
		{Filter{Placed: true}, "b1 a1", 2},
		{Filter{Order: "ORD-10"}, "a1", 1},
		{Filter{Search: "ord-10"}, "b1 a1", 2},
		{Filter{Search: " C1"}, "c1", 1},
		{Filter{Search: "1"}, "b1 a1", 2}, // of an order's number any part, of an id only the beginning
		{Filter{Order: "ORD"}, "", 0},
	} {
		found, total := store.List(test.filter)
		if got := ids(found); got != test.want || total != test.total {
			t.Errorf("%+v: got %q of %d, want %q of %d", test.filter, got, total, test.want, test.total)
		}
	}
}

// TestStoreKeepsTheLatest fills the store beyond each of its bounds.
func TestStoreKeepsTheLatest(t *testing.T) {
	t.Parallel()
	store := NewStore()
	store.maxTraces = 4
	for i, id := range []string{"a", "b", "c", "d", "e"} {
		store.Add([]Span{spanOf(id, i, "", nil)})
	}
	found, _ := store.List(Filter{})
	if got := ids(found); got != "e d c b" {
		t.Errorf("by number: got %q, want the latest four", got)
	}
	store.maxBytes = store.bytes + 100
	store.Add([]Span{spanOf("e", 10, "", nil)})
	found, _ = store.List(Filter{})
	if got := ids(found); got != "e d c" || store.bytes > store.maxBytes {
		t.Errorf("by size: got %q of %d bytes", got, store.bytes)
	}
	if _, err := store.Trace("a"); err == nil {
		t.Error("the oldest trace is still there")
	}
}

// TestOneTraceDoesNotPushOthersOut has a trace grow without an end: by many spans, and by large ones.
func TestOneTraceDoesNotPushOthersOut(t *testing.T) {
	t.Parallel()
	for name, grown := range map[string]struct {
		spans int
		text  string
	}{"many spans": {maxSpans + 1, ""}, "large spans": {100, strings.Repeat("x", 1<<18)}} {
		store := NewStore()
		store.Add([]Span{spanOf("a", 1, "", nil)})
		for i := range grown.spans {
			store.Add([]Span{spanOf("b", i%60, "", map[string]any{"text": grown.text})})
		}
		trace, err := store.Trace("b")
		if err != nil {
			t.Fatal(err)
		}
		if found, _ := store.List(Filter{}); len(found) != 2 || len(trace.Spans) > maxSpans || !trace.Truncated || store.bytes > maxBytes {
			t.Errorf("%s: %d traces, %d spans of one, truncated %v, %d bytes", name, len(found), len(trace.Spans), trace.Truncated, store.bytes)
		}
	}
}

// TestLateSpansBelongToTheirTrace has a sweeper decide long after the request.
func TestLateSpansBelongToTheirTrace(t *testing.T) {
	t.Parallel()
	store := NewStore()
	store.Add([]Span{spanOf("a", 40, "a-1", map[string]any{keyNumber: "ORD-1", keyStatus: "CANCELLED"})})
	store.Add([]Span{spanOf("a", 1, "", map[string]any{keyNumber: "ORD-1"})})
	store.Add([]Span{spanOf("a", 2, "a-1", map[string]any{keyNumber: "ORD-1", keyStatus: "PLACED"})})
	found, _ := store.List(Filter{})
	if len(found) != 1 || found[0].Status != "CANCELLED" || found[0].Duration != 39500 || found[0].Answer != 500 {
		t.Errorf("got %+v", found)
	}
}
