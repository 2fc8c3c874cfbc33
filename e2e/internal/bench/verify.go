package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/steadfast-shop/steadfast/e2e/internal/load"
	"github.com/steadfast-shop/steadfast/e2e/internal/poll"
	"github.com/steadfast-shop/steadfast/e2e/internal/report"
)

const (
	// mailWithin is how long the mails may lag behind the load.
	mailWithin = 3 * time.Minute
	// settleWithin is how long the rest may take once the mails are there; settleAfterErrors, where requests failed: what became of these is decided after ORDER_ABANDON_AFTER at the latest.
	settleWithin      = 10 * time.Second
	settleAfterErrors = time.Minute
	// SettleAtMost is how long a system may take altogether to settle after a load.
	SettleAtMost = mailWithin + settleAfterErrors
	listers      = 8
	pageSize     = 1000
)

// verify waits until the load's orders are settled and compares what the clients were told with what the system shows. What is not as promised is written into the scenario.
func (t *target) verify(ctx context.Context, within time.Duration, o *orders, before int64, result load.Result, into *report.Scenario) error {
	t.placed += len(result.Right)
	err := t.waitMails(ctx)
	if err == nil {
		if result.Errors > 0 && t.stack != nil {
			within = settleAfterErrors
		}
		err = t.waitPromises(ctx, within, o, before, result, into)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		into.Broken = err.Error()
	}
	return nil
}

// lastMail returns the id of the newest mail.
func (t *target) lastMail(ctx context.Context) (int64, error) {
	if t.inbox == nil {
		return 0, nil
	}
	id, _, err := t.inbox.Latest(ctx)
	return id, err
}

// waitMails waits until there are as many mails as orders were placed.
func (t *target) waitMails(ctx context.Context) error {
	if t.inbox == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, mailWithin)
	defer cancel()
	return poll.Until(ctx, func(ctx context.Context) error {
		_, total, err := t.inbox.Latest(ctx)
		if err == nil && total < t.placed {
			err = fmt.Errorf("%d mails of %d have come", total, t.placed)
		}
		return err
	})
}

func (t *target) waitPromises(ctx context.Context, within time.Duration, o *orders, before int64, result load.Result, into *report.Scenario) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	untold := 0
	told := make(map[string]bool, len(result.Right)) // numbers that were answered 201
	for _, n := range result.Right {
		told[o.number(n)] = true
	}
	err := poll.Until(ctx, func(ctx context.Context) error {
		if t.stack == nil {
			return t.checkStock(ctx, o, soldOf(o, result.Right))
		}
		placed, err := t.listPlaced(ctx, o)
		if err != nil {
			return err
		}
		sold := make(map[string]int64)
		for _, sku := range placed {
			sold[sku]++
		}
		untold = len(placed) - len(told)
		return errors.Join(checkTold(told, placed), t.checkStock(ctx, o, sold), t.checkMails(ctx, o, placed, before, result.Ended, into))
	})
	t.placed += untold // their requests failed, but they are placed and mailed
	return err
}

func soldOf(o *orders, placed []int64) map[string]int64 {
	sold := make(map[string]int64)
	for _, n := range placed {
		sold[o.sku(n)]++
	}
	return sold
}

// listPlaced returns the SKU of every placed order of the load's users, by number.
func (t *target) listPlaced(ctx context.Context, o *orders) (map[string]string, error) {
	var (
		placed = make(map[string]string)
		mu     sync.Mutex
		next   atomic.Int64
		failed = make([]error, listers)
		group  sync.WaitGroup
	)
	for i := range listers {
		group.Go(func() {
			for n := next.Add(1) - 1; n < o.users && failed[i] == nil; n = next.Add(1) - 1 {
				failed[i] = t.listUser(ctx, o.user(n), func(number, sku string) {
					mu.Lock()
					defer mu.Unlock()
					placed[number] = sku
				})
			}
		})
	}
	group.Wait()
	return placed, errors.Join(failed...)
}

func (t *target) listUser(ctx context.Context, user string, note func(number, sku string)) error {
	query := fmt.Sprintf("limit=%d", pageSize)
	for {
		answer, err := t.shop.Orders(ctx, user, query)
		if err != nil {
			return err
		}
		var page []struct {
			Number   string `json:"orderNumber"`
			SKU      string `json:"skuCode"`
			Quantity int64  `json:"quantity"`
		}
		if answer.Status != http.StatusOK || json.Unmarshal([]byte(answer.Body), &page) != nil {
			return fmt.Errorf("list the orders of %s: got %s", user, answer)
		}
		for _, order := range page {
			if order.Quantity != 1 {
				return fmt.Errorf("order %s is placed with quantity %d; want 1", order.Number, order.Quantity)
			}
			note(order.Number, order.SKU)
		}
		if len(page) < pageSize {
			return nil
		}
		query = fmt.Sprintf("limit=%d&after=%s", pageSize, url.QueryEscape(page[len(page)-1].Number))
	}
}

// checkTold: every order that was answered 201 is placed.
func checkTold(told map[string]bool, placed map[string]string) error {
	lost, example := 0, ""
	for number := range told {
		if _, found := placed[number]; !found {
			lost, example = lost+1, number
		}
	}
	if lost > 0 {
		return fmt.Errorf("%d orders were answered 201 and are not placed, %s among them", lost, example)
	}
	return nil
}

// checkStock: what is there is what was there less what was sold.
func (t *target) checkStock(ctx context.Context, o *orders, sold map[string]int64) error {
	quantities, err := t.shop.Quantities(ctx, o.skus...)
	if err != nil {
		return err
	}
	for i, sku := range o.skus {
		if quantities[i] == nil || *quantities[i] != stocked-sold[sku] {
			got := "none"
			if quantities[i] != nil {
				got = fmt.Sprint(*quantities[i])
			}
			return fmt.Errorf("stock of %s is %s; want %d", sku, got, stocked-sold[sku])
		}
	}
	return nil
}

// checkMails: every placed order has one mail, and no other order has any.
func (t *target) checkMails(ctx context.Context, o *orders, placed map[string]string, before int64, ended time.Time, into *report.Scenario) error {
	if t.inbox == nil {
		return nil
	}
	mails, err := t.inbox.Since(ctx, before)
	if err != nil {
		return err
	}
	var last time.Time
	times := make(map[string]int, len(placed))
	for _, mail := range mails {
		for _, to := range mail.To {
			number, ours := o.numberOf(to)
			if !ours {
				continue // what another load left under way
			}
			times[number]++
			if mail.ReceivedAt.After(last) {
				last = mail.ReceivedAt
			}
		}
	}
	lag := max(0, last.Sub(ended).Seconds())
	into.LastMail = &lag
	return compareMails(placed, times)
}

func compareMails(placed map[string]string, times map[string]int) error {
	for number := range placed {
		if times[number] != 1 {
			return fmt.Errorf("order %s is placed, and has %d mails", number, times[number])
		}
	}
	for number := range times {
		if _, found := placed[number]; !found {
			return fmt.Errorf("order %s is not placed, and has a mail", number)
		}
	}
	return nil
}
