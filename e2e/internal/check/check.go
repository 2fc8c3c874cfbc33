// Package check holds the rules by which a run of the fault runner is judged: what clients were told, against what the databases, the topics and the inbox hold once the system has settled.
// It looks at nothing itself: Judge is a pure function.
package check

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/steadfast-shop/steadfast/auditor/audit"

	"github.com/steadfast-shop/steadfast/e2e/internal/history"
)

// Invariant names a promise. The names are stable: programs may branch on them.
type Invariant string

// The promises.
const (
	Settles              Invariant = "settles"
	CreatedIsPlaced      Invariant = "created-is-placed"
	RefusedLeftNothing   Invariant = "refused-left-nothing"
	OneFate              Invariant = "one-fate"
	AnswersAsPromised    Invariant = "answers-as-promised"
	StockBalances        Invariant = "stock-balances"
	StockNotNegative     Invariant = "stock-not-negative"
	ReadsLinearizable    Invariant = "reads-linearizable"
	NoStrayReservation   Invariant = "no-stray-reservation"
	JournalEmpty         Invariant = "journal-empty"
	EventForEachPlaced   Invariant = "event-for-each-placed"
	OneMail              Invariant = "one-mail"
	RepeatsBounded       Invariant = "mail-repeats-bounded"
	DeadLettersExplained Invariant = "dead-letters-explained"
	NoPanic              Invariant = "no-panic"
)

// Promise is an invariant in words.
type Promise struct {
	Invariant Invariant
	Text      string
}

// Promises lists all invariants, in the order in which a report shows them.
func Promises() []Promise {
	return []Promise{
		{CreatedIsPlaced, "every order that was answered 201 is PLACED as it was sent, and stays in its user's list"},
		{RefusedLeftNothing, "what was answered 409 is not placed, has no mail and holds no stock"},
		{OneFate, "no order has two fates, what was begun is decided, and a decision that was read never changes"},
		{AnswersAsPromised, "every answer is one that the API has; an outage is never a 409"},
		{StockBalances, "stock = initial + adjustments − placed lines, for every SKU"},
		{StockNotNegative, "stock is never below zero, at any read"},
		{ReadsLinearizable, "the reads of each SKU fit one order of all that changed it, and nobody was refused what was there"},
		{NoStrayReservation, "stock is reserved for every PLACED order, and for nothing else"},
		{JournalEmpty, "nothing is left in flight"},
		{EventForEachPlaced, "every PLACED order has its event, and no other has one"},
		{OneMail, "every PLACED order has a mail, and no other has one"},
		{RepeatsBounded, "a mail is repeated only where it was under way at a fault, under the same Message-ID"},
		{DeadLettersExplained, "dead letters hold what was poisoned or refused for good, all of it and nothing else"},
		{Settles, "the system settles by itself"},
		{NoPanic, "no process panics or reports a data race"},
	}
}

// Broken is a promise that was not kept.
type Broken struct {
	Invariant Invariant `json:"invariant"`
	// ID is the order number, SKU or other thing that it concerns.
	ID     string `json:"id"`
	Detail string `json:"detail"`
	// Calls are the calls about it.
	Calls []history.Call `json:"calls,omitempty"`
}

// Order is a decision.
type Order = audit.Order

// Reservation is what inventory-service recorded for an order number.
type Reservation struct {
	State      string
	Lines      []audit.Line
	CreatedAt  time.Time // when its transaction began
	ReleasedAt time.Time // when that of its release began; zero where there was none
}

// Adjustment is a change of stock by hand.
type Adjustment struct {
	SKU       string
	Delta     int64
	CreatedAt time.Time // when its transaction began
}

// Mail is one that the inbox has.
type Mail struct {
	MessageID, Subject string
	At                 time.Time
}

// Letter is a dead letter.
type Letter struct {
	Key    string
	Reason string
	Place  string // topic/partition/offset
}

// State is what the system holds once it has settled.
type State struct {
	Orders       map[string]Order // by number
	Journal      []audit.JournalEntry
	Reservations map[string]Reservation // by order number
	Stock        map[string]int64       // by SKU
	Adjustments  map[string]Adjustment  // by id
	Events       map[string]int         // how many, by order number
	Letters      []Letter
	Mails        map[string][]Mail // by address, in lower case, oldest first
	Findings     []audit.Finding   // of the auditor
	Complaints   []string          // lines of logs
	Unsettled    string            // why it does not settle; "" if it does
}

// Disturbance is a fault that can repeat mails: those that were under way when it cut their sender off.
type Disturbance struct {
	Name     string
	From, To time.Duration
	// Most is how many mails it can have cut.
	Most int
}

// Facts are what the fault runner did, and saw on the way.
type Facts struct {
	// Poison are the keys of poison records; true where the broker acknowledged them.
	Poison map[string]bool
	// Refused are the addresses that the mail server refused for good, and Dropped counts by address the mails that it took without an answer.
	Refused map[string]bool
	Dropped map[string]int
	// Disturbances are the faults that can repeat mails.
	Disturbances []Disturbance
	// Seen is by when a released reservation, or an adjustment, was in the database: when it was seen there first.
	Seen map[string]time.Duration
}

// Run is all that is judged.
type Run struct {
	Began time.Time
	Calls []history.Call
	State State
	Facts Facts
	// Patience bounds the search for an order in which the reads fit.
	Patience time.Duration
}

// Verdict is what came out.
type Verdict struct {
	Broken []Broken
	// Undecided are the SKUs whose reads could not be judged in time.
	Undecided []string
	// Placed, Refused, and so on.
	Placed, NotPlaced, Repeated, Letters int
	// Excused counts placed orders whose mail was refused for good.
	Excused int
}

// judge is a check under way.
type judge struct {
	Run
	sent     map[string][]history.Call // orders, by number
	statuses map[string][]history.Call
	lists    map[string][]history.Call // by user
	verdict  Verdict
}

// Judge holds a run to all promises.
func Judge(run Run) Verdict {
	j := &judge{Run: run, sent: make(map[string][]history.Call), statuses: make(map[string][]history.Call), lists: make(map[string][]history.Call)}
	for _, call := range run.Calls {
		switch call.Kind {
		case history.Place:
			j.sent[call.Number] = append(j.sent[call.Number], call)
		case history.Status:
			j.statuses[call.Number] = append(j.statuses[call.Number], call)
		case history.List:
			j.lists[call.User] = append(j.lists[call.User], call)
		default:
		}
	}
	if run.State.Unsettled != "" {
		j.broken(Settles, "system", run.State.Unsettled)
	}
	for _, line := range run.State.Complaints {
		j.broken(NoPanic, "log", line)
	}
	j.checkOrders()
	j.checkReads()
	j.checkAnswers()
	j.checkStock()
	j.checkAdjustments()
	j.checkReservations()
	j.checkEvents()
	j.checkMails()
	j.checkLetters()
	j.checkLinear()
	j.addFindings()
	slices.SortStableFunc(j.verdict.Broken, func(a, b Broken) int {
		return cmp.Or(cmp.Compare(a.Invariant, b.Invariant), cmp.Compare(a.ID, b.ID))
	})
	return j.verdict
}

func (j *judge) broken(invariant Invariant, id, detail string, calls ...history.Call) {
	j.verdict.Broken = append(j.verdict.Broken, Broken{Invariant: invariant, ID: id, Detail: detail, Calls: calls})
}

// about returns all calls about an order.
func (j *judge) about(number string) []history.Call {
	calls := slices.Concat(j.sent[number], j.statuses[number])
	slices.SortFunc(calls, func(a, b history.Call) int { return cmp.Compare(a.Called, b.Called) })
	return calls
}

// addFindings takes over what the auditor has found and the checks have not.
func (j *judge) addFindings() {
	invariants := map[audit.Kind]Invariant{
		audit.StockDiffers: StockBalances, audit.StockNegative: StockNotNegative,
		audit.OrderWithoutReservation: NoStrayReservation, audit.ReservationDiffers: NoStrayReservation,
		audit.ReservationWithoutOrder: NoStrayReservation, audit.ClosedOrderHolds: NoStrayReservation,
		audit.OrderWithoutEvent: EventForEachPlaced, audit.EventDiffers: EventForEachPlaced, audit.EventMisplaced: EventForEachPlaced, audit.EventWithoutOrder: EventForEachPlaced,
		audit.EventWithoutMail: OneMail, audit.MailWithoutOrder: OneMail,
		audit.JournalOld: JournalEmpty, audit.JournalLingering: JournalEmpty,
	}
	known := make(map[[2]string]bool)
	for _, broken := range j.verdict.Broken {
		known[[2]string{string(broken.Invariant), broken.ID}] = true
	}
	for _, finding := range j.State.Findings {
		invariant := cmp.Or(invariants[finding.Kind], StockBalances)
		for _, found := range finding.Cases {
			if !known[[2]string{string(invariant), found.ID}] {
				j.broken(invariant, found.ID, "the auditor says "+string(finding.Kind)+": "+found.Detail, j.about(found.ID)...)
			}
		}
	}
}

// Names returns the invariants that are broken, each once, sorted.
func (v Verdict) Names() []string {
	names := make(map[string]bool)
	for _, broken := range v.Broken {
		names[string(broken.Invariant)] = true
	}
	return slices.Sorted(maps.Keys(names))
}

func address(text string) string { return strings.ToLower(text) }
