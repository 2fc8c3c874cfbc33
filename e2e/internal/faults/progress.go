package faults

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/steadfast-shop/steadfast/e2e/internal/chaos"
	"github.com/steadfast-shop/steadfast/e2e/internal/history"
)

const (
	tickEvery = time.Second
	// lineEvery is how many ticks go by between two lines where none can be written over.
	lineEvery = 5
	clearLine = "\r\x1b[K"
)

// progress shows how a run goes. It is safe for concurrent use.
type progress struct {
	out      io.Writer
	terminal bool

	mu      sync.Mutex
	placed  int // since the last tick
	answers map[string]int
	shown   bool // a line that can be written over is there
}

func newProgress(out io.Writer, terminal bool) *progress {
	return &progress{out: out, terminal: terminal, answers: make(map[string]int)}
}

// say writes a line that stays.
func (p *progress) say(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wipe()
	fmt.Fprintln(p.out, text)
}

func (p *progress) wipe() {
	if p.shown {
		fmt.Fprint(p.out, clearLine)
		p.shown = false
	}
}

// count counts a call.
func (p *progress) count(call history.Call) {
	if call.Kind != history.Place {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answers[answerOf(call)]++
	if call.Answered == 201 {
		p.placed++
	}
}

// answerOf names the answer to a call.
func answerOf(call history.Call) string {
	if call.Answered == 0 {
		return "no answer"
	}
	return fmt.Sprint(call.Answered)
}

// run shows faults as they come and go, and every second, or every five, how the orders fare.
func (p *progress) run(ctx context.Context, now func() time.Duration, duration time.Duration, faults func() []chaos.Fault) {
	ticker := time.NewTicker(tickEvery)
	defer ticker.Stop()
	state := make(map[int]int) // 1: begun, 2: ended
	placed := 0
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		var on []string
		for i, fault := range faults() {
			if fault.Began > 0 && state[i] == 0 {
				p.say(fmt.Sprintf("%7.1f s  + %v", fault.Began.Seconds(), fault))
				state[i] = 1
			}
			if fault.Ended > 0 && state[i] == 1 {
				p.say(strings.TrimRight(fmt.Sprintf("%7.1f s  - %v  %s", fault.Ended.Seconds(), fault, fault.Failed), " "))
				state[i] = 2
			}
			if state[i] == 1 {
				on = append(on, fault.String())
			}
		}
		p.mu.Lock()
		placed += p.placed
		p.placed = 0
		if p.terminal || n%lineEvery == 0 {
			ticks := lineEvery
			if p.terminal {
				ticks = 1
			}
			p.line(now(), duration, float64(placed)/(float64(ticks)*tickEvery.Seconds()), on)
			placed = 0
		}
		p.mu.Unlock()
	}
}

// line shows how the orders fare. The caller holds the lock.
func (p *progress) line(now, duration time.Duration, rate float64, on []string) {
	var answers []string
	for _, answer := range slices.SortedFunc(maps.Keys(p.answers), cmp.Compare) {
		answers = append(answers, fmt.Sprintf("%d × %s", p.answers[answer], answer))
	}
	text := fmt.Sprintf("%7.1f s of %v  %3.0f orders/s placed  %s  %s", now.Seconds(), duration, rate, strings.Join(answers, ", "), cmp.Or(strings.Join(on, ", "), "all well"))
	p.wipe()
	fmt.Fprint(p.out, text)
	if p.terminal {
		p.shown = true
		return
	}
	fmt.Fprintln(p.out)
}
