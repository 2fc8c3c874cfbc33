package faults

import (
	"testing"
	"time"

	"github.com/steadfast-shop/steadfast/e2e/internal/chaos"
	"github.com/steadfast-shop/steadfast/e2e/internal/history"
)

func TestRecovery(t *testing.T) {
	const second = time.Second
	faults := []chaos.Fault{
		{Kind: chaos.Kill, Began: 10 * second, Ended: 12 * second},     // 3 s without orders after it
		{Kind: chaos.Freeze, Began: 30 * second, Ended: 32 * second},   // nobody noticed
		{Kind: chaos.Reset, Began: 40 * second, Ended: 44 * second},    // ends while the next is on
		{Kind: chaos.Delay, Began: 43 * second, Ended: 46 * second},    // never recovered from before the next
		{Kind: chaos.Poison, Began: 50 * second, Ended: 51 * second},   // the same, and the run ends
		{Kind: chaos.Drip, Began: 11 * second, Ended: 13 * second},     // in the midst of the first
		{Kind: chaos.Jitter, Began: 0, Ended: 0, At: 70 * time.Second}, // never began
	}
	var calls []history.Call
	for at := time.Duration(0); at < 54*second; at += 100 * time.Millisecond {
		if at >= 10*second && at < 15*second || at >= 43*second {
			continue
		}
		calls = append(calls, history.Call{Kind: history.Place, Answered: 201, Ended: at}, history.Call{Kind: history.Place, Answered: 503, Ended: at})
	}
	normal, recoveries := recover201(calls, faults, 54*second)
	if normal != 10 {
		t.Errorf("the normal rate is %v; want 10", normal)
	}
	want := map[chaos.Kind]Recovery{
		chaos.Kill: {chaos.Kill, 2200 * time.Millisecond, true, false}, chaos.Freeze: {chaos.Freeze, 0, true, true}, chaos.Reset: {Kind: chaos.Reset}, chaos.Drip: {chaos.Drip, 1200 * time.Millisecond, true, true}, chaos.Delay: {Kind: chaos.Delay}, chaos.Poison: {Kind: chaos.Poison},
	}
	if len(recoveries) != len(want) {
		t.Errorf("got %+v", recoveries)
	}
	for _, got := range recoveries {
		if got != want[got.Kind] {
			t.Errorf("got %+v; want %+v", got, want[got.Kind])
		}
	}
}
