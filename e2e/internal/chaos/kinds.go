// Package chaos breaks a fleet: which faults there are, when each of them comes, and how it is brought about and taken away again.
package chaos

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/steadfast-shop/steadfast/e2e/internal/fleet"
	"github.com/steadfast-shop/steadfast/e2e/internal/system"
)

// Kind is a way to break something.
type Kind string

// Kinds of faults.
const (
	Kill      Kind = "kill"
	Freeze    Kind = "freeze"
	Roll      Kind = "roll"
	Delay     Kind = "delay"
	Jitter    Kind = "jitter"
	Late      Kind = "late"
	Reset     Kind = "reset"
	BlackHole Kind = "blackhole"
	HalfOpen  Kind = "halfopen"
	Drip      Kind = "drip"
	MailBusy  Kind = "mail-busy"
	MailDefer Kind = "mail-defer"
	MailNo    Kind = "mail-refuse"
	MailDrop  Kind = "mail-drop"
	Poison    Kind = "poison"
	Rebalance Kind = "rebalance"
	DiskFull  Kind = "disk-full"
)

// Description is a kind in words.
type Description struct {
	Kind Kind
	Text string
	// on is what the targets are.
	on string
	// lasts is how long it is on, at least and at most.
	lasts [2]time.Duration
}

const (
	onProcess = "a process"
	onService = "a service"
	onLink    = "a link"
	onMail    = "smtp"
	onTopic   = "order-placed"
	onGroup   = "the consumer group"
	onDisk    = "postgres"
)

// Kinds lists all kinds.
func Kinds() []Description {
	between := func(from, to int) [2]time.Duration {
		return [2]time.Duration{time.Duration(from) * time.Second, time.Duration(to) * time.Second}
	}
	return []Description{
		{Kill, "SIGKILL, and a start again after the time", onProcess, between(1, 4)},
		{Freeze, "SIGSTOP for longer than every deadline, then SIGCONT", onProcess, between(12, 14)},
		{Roll, "SIGTERM and a new start of each replica in turn", onService, between(1, 1)},
		{Delay, "everything comes 300 ms later", onLink, between(5, 8)},
		{Jitter, "everything comes 50 to 650 ms later", onLink, between(5, 8)},
		{Late, "on half of the connections requests arrive 12 s later, when they were given up and the sweeper has been there", onLink, between(14, 16)},
		{Reset, "connections are reset at the first byte", onLink, between(3, 6)},
		{BlackHole, "nothing arrives, in either direction", onLink, between(6, 11)},
		{HalfOpen, "requests arrive, answers vanish", onLink, between(6, 11)},
		{Drip, "answers come in pieces of a few bytes, 2 kB a second", onLink, between(5, 8)},
		{MailBusy, "the mail server answers 421", onMail, between(5, 9)},
		{MailDefer, "the mail server puts every other try off with 450", onMail, between(5, 9)},
		{MailNo, "the mail server refuses a quarter of the addresses with 550", onMail, between(5, 9)},
		{MailDrop, "the mail server takes every other mail and closes the connection without an answer", onMail, between(5, 9)},
		{Poison, "records that are no events", onTopic, between(1, 1)},
		{Rebalance, "members join the consumer group and leave it, some by SIGKILL", onGroup, between(10, 14)},
		{DiskFull, "the disk of PostgreSQL is full", onDisk, between(6, 9)},
	}
}

// describe returns the description of a kind.
func describe(kind Kind) Description {
	all := Kinds()
	return all[slices.IndexFunc(all, func(d Description) bool { return d.Kind == kind })]
}

// How long those must be frozen that others wait longest for: the consumer group's session time-out, and the longest delivery of a mail.
const (
	frozenMember = 28 * time.Second
	frozenInbox  = 18 * time.Second
	// late is longer than fleet.AbandonAfter.
	late = 12 * time.Second
)

// length returns the bounds of a fault's time.
func (d Description) length(target string) (least, most time.Duration) {
	switch {
	case d.Kind == Freeze && strings.HasPrefix(target, system.Notification):
		return frozenMember, frozenMember + 2*time.Second
	case d.Kind == Freeze && target == system.Inbox:
		return frozenInbox, frozenInbox + 2*time.Second
	}
	return d.lasts[0], d.lasts[1]
}

// targets returns what a kind can break.
func (d Description) targets(links []*fleet.Link) []string {
	switch d.on {
	case onProcess:
		return slices.Concat(fleet.Names(), fleet.Parts())
	case onService:
		return system.Services()
	case onLink:
		var names []string
		for _, link := range links {
			names = append(names, link.Name)
			if both := link.Service() + "→" + link.To; !slices.Contains(names, both) {
				names = append(names, both)
			}
		}
		return names
	default:
		return []string{d.on}
	}
}

// toxics are what disturbs a link, for the kinds that do.
func (k Kind) toxics() []fleet.Toxic {
	both := func(kind string, attributes map[string]any) []fleet.Toxic {
		return []fleet.Toxic{{Kind: kind, Direction: fleet.Requests, Attributes: attributes}, {Kind: kind, Direction: fleet.Answers, Attributes: attributes}}
	}
	switch k {
	case Delay:
		return both("latency", map[string]any{"latency": 150})
	case Jitter:
		return both("latency", map[string]any{"latency": 175, "jitter": 150})
	case Late:
		return []fleet.Toxic{{Kind: "latency", Direction: fleet.Requests, Share: 0.5, Attributes: map[string]any{"latency": late.Milliseconds()}}}
	case Reset:
		return both("reset_peer", map[string]any{"timeout": 0})
	case BlackHole:
		return both("timeout", map[string]any{"timeout": 0})
	case HalfOpen:
		return []fleet.Toxic{{Kind: "timeout", Direction: fleet.Answers, Attributes: map[string]any{"timeout": 0}}}
	case Drip:
		return []fleet.Toxic{{Kind: "slicer", Direction: fleet.Answers, Attributes: map[string]any{"average_size": 40, "size_variation": 20, "delay": 20_000}}}
	default:
		return nil
	}
}

// mood is that of the mail server, for the kinds that change it.
func (k Kind) mood() (mood fleet.Mood, changes bool) {
	mood, changes = map[Kind]fleet.Mood{MailBusy: fleet.Busy, MailDefer: fleet.Deferring, MailNo: fleet.Refusing, MailDrop: fleet.Dropping}[k]
	return mood, changes
}

// Choice is what may be broken: a kind, and where Target is not "", only what begins with it.
type Choice struct {
	Kind   Kind
	Target string
}

// ParseChoices reads choices as KIND or KIND:TARGET, with commas.
func ParseChoices(text string) ([]Choice, error) {
	var choices []Choice
	for part := range strings.SplitSeq(text, ",") {
		kind, target, _ := strings.Cut(strings.TrimSpace(part), ":")
		if !slices.ContainsFunc(Kinds(), func(d Description) bool { return string(d.Kind) == kind }) {
			return nil, fmt.Errorf("there is no kind of fault %q; --list shows them", kind)
		}
		choices = append(choices, Choice{Kind(kind), strings.ReplaceAll(target, "->", "→")})
	}
	return choices, nil
}
