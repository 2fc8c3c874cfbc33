package e2e_test

import (
	"testing"
)

// regression is a failing that order systems are known for, and that this one must never get.
type regression struct {
	name  string
	naive string // what a naive system does
	test  func(t *testing.T, w *world)
}

// prove runs the regressions one after the other, unless they make themselves parallel.
func prove(t *testing.T, w *world, all []regression) {
	for _, r := range all {
		t.Run(r.name, func(t *testing.T) {
			t.Log("a naive system", r.naive)
			r.test(t, w)
		})
	}
}

// TestRegression proves on the shared stack what breaks nothing there: what is taken away or frozen is a branch's own.
func TestRegression(t *testing.T) {
	all := []regression{
		{"resend-doubles-the-order", "places an order again for each time that it is sent, mails it again, and takes its stock again.", resendDoublesTheOrder},
		{"killed-between-decision-and-publishing", "decides the order and then publishes its event: a crash in between leaves an order that nobody is told of.", killedBeforePublishing},
		{"missing-email-address", "takes an order without an address, and stumbles over its event for ever.", missingAddress},
		{"grpc-answer-lost", "takes a call without an answer for one that did not happen: the stock stays taken, or is taken twice.", grpcAnswerLost},
		{"inventory-frozen-and-thawed-later", "tells the client that the order failed, and places it when inventory wakes up.", inventoryFrozen},
		{"compensation-lost", "tries to give the stock back once: with inventory away at that moment, it never comes back.", compensationLost},
		{"outage-reported-as-409", "asks inventory, hears nothing, and tells the client that there is not enough stock.", outageIsNoConflict},
		{"breaker-blind-to-post-failures", "counts failures of reads only, and goes on sending orders to a service that is away.", breakerSeesPosts},
		{"fallback-for-get-only", "has a fallback for GET, and answers other methods with a bare 500, or a broken connection.", fallbackForAllMethods},
		{"retry-without-pauses", "tries again at once, when whatever was wrong still is, and so adds to its load.", retriesPause},
		{"retried-get-loses-its-body", "reads a GET's body for the first try, and sends the others without it.", retriedGetKeepsItsBody},
		{"one-query-for-each-sku", "asks the database for one SKU after the other: 1,000 SKUs are 1,000 round trips.", oneQueryForAllSKUs},
		{"negative-or-null-quantity", "takes an order of -5 pieces, and has 5 more on stock; null ends in a 500.", badQuantities},
		{"index-missing", "reads all orders to find those of one user: at 100,000 orders each list takes a while.", listDoesNotGrow},
		{"poison-record", "reads a record that it cannot understand again and again, and never gets to the ones behind it.", poisonRecords},
		{"record-replayed", "mails an order for each time that its event comes.", replayedRecords},
	}
	prove(t, sharedWorld(t), all)
}

// TestRegressionOutage proves what needs parts of the stack itself away, on one stack, one after the other.
func TestRegressionOutage(t *testing.T) {
	if testing.Short() {
		t.Skip("short: stops parts and waits for them, which takes a minute")
	}
	t.Parallel()
	prove(t, ownWorld(t), []regression{
		// First, for the consumer group must have read nothing yet.
		{"consumer-starts-after-the-order", "begins at the newest record, and never mails what was ordered before.", consumerStartsAfterTheOrders},
		{"broker-away-at-the-order", "publishes with the request: without a broker the order fails, or its event is lost.", brokerIsAway},
		{"bad-address", "sends a mail that was refused for good again and again, or ends, and mails nobody else.", badAddresses},
		{"smtp-down-for-long", "gives a mail up after so many tries, and loses what an outage takes longer than.", smtpIsAway},
	})
}
