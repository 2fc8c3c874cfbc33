package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/steadfast-shop/steadfast/e2e/internal/check"
	"github.com/steadfast-shop/steadfast/e2e/internal/failpoints"
	"github.com/steadfast-shop/steadfast/e2e/internal/history"
	"github.com/steadfast-shop/steadfast/e2e/internal/observe"
	"github.com/steadfast-shop/steadfast/e2e/internal/poll"
	"github.com/steadfast-shop/steadfast/e2e/internal/shop"
	"github.com/steadfast-shop/steadfast/e2e/internal/system"
)

const (
	// on switches a deliberate fault on.
	on = "return"
	// witnessAbandons is ORDER_ABANDON_AFTER here. A request may then take a third of it, and the sweeper comes each sixth.
	witnessAbandons = 3 * time.Second
	judgedWithin    = 30 * time.Second
)

// deliberate is a rule of the product that a fail point breaks, and what comes of it where the rule matters.
type deliberate struct {
	name    string
	service string
	// act brings about the situation that the rule is for.
	act func(*testing.T, *witness)
	// breaks names the promises that are broken then, one of them at least.
	breaks []check.Invariant
}

func deliberateFaults() []deliberate {
	return []deliberate{
		{"faultReserveNotIdempotent", system.Inventory, replayDecided, []check.Invariant{check.StockBalances}},
		{"faultPublishBeforeDecision", system.Order, orderTooMuch, []check.Invariant{check.EventForEachPlaced, check.OneMail}},
		{"faultAnswerBeforeDecision", system.Order, crashBeforeDecision, []check.Invariant{check.CreatedIsPlaced}},
		{"faultReleaseWithoutDecision", system.Order, loseAnswerToDecision, []check.Invariant{check.NoStrayReservation, check.StockBalances}},
		{"faultSweeperWithoutFence", system.Order, decideWhileSwept, []check.Invariant{check.NoStrayReservation, check.StockBalances}},
		{"faultLedgerSkipped", system.Notification, replayMailed, []check.Invariant{check.RepeatsBounded}},
		{"faultCommitBeforeSending", system.Notification, crashBeforeMail, []check.Invariant{check.OneMail}},
	}
}

// TestCheckerFindsDeliberateFaults breaks one rule of the product at a time. The fault runner's checker must reject the run and name a promise that broke; and it must accept the same run
// with the rule in force.
func TestCheckerFindsDeliberateFaults(t *testing.T) {
	if testing.Short() {
		t.Skip("short: runs a stack for each fault")
	}
	t.Parallel()
	theSuite.withFailPoints(t)
	all := deliberateFaults()
	for _, point := range theSuite.points {
		if point.IsFault() && !slices.ContainsFunc(all, func(d deliberate) bool { return d.name == point.Name && d.service == point.Service }) {
			t.Errorf("no run shows what comes of %s", point)
		}
	}
	for _, fault := range all {
		t.Run(fault.name, func(t *testing.T) {
			t.Parallel()
			w := newWitness(t)
			fault.act(t, w)
			if verdict := w.judge(t); len(verdict.Broken) > 0 {
				t.Fatalf("with the rule in force, the checker rejects the run: %+v", verdict.Broken)
			}
			if err := w.victim(fault.service).On(t.Context(), fault.name, on); err != nil {
				t.Fatal(err)
			}
			fault.act(t, w)
			verdict := w.judge(t)
			t.Log(verdict.Names())
			if !slices.ContainsFunc(fault.breaks, func(i check.Invariant) bool { return slices.Contains(verdict.Names(), string(i)) }) {
				t.Errorf("the checker names %v; want one of %v", verdict.Names(), fault.breaks)
			}
		})
	}
}

// witness is a client that keeps a history, and a look at what the system holds.
type witness struct {
	*victims
	history  *history.History
	observer *observe.Observer
	facts    check.Facts
}

func newWitness(t *testing.T) *witness {
	t.Helper()
	w := &witness{victims: startVictims(t, witnessAbandons)}
	var err error
	if w.history, err = history.New(filepath.Join(theSuite.dir, strings.ReplaceAll(t.Name(), "/", "-")+".jsonl"), nil); err != nil {
		t.Fatal(err)
	}
	if w.observer, err = observe.Open(t.Context(), w.URLs); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ok(t, errors.Join(w.history.Close(), w.observer.Close())) })
	w.sku = newID("SKU")
	call := history.Call{Kind: history.Create, SKUs: []string{w.sku}, Quantity: 100, Called: w.history.Now()}
	answer, err := w.shop.Stock(t.Context(), w.sku, 100)
	w.history.Add(call, answer, err)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// place sends the order once to order-service.
func (w *witness) place(ctx context.Context, order shop.Order) (shop.Answer, error) {
	call := history.Call{Kind: history.Place, Order: &order, Number: order.Number, User: order.User.ID, Called: w.history.Now(), Try: 1}
	answer, err := w.direct.Place(ctx, order)
	w.history.Add(call, answer, err)
	return answer, err
}

// mustPlace sends the order until it is answered, which must be with the status.
func (w *witness) mustPlace(t *testing.T, order shop.Order, status int) {
	t.Helper()
	eventually(t, giveUpAfter, func(ctx context.Context) error {
		answer, err := w.place(ctx, order)
		if err == nil && answer.Status == http.StatusServiceUnavailable {
			err = errors.New(answer.String())
		}
		if err == nil && answer.Status != status {
			t.Errorf("got %s; want %d", answer, status)
		}
		return err
	})
}

// judge waits until the system has settled, and holds it to its promises.
func (w *witness) judge(t *testing.T) check.Verdict {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), judgedWithin)
	defer cancel()
	if err := poll.Until(ctx, w.observer.Settled); err != nil {
		t.Fatalf("the system does not settle: %v", err)
	}
	state, err := w.observer.Look(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return check.Judge(check.Run{Began: w.history.Began, Calls: w.history.Calls(), State: state, Facts: w.facts, Patience: judgedWithin})
}

// replayDecided sends an order again that was placed.
func replayDecided(t *testing.T, w *witness) {
	order := newOrder(w.sku, 2)
	w.mustPlace(t, order, http.StatusCreated)
	w.mustPlace(t, order, http.StatusCreated)
}

// orderTooMuch asks for more than there is.
func orderTooMuch(t *testing.T, w *witness) {
	w.mustPlace(t, newOrder(w.sku, 1000), http.StatusConflict)
}

// crashBeforeDecision kills order-service before the decision of an order is written.
func crashBeforeDecision(t *testing.T, w *witness) {
	order := newOrder(w.sku, 2)
	w.stay(t, w.order, "decisionBefore", failpoints.Stay)
	answered := make(chan error, 1)
	go func() {
		_, err := w.place(t.Context(), order)
		answered <- err
	}()
	w.reached(t, w.order, "decisionBefore")
	select { // who answers before the decision is given the time to
	case err := <-answered:
		t.Log(err)
		w.order.service.Kill()
	case <-time.After(time.Second):
		w.order.service.Kill()
		<-answered //nolint:errcheck // none came: it was killed
	}
	w.order.again(t)
}

// loseAnswerToDecision has MongoDB's answer to a decision come too late.
func loseAnswerToDecision(t *testing.T, w *witness) {
	order := newOrder(w.sku, 2)
	w.stay(t, w.order, "decisionBefore", "1*sleep(300)")
	answered := make(chan error, 1)
	go func() {
		_, err := w.place(t.Context(), order)
		answered <- err
	}()
	w.reached(t, w.order, "decisionBefore")
	w.stay(t, w.order, "insertManyAfter", fmt.Sprintf("1*sleep(%d)", witnessAbandons.Milliseconds()))
	if err := <-answered; err != nil {
		t.Log(err)
	}
}

// decideWhileSwept leaves an order undecided, and sends it again when the sweeper is about to release what it holds.
func decideWhileSwept(t *testing.T, w *witness) {
	order := newOrder(w.sku, 2)
	w.stay(t, w.order, "decisionBefore", fmt.Sprintf("1*sleep(%d)", (witnessAbandons/2).Milliseconds()))
	if answer, err := w.place(t.Context(), order); err == nil && answer.Status != http.StatusServiceUnavailable {
		t.Fatalf("got %s; want an order that is left undecided", answer)
	}
	w.stay(t, w.order, "releaseCallBefore", "1*sleep(2000)")
	w.stay(t, w.order, "releaseCallAfter", "1*sleep(1)")
	w.reached(t, w.order, "releaseCallBefore")
	if answer, err := w.place(t.Context(), order); err != nil {
		t.Error(answer, err)
	}
	w.reached(t, w.order, "releaseCallAfter")
}

// replayMailed sends an order again once it is mailed and its consumer has been replaced.
func replayMailed(t *testing.T, w *witness) {
	order := newOrder(w.sku, 2)
	w.mustPlace(t, order, http.StatusCreated)
	eventually(t, readdressed, w.observer.Settled)
	if _, _, err := w.notification.service.Terminate(); err != nil {
		t.Fatal(err)
	}
	w.notification.again(t)
	w.mustPlace(t, order, http.StatusCreated)
	eventually(t, readdressed, w.observer.Settled)
}

// crashBeforeMail kills the consumer before a mail is sent.
func crashBeforeMail(t *testing.T, w *witness) {
	w.stay(t, w.notification, "mailBefore", failpoints.Stay)
	w.mustPlace(t, newOrder(w.sku, 2), http.StatusCreated)
	w.reached(t, w.notification, "mailBefore")
	w.notification.service.Kill()
	if err := w.kafka.EndMembers(consumerGroup); err != nil {
		t.Fatal(err)
	}
	w.notification.again(t)
}

func (w *witness) stay(t *testing.T, v *victim, point, terms string) {
	t.Helper()
	if err := v.On(t.Context(), point, terms); err != nil {
		t.Fatal(err)
	}
}

func (w *witness) reached(t *testing.T, v *victim, point string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), reachedWithin)
	defer cancel()
	if err := v.WaitReached(ctx, point); err != nil {
		t.Fatal(err)
	}
}
