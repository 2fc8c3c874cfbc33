package promises

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/steadfast-shop/steadfast/e2e/internal/inbox"
	"github.com/steadfast-shop/steadfast/e2e/internal/metrics"
	"github.com/steadfast-shop/steadfast/e2e/internal/poll"
	"github.com/steadfast-shop/steadfast/e2e/internal/shop"
)

// ErrBadAnswer means an answer that the API does not have.
var ErrBadAnswer = errors.New("bad answer")

const placed = "PLACED"

// System is where the check looks.
type System struct {
	Shop  *shop.Client
	Inbox *inbox.Client
	// Orders and Notifications are the URLs of the services' replicas that run.
	Orders, Notifications []string
	// Quiet is how long after the last answer the journal may still hold what no sweeper has looked at: ORDER_ABANDON_AFTER and a sweep. 0 where no request was cut off.
	Quiet time.Duration
}

// Report is what the check counted.
type Report struct {
	Placed, NotPlaced int
	// RepeatedMails counts mails beyond the first of an order.
	RepeatedMails int
	// Settled is how long the system took to settle after the last answer.
	Settled time.Duration
}

// orderKey is an order as one user sees it.
type orderKey struct{ userID, number string }

// history is a record as it stands when the check begins.
type history struct {
	attempts  []attempt
	stock     map[string]int64
	addresses map[orderKey]string // where each order's mail goes: every order has an address of its own
	last      time.Time
}

func (r *Record) history() history {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := history{attempts: slices.Clone(r.attempts), stock: maps.Clone(r.stock), addresses: make(map[orderKey]string), last: r.last}
	for _, a := range h.attempts {
		h.addresses[orderKey{a.order.User.ID, a.order.Number}] = strings.ToLower(a.order.User.Email)
	}
	return h
}

// Check waits until the system has settled, which ctx bounds, and returns every promise that is broken.
func (r *Record) Check(ctx context.Context, s System) (Report, error) {
	h := r.history()
	unmailed := make(map[orderKey]bool) // placed orders without a mail yet
	undecided := make(map[orderKey]bool)
	for key := range h.addresses {
		undecided[key] = true
	}
	err := poll.Until(ctx, func(ctx context.Context) error {
		if wait := s.Quiet - time.Since(h.last); wait > 0 {
			return fmt.Errorf("the sweepers have %v left", wait.Round(time.Second))
		}
		return errors.Join(s.idle(ctx), s.decided(ctx, undecided, unmailed), s.mailed(ctx, h, unmailed))
	})
	report := Report{}
	if !h.last.IsZero() {
		report.Settled = time.Since(h.last)
	}
	if err != nil {
		return report, fmt.Errorf("the system does not settle: %w", err)
	}
	seen, err := s.look(ctx, h)
	if err != nil {
		return report, err
	}
	for key, address := range h.addresses {
		if seen.fates[key].Status != placed {
			report.NotPlaced++
			continue
		}
		report.Placed++
		report.RepeatedMails += max(0, len(seen.mails[address])-1)
	}
	return report, errors.Join(slices.Concat(checkAnswers(h, seen), checkStock(h, seen), checkMails(h, seen))...)
}

// idle returns an error while a service has something under way.
func (s System) idle(ctx context.Context) error {
	for _, part := range []struct {
		urls   []string
		metric string
	}{
		{s.Orders, "order_relay_pending"},
		{s.Orders, "order_journal_abandoned"},
		{s.Notifications, "notification_lag"},
		{s.Notifications, "notification_waiting"},
	} {
		for _, url := range part.urls {
			value, err := metrics.Sum(ctx, url, part.metric)
			if err == nil && value != 0 {
				err = fmt.Errorf("%s is %g", part.metric, value)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// decided returns an error while an order is pending. It removes the others from undecided, for a decision never changes, and adds those that are placed to unmailed. An order that
// the system does not know stays: its request may still be on the way.
func (s System) decided(ctx context.Context, undecided, unmailed map[orderKey]bool) error {
	pending := 0
	for key := range undecided {
		fate, known, err := s.Shop.Fate(ctx, key.userID, key.number)
		switch {
		case err != nil:
			return err
		case !known:
			continue
		case fate.Status == "PENDING":
			pending++
			continue
		case fate.Status == placed:
			unmailed[key] = true
		}
		delete(undecided, key)
	}
	if pending > 0 {
		return fmt.Errorf("%d orders are pending", pending)
	}
	return nil
}

// mailed returns an error while there are unmailed orders, and removes those that have a mail now.
func (s System) mailed(ctx context.Context, h history, unmailed map[orderKey]bool) error {
	mails, err := s.Inbox.ByRecipient(ctx)
	if err != nil {
		return err
	}
	maps.DeleteFunc(unmailed, func(key orderKey, _ bool) bool { return len(mails[h.addresses[key]]) > 0 })
	if len(unmailed) > 0 {
		return fmt.Errorf("%d placed orders have no mail", len(unmailed))
	}
	return nil
}

// sight is what the system shows.
type sight struct {
	fates map[orderKey]shop.Fate // orders that the system does not know are left out
	stock map[string]int64
	mails map[string][]inbox.Summary // by address
}

func (s System) look(ctx context.Context, h history) (sight, error) {
	seen := sight{fates: make(map[orderKey]shop.Fate, len(h.addresses)), stock: make(map[string]int64, len(h.stock))}
	for key := range h.addresses {
		fate, known, err := s.Shop.Fate(ctx, key.userID, key.number)
		if err != nil {
			return sight{}, err
		}
		if known {
			seen.fates[key] = fate
		}
	}
	var err error
	if seen.mails, err = s.Inbox.ByRecipient(ctx); err != nil || len(h.stock) == 0 {
		return seen, err
	}
	skus := slices.Sorted(maps.Keys(h.stock))
	quantities, err := s.Shop.Quantities(ctx, skus...)
	if err != nil {
		return sight{}, err
	}
	for i, sku := range skus {
		if quantities[i] == nil {
			return sight{}, fmt.Errorf("SKU %s is gone", sku)
		}
		seen.stock[sku] = *quantities[i]
	}
	return seen, nil
}

// checkAnswers: an order that was answered 201 is placed as it was sent, and one that was answered 409 is not.
func checkAnswers(h history, seen sight) []error {
	var broken []error
	for _, a := range h.attempts {
		fate := seen.fates[orderKey{a.order.User.ID, a.order.Number}]
		isPlaced := fate.Status == placed && slices.Equal(fate.Items, a.order.Lines())
		switch {
		case a.status == http.StatusCreated && !isPlaced:
			broken = append(broken, fmt.Errorf("order %s was answered 201, and is %s with %v", a.order.Number, cmp.Or(fate.Status, "unknown"), fate.Items))
		case a.status == http.StatusConflict && isPlaced:
			broken = append(broken, fmt.Errorf("order %s was answered 409, and is placed", a.order.Number))
		}
	}
	return broken
}

// checkStock: what is there is what was there less what the placed orders hold.
func checkStock(h history, seen sight) []error {
	want := maps.Clone(h.stock)
	for _, fate := range seen.fates {
		if fate.Status != placed {
			continue
		}
		for _, line := range fate.Items {
			want[line.SKU] -= line.Quantity
		}
	}
	var broken []error
	for sku := range h.stock {
		if got := seen.stock[sku]; got != want[sku] {
			broken = append(broken, fmt.Errorf("stock of %s is %d; want %d", sku, got, want[sku]))
		}
	}
	return broken
}

// checkMails: a placed order has a mail, the mails of one order have one Message-ID, and an order that is not placed has none.
func checkMails(h history, seen sight) []error {
	var broken []error
	for key, address := range h.addresses {
		mails := seen.mails[address]
		isPlaced := seen.fates[key].Status == placed
		if isPlaced && len(mails) == 0 || !isPlaced && len(mails) > 0 {
			broken = append(broken, fmt.Errorf("order %s is %s, and has %d mails", key.number, cmp.Or(seen.fates[key].Status, "unknown"), len(mails)))
		}
		for _, mail := range mails {
			if mail.MessageID == "" || mail.MessageID != mails[0].MessageID || !strings.Contains(mail.Subject, key.number) {
				broken = append(broken, fmt.Errorf("order %s has a mail %q with Message-ID %q beside one with %q", key.number, mail.Subject, mail.MessageID, mails[0].MessageID))
			}
		}
	}
	return broken
}
