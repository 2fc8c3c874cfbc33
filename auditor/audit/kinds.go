package audit

// Kind names a difference. The names are stable: programs may branch on them.
type Kind string

// The kinds of differences.
const (
	StockDiffers            Kind = "stock-differs"
	StockNegative           Kind = "stock-negative"
	OrderWithoutReservation Kind = "order-without-reservation"
	ReservationDiffers      Kind = "reservation-differs"
	ReservationWithoutOrder Kind = "reservation-without-order"
	ClosedOrderHolds        Kind = "closed-order-holds-stock"
	OrderWithoutEvent       Kind = "order-without-event"
	EventDiffers            Kind = "event-differs"
	EventMisplaced          Kind = "event-misplaced"
	EventWithoutOrder       Kind = "event-without-order"
	EventWithoutMail        Kind = "event-without-mail"
	MailWithoutOrder        Kind = "mail-without-order"
	JournalOld              Kind = "journal-old"
	JournalLingering        Kind = "journal-lingering"
)

// explanation is what a kind means and what to do about it.
type explanation struct {
	kind            Kind
	meaning, advice string
}

// explanations lists the kinds in the order in which a report shows them.
func explanations() []explanation {
	return []explanation{
		{StockDiffers, "the quantity on stock is not initial + adjustments - placed lines",
			"find who wrote to the inventory database; correct by an adjustment (POST /api/inventory/SKU/adjustments) once the cause is known"},
		{StockNegative, "the quantity on stock is below zero",
			"the table's CHECK constraint must be missing: restore it, then count the stock"},
		{OrderWithoutReservation, "a placed order holds no stock",
			"restore the reservation from a backup; where stock-differs names its SKU, too, its units are on sale again: take them off by an adjustment"},
		{ReservationDiffers, "a placed order holds other units than it has",
			"compare the order's lines with the reservation's; one of the two was written by hand"},
		{ReservationWithoutOrder, "stock is held for an order number that has no decision and is not in flight",
			"restore the order from a backup if it was deleted; else, where stock-differs names the SKU, too, Release (inventory.v1) gives the units back, and where it does not, delete the row"},
		{ClosedOrderHolds, "a rejected or cancelled order still holds stock",
			"call Release for the number (inventory.v1); order-service's sweeper should have done it"},
		{OrderWithoutEvent, "a placed order has no event on order-placed, and no journal entry that owes it",
			"records or a journal entry were lost; the customer has most likely no mail: publish the event again"},
		{EventDiffers, "an event has another customer or other lines than its order",
			"somebody else publishes to order-placed, or the order was changed; look at the record's headers"},
		{EventMisplaced, "an event is on another partition than its number's, and no copy is on the right one",
			"notification-service sends such events on: see whether it runs; and find the producer with another partitioner"},
		{EventWithoutOrder, "an event is there for an order that is not placed",
			"an order was deleted, or somebody else publishes to order-placed; a mail may have gone out for it"},
		{EventWithoutMail, "the consumer is past an event that has no ledger entry, no dead letter and no retry",
			"the customer has most likely no mail: publish the event again; see whether somebody moved the group's offsets"},
		{MailWithoutOrder, "the ledger records a mail for an order that is not placed",
			"an order was deleted, or a foreign event was mailed"},
		{JournalOld, "an undecided order is in the journal for too long",
			"order-service's sweeper decides after ORDER_ABANDON_AFTER: see whether it runs and reaches its database"},
		{JournalLingering, "a decided order is still in the journal",
			"its event or its release is owed: see whether order-service reaches Kafka and inventory-service"},
	}
}
