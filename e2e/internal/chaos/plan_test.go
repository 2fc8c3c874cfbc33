package chaos

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/steadfast-shop/steadfast/e2e/internal/fleet"
)

var links = []*fleet.Link{
	link("clients", "gateway-1"), link("gateway-1", "order-service"), link("gateway-2", "order-service"), link("order-service-1", "kafka"), link("notification-service-2", "smtp"), link("inventory-service-1", "postgres"),
}

func link(from, to string) *fleet.Link {
	return &fleet.Link{Name: from + "→" + to, From: from, To: to}
}

// TestBothReplicas: the links of both replicas of a service can be disturbed at once, and need both processes.
func TestBothReplicas(t *testing.T) {
	targets := describe(Reset).targets(links)
	for _, want := range []string{"gateway→order-service", "gateway-1→order-service", "clients→gateway-1"} {
		if !slices.Contains(targets, want) {
			t.Errorf("%s is no target among %v", want, targets)
		}
	}
	if got := (Fault{Kind: Reset, Target: "gateway→order-service"}).subjects(); !slices.Equal(got, []string{"gateway-1", "gateway-2", "order-service"}) {
		t.Errorf("both need %v", got)
	}
}

func plan(t *testing.T, options Options) []Fault {
	t.Helper()
	faults, err := Plan(options, links)
	if err != nil {
		t.Fatal(err)
	}
	return faults
}

// TestPlan: a seed gives the same plan each time; in three minutes every kind comes; and nothing is broken that is broken already, or after the end.
func TestPlan(t *testing.T) {
	for seed := range uint64(50) {
		options := Options{Seed: seed, Duration: 3 * time.Minute}
		faults := plan(t, options)
		if !reflect.DeepEqual(faults, plan(t, options)) {
			t.Fatalf("seed %d gives two plans", seed)
		}
		kinds := make(map[Kind]bool)
		mixed := false
		for i, fault := range faults {
			kinds[fault.Kind] = true
			if fault.At < warmUp || fault.At+fault.For > options.Duration-coolDown {
				t.Errorf("seed %d: %v comes at %v for %v", seed, fault, fault.At, fault.For)
			}
			for _, other := range faults[:i] {
				if other.At+other.For <= fault.At {
					continue
				}
				mixed = true
				for _, subject := range fault.subjects() {
					if slices.Contains(other.subjects(), subject) {
						t.Errorf("seed %d: %v and %v are on at once", seed, other, fault)
					}
				}
			}
		}
		if len(kinds) != len(Kinds()) || !mixed {
			t.Errorf("seed %d: %d kinds of %d in %d faults; several at once: %t", seed, len(kinds), len(Kinds()), len(faults), mixed)
		}
	}
}

func TestPlanOfSome(t *testing.T) {
	only, err := ParseChoices("kill:postgres,drip:gateway-1->order, poison")
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]bool)
	for _, fault := range plan(t, Options{Seed: 1, Duration: 3 * time.Minute, Only: only}) {
		seen[fault.String()] = true
	}
	want := map[string]bool{"kill postgres": true, "drip gateway-1→order-service": true, "poison order-placed": true}
	if !reflect.DeepEqual(seen, want) {
		t.Errorf("got %v; want %v", seen, want)
	}
	for _, fault := range plan(t, Options{Seed: 1, Duration: time.Hour, Without: []Kind{DiskFull}}) {
		if fault.Kind == DiskFull {
			t.Error("a disk is made full where none can be")
		}
	}
	if _, err := Plan(Options{Seed: 1, Duration: time.Minute, Only: []Choice{{Kill, "nobody"}}}, links); err == nil {
		t.Error("a plan without a target is no error")
	}
	if _, err := ParseChoices("kill,frieze"); err == nil || !strings.Contains(err.Error(), `"frieze"`) {
		t.Errorf("got %v; want the kind that there is not", err)
	}
}

// TestHour: in an hour everything that can be broken is.
func TestHour(t *testing.T) {
	seen := make(map[string]bool)
	for _, fault := range plan(t, Options{Seed: 1, Duration: time.Hour}) {
		seen[fault.String()] = true
	}
	for _, kind := range Kinds() {
		for _, target := range kind.targets(links) {
			if fault := (Fault{Kind: kind.Kind, Target: target}); !seen[fault.String()] {
				t.Errorf("%v never comes", fault)
			}
		}
	}
}

// TestCutMails: only what can cut off a mail's sender excuses repeated mails.
func TestCutMails(t *testing.T) {
	for target, want := range map[Fault]int{
		{Kind: Kill, Target: "notification-service-1"}:        6,
		{Kind: Freeze, Target: "inbox"}:                       6,
		{Kind: Kill, Target: "kafka"}:                         6,
		{Kind: Roll, Target: "notification-service"}:          0,
		{Kind: Kill, Target: "order-service-1"}:               0,
		{Kind: Reset, Target: "notification-service-1→smtp"}:  6,
		{Kind: Reset, Target: "order-service-1→kafka"}:        0,
		{Kind: Rebalance, Target: "the consumer group"}:       0,
		{Kind: Rebalance, Target: "the group", Cuts: 2}:       12,
		{Kind: MailDrop, Target: "smtp"}:                      0,
		{Kind: Drip, Target: "notification-service-2→kafka"}:  6,
		{Kind: DiskFull, Target: "postgres"}:                  0,
		{Kind: HalfOpen, Target: "gateway-1→order-service"}:   0,
		{Kind: BlackHole, Target: "inventory-service-1→post"}: 0,
	} {
		if got := target.cutMails(); got != want {
			t.Errorf("%v: got %d; want %d", target, got, want)
		}
	}
}
