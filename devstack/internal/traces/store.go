// Package traces takes the services' traces over OTLP, keeps the latest, and shows them on a page and through a JSON API.
package traces

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// What is kept, at most. The oldest traces go first.
const (
	maxTraces = 1000
	maxBytes  = 16 << 20 // of spans as JSON
	// maxSpans is the most of one trace; a loop somewhere must not push all other traces out.
	maxSpans = 2000
)

// ErrNoSuchTrace is returned for an id that no kept trace has.
var ErrNoSuchTrace = errors.New("no such trace: it was never sent, or newer ones have pushed it out")

// Summary is what a list shows of a trace.
type Summary struct {
	TraceID string `json:"traceId"`
	// Order is the number of the order that the trace placed, "" where it placed none. Status is the order's, "" while its fate is open.
	Order  string `json:"order"`
	Status string `json:"status"`
	// Name and Service are those of the trace's first span, which may come later than others.
	Name    string `json:"name"`
	Service string `json:"service"`
	// Services has every service with a span, by name.
	Services []string  `json:"services"`
	Start    time.Time `json:"start"`
	// Duration is from the first span's start to the last one's end, the mail included; Answer is the first span's own. Both are in milliseconds.
	Duration float64 `json:"durationMs"`
	Answer   float64 `json:"answerMs"`
	Spans    int     `json:"spanCount"`
	Errors   int     `json:"errors"`
	// Truncated says that there were more spans than are kept.
	Truncated bool `json:"truncated,omitempty"`
}

// Trace is a summary with the spans, by start, each as JSON of a Span.
type Trace struct {
	Summary
	Spans []json.RawMessage `json:"spans"`
}

// record is a trace as it is kept. Spans are kept encoded: that is small, and known to the byte.
type record struct {
	id         string
	summary    Summary
	start, end time.Time
	hasRoot    bool
	decidedAt  time.Time // the end of the span that told the order's status
	services   map[string]struct{}
	spans      []storedSpan
	bytes      int
}

type storedSpan struct {
	start time.Time
	json  json.RawMessage
}

// Store keeps the latest traces in memory. It is safe for concurrent use.
type Store struct {
	maxTraces, maxBytes int

	mu      sync.RWMutex
	traces  map[string]*record
	order   []*record // by the arrival of their first spans
	bytes   int
	changes int64
	changed chan struct{}
}

// NewStore returns an empty store.
func NewStore() *Store {
	return &Store{maxTraces: maxTraces, maxBytes: maxBytes, traces: map[string]*record{}, changed: make(chan struct{})}
}

// Add takes spans of any traces in.
func (s *Store) Add(spans []Span) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range spans {
		s.add(&spans[i])
	}
	s.evict()
	s.changes++
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *Store) add(span *Span) {
	r := s.traces[span.TraceID]
	if r == nil {
		r = &record{id: span.TraceID, services: map[string]struct{}{}}
		s.traces[r.id] = r
		s.order = append(s.order, r)
	}
	if len(r.spans) >= maxSpans {
		r.summary.Truncated = true
		return
	}
	encoded, err := json.Marshal(span)
	if err != nil { // its values are of kinds that can be encoded
		return
	}
	r.spans = append(r.spans, storedSpan{span.Start, encoded})
	r.bytes += len(encoded)
	s.bytes += len(encoded)
	r.summarise(span)
}

// summarise brings the summary up to date with a new span.
func (r *record) summarise(span *Span) {
	end := span.Start.Add(time.Duration(span.Duration * float64(time.Millisecond)))
	isFirst := r.start.IsZero() || span.Start.Before(r.start)
	if isFirst {
		r.start = span.Start
	}
	if end.After(r.end) {
		r.end = end
	}
	if isRoot := span.Parent == ""; isRoot || isFirst && !r.hasRoot {
		r.hasRoot = r.hasRoot || isRoot
		r.summary.Name, r.summary.Service, r.summary.Answer = span.Name, span.Service, span.Duration
	}
	r.services[span.Service] = struct{}{}
	if span.Status == statusError {
		r.summary.Errors++
	}
	if number, ok := span.Attributes[keyNumber].(string); ok {
		r.summary.Order = number
	}
	if status, ok := span.Attributes[keyStatus].(string); ok && end.After(r.decidedAt) {
		r.summary.Status, r.decidedAt = status, end
	}
}

// describe returns the summary as it is now.
func (r *record) describe() Summary {
	summary := r.summary
	summary.TraceID, summary.Start, summary.Spans = r.id, r.start, len(r.spans)
	summary.Duration = milliseconds(r.end.Sub(r.start))
	summary.Services = slices.Sorted(maps.Keys(r.services))
	return summary
}

// evict makes room: the oldest go, but for the newest, which has just come.
func (s *Store) evict() {
	gone := 0
	for len(s.order)-gone > s.maxTraces || s.bytes > s.maxBytes && len(s.order)-gone > 1 {
		oldest := s.order[gone]
		s.bytes -= oldest.bytes
		delete(s.traces, oldest.id)
		gone++
	}
	s.order = slices.Delete(s.order, 0, gone)
}

// Filter selects traces; zero fields select all.
type Filter struct {
	Order  string // the order's number
	Search string // a part of the order's number, or the beginning of the trace's id, letter case aside
	Placed bool   // only traces that placed an order
	Limit  int    // 0: no limit
}

func (f Filter) matches(r *record) bool {
	search := strings.ToLower(strings.TrimSpace(f.Search))
	return (f.Order == "" || r.summary.Order == f.Order) &&
		(!f.Placed || r.summary.Order != "") &&
		(strings.Contains(strings.ToLower(r.summary.Order), search) || strings.HasPrefix(r.id, search))
}

// List returns the traces that the filter selects, the newest first, and how many there are beside the limit.
func (s *Store) List(f Filter) (found []Summary, total int) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var matching []*record
	for _, r := range s.order {
		if f.matches(r) {
			matching = append(matching, r)
		}
	}
	slices.SortFunc(matching, func(a, b *record) int { return b.start.Compare(a.start) })
	total = len(matching)
	if f.Limit > 0 && total > f.Limit {
		matching = matching[:f.Limit]
	}
	found = make([]Summary, len(matching))
	for i, r := range matching {
		found[i] = r.describe()
	}
	return found, total
}

// Trace returns one trace with its spans.
func (s *Store) Trace(id string) (Trace, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	r := s.traces[id]
	if r == nil {
		return Trace{}, ErrNoSuchTrace
	}
	spans := slices.Clone(r.spans)
	slices.SortStableFunc(spans, func(a, b storedSpan) int { return a.start.Compare(b.start) })
	trace := Trace{Summary: r.describe(), Spans: make([]json.RawMessage, len(spans))}
	for i, span := range spans {
		trace.Spans[i] = span.json
	}
	return trace, nil
}

// State returns how many changes there were so far, how many traces there are, and a channel that is closed at the next change.
func (s *Store) State() (changes int64, count int, changed <-chan struct{}) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.changes, len(s.order), s.changed
}
