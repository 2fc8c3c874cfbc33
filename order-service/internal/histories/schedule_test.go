package histories

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"testing/synctest"

	"github.com/steadfast-shop/steadfast/order-service/internal/order"
)

// errCut is what a process hears of a call whose answer does not come.
var errCut = fmt.Errorf("%w: cut by the history", order.ErrUnavailable)

// message is one call of a process on its way to the world, and then its answer on its way back. Nothing moves by itself: the history decides when it arrives, and whether.
type message struct {
	from  *process
	whose int // the client's number; 0 where the process works for itself
	call  string
	about string // the order numbers
	place string // the document that it reads or writes, if it is one
	nth   int    // of the calls that are the same so far

	arrive func() (reply func()) // does the effect; reply hands the answer to the caller
	half   func() (reply func()) // does it in part; nil where it has no parts
	stale  func() (reply func()) // answers from before the last write; nil where it reads nothing
	cut    func()                // lets the caller hear errCut

	reply func() // not nil once the effect has been
	gone  bool   // nobody waits for the answer any more
}

// String names the message in a history.
func (m *message) String() string {
	if m.whose > 0 {
		return fmt.Sprintf("%s for client %d: %s %s", m.from, m.whose, m.call, m.about)
	}
	return fmt.Sprintf("%s: %s %s", m.from, m.call, m.about)
}

// network holds all messages under way. Processes put them in; only the history's goroutine takes them out, while every process stands still.
type network struct {
	mu       sync.Mutex
	messages []*message
	counts   map[string]int
}

// answerOf is what a call returns.
type answerOf[T any] struct {
	value T
	err   error
}

// send puts a call under way and waits for its answer, or for the end of ctx: then the call may still arrive. A second effect is that of a call that is done in part.
func send[T any](ctx context.Context, m *message, effect func() (T, error), half ...func() (T, error)) (T, error) {
	n := &m.from.history.network
	if ctx.Err() != nil {
		var none T
		return none, fmt.Errorf("%w: %w", order.ErrUnavailable, ctx.Err())
	}
	if c, ok := ctx.Value(clientKey{}).(*client); ok {
		m.whose = c.number
	}
	answers := make(chan answerOf[T], 1)
	does := func(effect func() (T, error)) func() func() {
		return func() func() {
			value, err := effect()
			return func() { answers <- answerOf[T]{value, err} }
		}
	}
	m.arrive = does(effect)
	m.cut = func() { answers <- answerOf[T]{err: errCut} }
	if len(half) > 0 {
		m.half = does(half[0])
	}
	if isRead(m.call) {
		m.stale = does(func() (T, error) { var none T; return none, order.ErrNotFound })
	}
	if !n.add(m) {
		var none T
		return none, errCut
	}
	select {
	case answer := <-answers:
		return answer.value, answer.err
	case <-ctx.Done():
		n.leave(m)
		var none T
		return none, fmt.Errorf("%w: %w", order.ErrUnavailable, ctx.Err())
	}
}

func isRead(call string) bool { return call == journalFind || call == decisionFind }

// add refuses messages of a process that has crashed.
func (n *network) add(m *message) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if m.from.dead {
		return false
	}
	n.counts[m.String()]++
	m.nth = n.counts[m.String()]
	n.messages = append(n.messages, m)
	return true
}

func (n *network) leave(m *message) {
	n.mu.Lock()
	defer n.mu.Unlock()
	m.gone = true
	if m.reply != nil { // there is nothing left to come
		n.drop(m)
	}
}

// drop takes the message out; n.mu is held.
func (n *network) drop(m *message) {
	if i := slices.Index(n.messages, m); i >= 0 {
		n.messages = slices.Delete(n.messages, i, i+1)
	}
}

// underWay waits until every process stands still, and returns the messages in an order that does not depend on the goroutines' luck.
func (n *network) underWay() []*message {
	synctest.Wait()
	n.mu.Lock()
	defer n.mu.Unlock()
	slices.SortFunc(n.messages, func(a, b *message) int {
		return cmp.Or(cmp.Compare(a.from.id, b.from.id), cmp.Compare(a.whose, b.whose), cmp.Compare(a.call, b.call), cmp.Compare(a.about, b.about), cmp.Compare(a.nth, b.nth))
	})
	return slices.Clone(n.messages)
}

// land does the message's effect, unless that has been.
func (n *network) land(m *message, effect func() func()) {
	if m.reply != nil {
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

// answer hands the answer to the caller.
func (n *network) answer(m *message) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !m.gone {
		m.reply()
		n.drop(m)
	}
}

// lose takes the message out of the way, wherever it is.
func (n *network) lose(m *message) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !m.gone {
		m.cut()
	}
	n.drop(m)
}

// hold lets the caller hear a failure while the call is still to arrive.
func (n *network) hold(m *message) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !m.gone && m.reply == nil {
		m.gone = true
		m.cut()
	}
}

// again puts a copy under way that nobody waits for.
func (n *network) again(m *message) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.counts[m.String()]++
	n.messages = append(n.messages, &message{from: m.from, whose: m.whose, call: m.call, about: m.about, place: m.place, nth: n.counts[m.String()], arrive: m.arrive, gone: true})
}
