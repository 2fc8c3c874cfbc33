package check

import (
	"fmt"
	"strings"
	"time"

	"github.com/steadfast-shop/steadfast/auditor/audit"

	"github.com/steadfast-shop/steadfast/e2e/internal/shop"
)

const (
	// underWay is how long a mail may be under way before the inbox has it, and ledgerWithin how long after that it may take until its sender's ledger entry is safe.
	underWay     = 20 * time.Second
	ledgerWithin = 10 * time.Second
)

// checkEvents: every PLACED order has an event, and no other.
func (j *judge) checkEvents() {
	for number, order := range j.State.Orders {
		if order.Status == audit.Placed && j.State.Events[number] == 0 {
			j.broken(EventForEachPlaced, number, "it is placed, and has no event", j.about(number)...)
		}
	}
	for number := range j.State.Events {
		if j.State.Orders[number].Status != audit.Placed {
			j.broken(EventForEachPlaced, number, "it has an event, and is "+j.describe(number), j.about(number)...)
		}
	}
}

// checkMails: every PLACED order has a mail, to the address of the one that was placed, and no other order has one.
func (j *judge) checkMails() {
	owners := make(map[string]*shop.Order) // by address
	for _, calls := range j.sent {
		for _, call := range calls {
			owners[address(call.Order.User.Email)] = call.Order
		}
	}
	lettered := make(map[string]bool)
	for _, letter := range j.State.Letters {
		lettered[letter.Key] = true
	}
	repeats := make(map[string]int) // mails beyond the first that no lost answer explains, by address
	for to, order := range owners {
		mails, placed := j.State.Mails[to], j.isPlaced(order)
		switch {
		case !placed && len(mails) > 0:
			j.broken(OneMail, order.Number, fmt.Sprintf("%d mails came to %s; the order is %s", len(mails), to, j.describe(order.Number)), j.about(order.Number)...)
		case placed && len(mails) == 0 && j.Facts.Refused[to] && lettered[order.Number]:
			j.verdict.Excused++
		case placed && len(mails) == 0:
			j.broken(OneMail, order.Number, "it is placed, and has no mail", j.about(order.Number)...)
		}
		j.checkSameMail(order, mails)
		if len(mails) > 1 {
			j.verdict.Repeated += len(mails) - 1
			repeats[to] = len(mails) - 1 - j.Facts.Dropped[to]
		}
	}
	for to, mails := range j.State.Mails {
		if owners[to] == nil {
			j.broken(OneMail, to, fmt.Sprintf("%d mails came to an address that nobody has", len(mails)))
		}
	}
	j.checkRepeats(owners, repeats)
}

// checkSameMail: the mails of one order are the same one.
func (j *judge) checkSameMail(order *shop.Order, mails []Mail) {
	for _, mail := range mails {
		if mail.MessageID == "" || mail.MessageID != mails[0].MessageID || !strings.Contains(mail.Subject, order.Number) {
			j.broken(RepeatsBounded, order.Number, fmt.Sprintf("a mail %q has the Message-ID %q beside one with %q", mail.Subject, mail.MessageID, mails[0].MessageID), j.about(order.Number)...)
		}
	}
}

// checkRepeats: a repeated mail was under way when a fault cut off its sender, and each fault repeats no more mails than there can be under way.
func (j *judge) checkRepeats(owners map[string]*shop.Order, repeats map[string]int) {
	left := make([]int, len(j.Facts.Disturbances))
	for i, disturbance := range j.Facts.Disturbances {
		left[i] = disturbance.Most
	}
	for to, count := range repeats {
		mails := j.State.Mails[to]
		for i := 0; i < len(mails)-1 && count > 0; i++ {
			at := mails[i].At.Sub(j.Began.Round(0))
			culprit := j.culprit(at, left)
			count--
			if culprit < 0 {
				number := owners[to].Number
				j.broken(RepeatsBounded, number, fmt.Sprintf("the mail of %v came again after %v, and no fault explains it", at.Round(time.Millisecond), mails[i+1].At.Sub(mails[i].At).Round(time.Millisecond)), j.about(number)...)
				continue
			}
			left[culprit]--
		}
	}
}

// culprit returns the disturbance that can have cut off the sender of a mail which came at that time: the one that ends first of those with anything left, so that the later ones stay for
// later mails. It is -1 where there is none.
func (j *judge) culprit(at time.Duration, left []int) int {
	found := -1
	for i, disturbance := range j.Facts.Disturbances {
		if left[i] > 0 && disturbance.From <= at+ledgerWithin && disturbance.To >= at-underWay && (found < 0 || disturbance.To < j.Facts.Disturbances[found].To) {
			found = i
		}
	}
	return found
}

// checkLetters: dead letters are of what was poisoned or refused, and all of that is there.
func (j *judge) checkLetters() {
	found := make(map[string]bool)
	for _, letter := range j.State.Letters {
		j.verdict.Letters++
		found[letter.Key] = true
		_, isPoison := j.Facts.Poison[letter.Key]
		if !isPoison && !j.wasRefused(letter.Key) {
			j.broken(DeadLettersExplained, letter.Key, fmt.Sprintf("a dead letter at %s: %s", letter.Place, letter.Reason), j.about(letter.Key)...)
		}
	}
	for key, acknowledged := range j.Facts.Poison {
		if acknowledged && !found[key] {
			j.broken(DeadLettersExplained, key, "the poison record is no dead letter")
		}
	}
}

// wasRefused says whether the mail of the number was refused for good.
func (j *judge) wasRefused(number string) bool {
	for _, call := range j.sent[number] {
		if j.Facts.Refused[address(call.Order.User.Email)] {
			return true
		}
	}
	return false
}
