package chaos

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/steadfast-shop/steadfast/e2e/internal/fleet"
	"github.com/steadfast-shop/steadfast/e2e/internal/system"
)

const (
	// warmUp is how long nothing is broken at first, so that it is known what is normal; coolDown is the same at the end.
	warmUp, coolDown = 10 * time.Second, 5 * time.Second
	// aloneUntil is the share of a run in which faults come one after the other; from then on several are on at once.
	aloneUntil = 0.5
	lanes      = 3
	// leastPause and mostPause are between two faults of a lane.
	leastPause, mostPause = 2 * time.Second, 5 * time.Second
	// apart is how long a process is left alone after a fault.
	apart = 4 * time.Second
)

// Fault is one fault of a run.
type Fault struct {
	Kind   Kind   `json:"kind"`
	Target string `json:"target"`
	// At and For are when it is planned, from the beginning of the run, and for how long.
	At  time.Duration `json:"at"`
	For time.Duration `json:"for"`
	// Began and Ended are when it was there; Ended is when all of it was taken away, a killed process ready again.
	Began time.Duration `json:"began"`
	Ended time.Duration `json:"ended"`
	// Cuts counts what it broke off, where that is more than one.
	Cuts int `json:"cuts,omitempty"`
	// Failed says why it could not be brought about, or taken away.
	Failed string `json:"failed,omitempty"`

	lane int
}

// String is how a fault is shown.
func (f Fault) String() string { return fmt.Sprintf("%s %s", f.Kind, f.Target) }

// Options says what is to be planned.
type Options struct {
	Seed     uint64
	Duration time.Duration
	// Only restricts what may be broken; nothing means all.
	Only []Choice
	// Nodes are further processes that may be broken: the other nodes of the broker.
	Nodes []string
	// Without are kinds that this machine does not allow.
	Without []Kind
}

// planner deals the kinds, and for each kind its targets, from decks: everything comes once before anything comes twice.
type planner struct {
	random  *rand.Rand
	options Options
	links   []*fleet.Link
	kinds   []Kind
	decks   map[Kind][]string
	busy    map[string]time.Duration // until when a process or link has a fault
}

// Plan returns the faults of a run in the order in which they begin. It depends on the options alone.
func Plan(options Options, links []*fleet.Link) ([]Fault, error) {
	p := &planner{
		random: rand.New(rand.NewPCG(options.Seed, 1)), options: options, links: links,
		decks: make(map[Kind][]string), busy: make(map[string]time.Duration),
	}
	if len(p.deck()) == 0 {
		return nil, fmt.Errorf("nothing is left to break; --list shows what there is")
	}
	start, end := min(warmUp, options.Duration/6), options.Duration-min(coolDown, options.Duration/6)
	mixed := time.Duration(aloneUntil * float64(options.Duration))
	faults := p.lane(nil, 0, start, mixed)
	begin := mixed
	for _, fault := range faults {
		begin = max(begin, fault.At+fault.For+leastPause)
	}
	next := make([]time.Duration, lanes)
	for lane := range next {
		next[lane] = begin + time.Duration(lane)*time.Second
	}
	for {
		lane := 0
		for i := range next {
			if next[i] < next[lane] {
				lane = i
			}
		}
		fault, fits := p.deal(next[lane], end)
		if !fits {
			break
		}
		fault.lane = lane
		faults = append(faults, fault)
		next[lane] = fault.At + fault.For + p.pause()
	}
	slices.SortStableFunc(faults, func(a, b Fault) int { return cmp.Compare(a.At, b.At) })
	return faults, nil
}

// lane deals faults one after the other.
func (p *planner) lane(faults []Fault, lane int, at, end time.Duration) []Fault {
	for {
		fault, fits := p.deal(at, end)
		if !fits {
			return faults
		}
		fault.lane = lane
		faults = append(faults, fault)
		at = fault.At + fault.For + p.pause() + leastPause
	}
}

func (p *planner) pause() time.Duration { return p.between(leastPause, mostPause) }

func (p *planner) between(least, most time.Duration) time.Duration {
	return least + time.Duration(p.random.Int64N(int64(most-least)+1))
}

// deck returns all kinds that may come.
func (p *planner) deck() []Kind {
	var kinds []Kind
	for _, d := range Kinds() {
		if !slices.Contains(p.options.Without, d.Kind) && len(p.targets(d)) > 0 {
			kinds = append(kinds, d.Kind)
		}
	}
	return kinds
}

// targets returns what a kind may break in this run.
func (p *planner) targets(d Description) []string {
	all := d.targets(p.links)
	if d.on == onProcess {
		all = append(all, p.options.Nodes...)
	}
	if len(p.options.Only) == 0 {
		return all
	}
	return slices.DeleteFunc(all, func(target string) bool {
		return !slices.ContainsFunc(p.options.Only, func(c Choice) bool { return c.Kind == d.Kind && strings.HasPrefix(target, c.Target) })
	})
}

// deal returns the next fault that fits in before the end, at that time or, where everything is busy, a little later.
func (p *planner) deal(at, end time.Duration) (Fault, bool) {
	for ; at < end; at += time.Second {
		for range 3 * len(Kinds()) {
			if len(p.kinds) == 0 {
				p.kinds = p.deck()
				p.random.Shuffle(len(p.kinds), func(i, j int) { p.kinds[i], p.kinds[j] = p.kinds[j], p.kinds[i] })
			}
			kind := p.kinds[0]
			fault, fits := p.dealKind(describe(kind), at, end)
			if fits {
				p.kinds = p.kinds[1:]
				return fault, true
			}
			p.kinds = append(p.kinds[1:], kind) // it may fit later
		}
	}
	return Fault{}, false
}

func (p *planner) dealKind(d Description, at, end time.Duration) (Fault, bool) {
	deck := p.decks[d.Kind]
	if len(deck) == 0 {
		deck = p.targets(d)
		p.random.Shuffle(len(deck), func(i, j int) { deck[i], deck[j] = deck[j], deck[i] })
	}
	for i, target := range deck {
		least, most := d.length(target)
		fault := Fault{Kind: d.Kind, Target: target, At: at, For: p.between(least, most)}
		if at+fault.For > end || slices.ContainsFunc(fault.subjects(), func(s string) bool { return p.busy[s] > at }) {
			continue
		}
		for _, subject := range fault.subjects() {
			p.busy[subject] = at + fault.For + apart
		}
		p.decks[d.Kind] = slices.Delete(deck, i, i+1)
		return fault, true
	}
	p.decks[d.Kind] = deck
	return Fault{}, false
}

// subjects are what a fault needs for itself: a process that is away cannot be frozen.
func (f Fault) subjects() []string {
	from, to, isLink := strings.Cut(f.Target, "→")
	switch {
	case isLink && slices.Contains(system.Services(), from): // of both replicas
		return []string{from + "-1", from + "-2", to}
	case isLink:
		return []string{from, to}
	case f.Kind == Roll:
		return []string{f.Target + "-1", f.Target + "-2"}
	}
	return []string{f.Target}
}
