package property

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing/synctest"
)

// errGone is what the caller of a call hears whose time is up.
var errGone = errors.New("no answer came in time")

// Network holds all calls of the processes under test to the outside. A process puts them in, and stands still until it is answered; they move only when the test, which runs in
// the same bubble of testing/synctest, says so. So the test decides what happens, and in which order.
type Network struct {
	cut      error
	mu       sync.Mutex
	messages []*Message
	counts   map[string]int
	dead     map[string]bool
}

// NewNetwork returns an empty network. A caller hears cut, wrapped, of a call whose answer does not come.
func NewNetwork(cut error) *Network {
	return &Network{cut: cut, counts: make(map[string]int), dead: make(map[string]bool)}
}

// Message is one call on its way to the outside, and then its answer on its way back.
type Message struct {
	// From is the process that calls.
	From string
	// Whose is the number of the client that the process calls for; 0 where it works for itself.
	Whose int
	// Call names what is called, and About what it is called for.
	Call, About string
	// Place names the document that is read or written, if it is one.
	Place string

	network *Network
	nth     int // of the calls that are the same so far
	arrive  func() (reply func())
	half    func() (reply func())
	stale   func() (reply func())
	lose    func()
	reply   func() // not nil once the call has arrived
	gone    bool   // nobody waits for the answer any more
}

// String names the message in a history.
func (m *Message) String() string {
	if m.Whose > 0 {
		return fmt.Sprintf("%s for client %d: %s %s", m.From, m.Whose, m.Call, m.About)
	}
	return fmt.Sprintf("%s: %s %s", m.From, m.Call, m.About)
}

// HasArrived tells whether the call has had its effect.
func (m *Message) HasArrived() bool {
	m.network.mu.Lock()
	defer m.network.mu.Unlock()
	return m.reply != nil
}

// IsGone tells whether nobody waits for the answer any more.
func (m *Message) IsGone() bool {
	m.network.mu.Lock()
	defer m.network.mu.Unlock()
	return m.gone
}

// HasHalf tells whether the call can be done in part.
func (m *Message) HasHalf() bool { return m.half != nil }

// Effects are what a call may do when it arrives.
type Effects[T any] struct {
	// Whole is what it should do.
	Whole func() (T, error)
	// Half does it in part, and Stale answers as if the last write were not seen; nil where there is no such thing.
	Half, Stale func() (T, error)
}

type answer[T any] struct {
	value T
	err   error
}

// Send puts a call under way and waits for its answer, or for the end of ctx: then the call may still arrive.
func Send[T any](ctx context.Context, n *Network, m *Message, effects Effects[T]) (none T, err error) {
	if ctx.Err() != nil {
		return none, fmt.Errorf("%w: %w: %w", n.cut, errGone, ctx.Err())
	}
	answers := make(chan answer[T], 1)
	does := func(effect func() (T, error)) func() func() {
		if effect == nil {
			return nil
		}
		return func() func() {
			value, err := effect()
			return func() { answers <- answer[T]{value, err} }
		}
	}
	m.arrive, m.half, m.stale = does(effects.Whole), does(effects.Half), does(effects.Stale)
	m.lose = func() { answers <- answer[T]{err: n.cut} }
	if !n.add(m) {
		return none, n.cut
	}
	select {
	case a := <-answers:
		return a.value, a.err
	case <-ctx.Done():
		n.leave(m)
		return none, fmt.Errorf("%w: %w: %w", n.cut, errGone, ctx.Err())
	}
}

// add refuses messages of a process that has crashed.
func (n *Network) add(m *Message) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.dead[m.From] {
		return false
	}
	n.counts[m.String()]++
	m.network, m.nth = n, n.counts[m.String()]
	n.messages = append(n.messages, m)
	return true
}

func (n *Network) leave(m *Message) {
	n.mu.Lock()
	defer n.mu.Unlock()
	m.gone = true
	if m.reply != nil { // there is nothing left to come
		n.drop(m)
	}
}

// drop takes the message out; n.mu is held.
func (n *Network) drop(m *Message) {
	if i := slices.Index(n.messages, m); i >= 0 {
		n.messages = slices.Delete(n.messages, i, i+1)
	}
}

// UnderWay waits until every process stands still, and returns the messages in an order that does not depend on the goroutines' luck.
func (n *Network) UnderWay() []*Message {
	synctest.Wait()
	n.mu.Lock()
	defer n.mu.Unlock()
	slices.SortFunc(n.messages, func(a, b *Message) int {
		return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.Whose, b.Whose), cmp.Compare(a.Call, b.Call), cmp.Compare(a.About, b.About), cmp.Compare(a.nth, b.nth))
	})
	return slices.Clone(n.messages)
}

// Sent returns how many calls have been made.
func (n *Network) Sent() (sum int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, count := range n.counts {
		sum += count
	}
	return sum
}

// Arrive lets the call have its effect, unless it has; the answer waits for Answer.
func (n *Network) Arrive(m *Message) { n.land(m, m.arrive) }

// ArriveTwice lets the call have its effect twice; the answer is the second one.
func (n *Network) ArriveTwice(m *Message) {
	m.arrive()
	n.land(m, m.arrive)
}

// ArriveInPart lets the call have a part of its effect.
func (n *Network) ArriveInPart(m *Message) { n.land(m, m.half) }

// ArriveStale lets the call read what was there before the last write.
func (n *Network) ArriveStale(m *Message) { n.land(m, m.stale) }

func (n *Network) land(m *Message, effect func() func()) {
	if m.HasArrived() {
		return
	}
	reply := effect()
	n.mu.Lock()
	defer n.mu.Unlock()
	m.reply = reply
	if m.gone {
		n.drop(m)
	}
}

// Answer hands the answer of a call that has arrived to its caller.
func (n *Network) Answer(m *Message) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !m.gone {
		m.reply()
		n.drop(m)
	}
}

// Lose takes the message out of the way, be it the call or its answer.
func (n *Network) Lose(m *Message) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !m.gone {
		m.lose()
	}
	n.drop(m)
}

// Hold lets the caller hear of a failure while the call is still to arrive.
func (n *Network) Hold(m *Message) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !m.gone && m.reply == nil {
		m.gone = true
		m.lose()
	}
}

// Copy puts the call under way once more; nobody waits for the copy.
func (n *Network) Copy(m *Message) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.counts[m.String()]++
	n.messages = append(n.messages, &Message{
		From: m.From, Whose: m.Whose, Call: m.Call, About: m.About, Place: m.Place, network: n, nth: n.counts[m.String()], arrive: m.arrive, gone: true,
	})
}

// Kill ends a process: whatever it calls from now on has no effect. What it has called is under way.
func (n *Network) Kill(process string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.dead[process] = true
}
