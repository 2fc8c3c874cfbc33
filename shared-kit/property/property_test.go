package property_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/steadfast-shop/steadfast/shared-kit/property"
)

var errCut = errors.New("cut")

func TestMain(m *testing.M) {
	// rapid has these flags, and this module does not use it.
	flag.Int("rapid.checks", 100, "")
	flag.Bool("rapid.nofailfile", false, "")
	flag.Duration("rapid.shrinktime", time.Minute, "")
	os.Exit(m.Run())
}

// caller makes one call for each name at once, and keeps what each hears.
type caller struct {
	network *property.Network
	effects []string
	heard   map[string]string
	answers chan [2]string
}

func newCaller(ctx context.Context, names ...string) *caller {
	c := &caller{network: property.NewNetwork(errCut), heard: make(map[string]string), answers: make(chan [2]string, len(names))}
	for _, name := range names {
		go func() {
			message := &property.Message{From: "process", Call: "call", About: name}
			value, err := property.Send(ctx, c.network, message, property.Effects[string]{
				Whole: func() (string, error) {
					c.effects = append(c.effects, name)
					return fmt.Sprint("answer ", len(c.effects)), nil
				},
				Half:  func() (string, error) { return "half", nil },
				Stale: func() (string, error) { return "stale", nil },
			})
			if err != nil {
				value = "error"
				if !errors.Is(err, errCut) {
					value = err.Error()
				}
			}
			c.answers <- [2]string{name, value}
		}()
	}
	return c
}

// hear takes in what has been answered.
func (c *caller) hear() map[string]string {
	synctest.Wait()
	for len(c.answers) > 0 {
		answer := <-c.answers
		c.heard[answer[0]] = answer[1]
	}
	return c.heard
}

func TestMessagesMoveAsTold(t *testing.T) {
	for _, c := range []struct {
		name    string
		move    func(n *property.Network, m *property.Message)
		effects int
		heard   string // "" while it waits
		left    int    // messages under way
	}{
		{"nothing", func(*property.Network, *property.Message) {}, 0, "", 1},
		{"arrives", func(n *property.Network, m *property.Message) { n.Arrive(m) }, 1, "", 1},
		{"arrives again", func(n *property.Network, m *property.Message) { n.Arrive(m); n.Arrive(m) }, 1, "", 1},
		{"answered", func(n *property.Network, m *property.Message) { n.Arrive(m); n.Answer(m) }, 1, "answer 1", 0},
		{"twice", func(n *property.Network, m *property.Message) { n.ArriveTwice(m); n.Answer(m) }, 2, "answer 2", 0},
		{"lost", func(n *property.Network, m *property.Message) { n.Lose(m) }, 0, "error", 0},
		{"answer lost", func(n *property.Network, m *property.Message) { n.Arrive(m); n.Lose(m) }, 1, "error", 0},
		{"late", func(n *property.Network, m *property.Message) { n.Hold(m) }, 0, "error", 1},
		{"late and there", func(n *property.Network, m *property.Message) { n.Hold(m); n.Arrive(m) }, 1, "error", 0},
		{"copied", func(n *property.Network, m *property.Message) { n.Copy(m); n.Arrive(m); n.Answer(m) }, 1, "answer 1", 1},
		{"in part", func(n *property.Network, m *property.Message) { n.ArriveInPart(m); n.Answer(m) }, 0, "half", 0},
		{"stale", func(n *property.Network, m *property.Message) { n.ArriveStale(m); n.Answer(m) }, 0, "stale", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				calling := newCaller(ctx, "A")
				c.move(calling.network, calling.network.UnderWay()[0])
				if heard := calling.hear()["A"]; heard != c.heard || len(calling.effects) != c.effects || len(calling.network.UnderWay()) != c.left {
					t.Errorf("got %q, %d effects and %d messages left, want %q, %d and %d", heard, len(calling.effects), len(calling.network.UnderWay()), c.heard, c.effects, c.left)
				}
			})
		})
	}
}

func TestOrderOfMessagesDoesNotDependOnLuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		calling := newCaller(ctx, "C", "A", "D", "B")
		var got []string
		for _, m := range calling.network.UnderWay() {
			got = append(got, m.About)
		}
		if want := []string{"A", "B", "C", "D"}; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		time.Sleep(2 * time.Second) // the callers' time is up, and what they called may still arrive
		for _, m := range calling.network.UnderWay() {
			if !m.IsGone() {
				t.Errorf("somebody waits for %s", m)
			}
			calling.network.Arrive(m)
		}
		if heard := calling.hear(); len(heard) != 4 || heard["A"] != "error" || len(calling.effects) != 4 {
			t.Errorf("got %v and effects %v, want four of each", heard, calling.effects)
		}
	})
}

func TestDeadProcessCallsNothing(t *testing.T) {
	n := property.NewNetwork(errCut)
	n.Kill("process")
	_, err := property.Send(t.Context(), n, &property.Message{From: "process"}, property.Effects[int]{Whole: func() (int, error) { return 1, nil }})
	if !errors.Is(err, errCut) || n.Sent() != 0 {
		t.Errorf("got %v and %d calls, want %v and none", err, n.Sent(), errCut)
	}
}

func TestMustFail(t *testing.T) {
	said := property.MustFail(t, 7, func(r *property.Recorder) {
		r.Logf("%s histories", flag.Lookup("rapid.checks").Value)
		r.Fatal("broken")
		t.Error("FailNow did not end the check")
	})
	if want := "7 histories\nbroken\n"; said != want {
		t.Errorf("got %q, want %q", said, want)
	}
	outer := &property.Recorder{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		property.MustFail(outer, 7, func(*property.Recorder) {})
	}()
	<-done
	if !outer.Failed() {
		t.Error("a check that found nothing did not fail the test")
	}
}
