package audit

import (
	"cmp"
	"slices"
	"time"
)

// Report is what an audit found.
type Report struct {
	StartedAt time.Time     `json:"startedAt"`
	Duration  time.Duration `json:"durationNanoseconds"`
	Counts    Counts        `json:"counts"`
	Findings  []Finding     `json:"findings"`
}

// Clean tells whether there is no difference.
func (r Report) Clean() bool { return len(r.Findings) == 0 }

// Names returns the listed cases as "kind id", sorted: what a test compares.
func (r Report) Names() []string {
	names := []string{}
	for _, finding := range r.Findings {
		for _, one := range finding.Cases {
			names = append(names, string(finding.Kind)+" "+one.ID)
		}
	}
	slices.Sort(names)
	return names
}

// Counts is how much was looked at.
type Counts struct {
	SKUs         int64 `json:"skus"`
	Adjustments  int64 `json:"adjustments"`
	Orders       int64 `json:"orders"` // all decisions
	Placed       int64 `json:"placed"`
	Reservations int64 `json:"reservations"`
	Events       int64 `json:"events"`
	// NotEvents counts records of order-placed that are no events; notification-service makes dead letters of them.
	NotEvents int64 `json:"notEvents"`
	Mails     int64 `json:"mails"` // entries of the ledger
	// Waiting counts orders whose event is still to be worked on, waits for another try, or is a dead letter.
	Waiting     int64 `json:"waiting"`
	Retrying    int64 `json:"retrying"`
	DeadLetters int64 `json:"deadLetters"`
	// Young counts orders and reservations too young to be judged.
	Young int64 `json:"young"`
	// EventsExpired counts placed orders that are older than what order-placed keeps, so that nothing can be said about their events.
	EventsExpired int64         `json:"eventsExpired"`
	Journal       int64         `json:"journal"`
	JournalOldest time.Duration `json:"journalOldestNanoseconds"`
}

// Finding is one kind of difference, and where it is.
type Finding struct {
	Kind    Kind   `json:"kind"`
	Meaning string `json:"meaning"`
	Advice  string `json:"advice"`
	Count   int64  `json:"count"`
	// Cases lists the first of them, as many as Options.MaxCases allows.
	Cases []Case `json:"cases"`
}

// Case is one difference.
type Case struct {
	// ID is an order number, or a SKU for the kinds of stock.
	ID     string `json:"id"`
	Detail string `json:"detail"`
}

// suspect is a difference that may be something under way.
type suspect struct {
	kind Kind
	Case
	// surplus is what the difference adds to each SKU's stock, seen from the placed orders.
	surplus []Line
	// partition is where it was seen, for the kinds of events and mails.
	partition int32
}

// collector gathers what is certain, bounded by kind.
type collector struct {
	most  int
	found map[Kind]*Finding
}

func newCollector(most int) *collector { return &collector{most: most, found: make(map[Kind]*Finding)} }

func (c *collector) add(kind Kind, cases ...Case) {
	f := c.found[kind]
	if f == nil {
		f = &Finding{Kind: kind}
		c.found[kind] = f
	}
	for _, one := range cases {
		f.Count++
		if c.most <= 0 || len(f.Cases) < c.most {
			f.Cases = append(f.Cases, one)
		}
	}
}

// findings returns what was gathered, in the order of the kinds.
func (c *collector) findings() []Finding {
	findings := []Finding{}
	for _, e := range explanations() {
		f := c.found[e.kind]
		if f == nil {
			continue
		}
		f.Meaning, f.Advice = e.meaning, e.advice
		slices.SortFunc(f.Cases, func(a, b Case) int { return cmp.Compare(a.ID, b.ID) })
		findings = append(findings, *f)
	}
	return findings
}
