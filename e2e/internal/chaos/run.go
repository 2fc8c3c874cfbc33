package chaos

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/steadfast-shop/steadfast/shared-proto/topics"

	"github.com/steadfast-shop/steadfast/e2e/internal/check"
	"github.com/steadfast-shop/steadfast/e2e/internal/fleet"
	"github.com/steadfast-shop/steadfast/e2e/internal/kafka"
	"github.com/steadfast-shop/steadfast/e2e/internal/system"
)

const (
	poisonRecords = 8
	// healWithin bounds what takes a fault away: the longest is the start of a process on a busy machine.
	healWithin = 2 * time.Minute
)

// Storm brings faults about. It is safe for concurrent use.
type Storm struct {
	fleet *fleet.Fleet
	kafka *kafka.Client
	now   func() time.Duration
	seed  uint64

	mu     sync.Mutex
	faults []Fault
	poison map[string]bool
	turns  map[string]*sync.Mutex // for each process and link: the faults that need it wait for each other, whatever became of the plan
}

// NewStorm returns a storm that tells time by now.
func NewStorm(f *fleet.Fleet, client *kafka.Client, seed uint64, now func() time.Duration) *Storm {
	return &Storm{fleet: f, kafka: client, seed: seed, now: now, poison: make(map[string]bool), turns: make(map[string]*sync.Mutex)}
}

// Run brings all faults about, each at its time, and returns once all of them are over. When ctx ends it takes away what is there, and begins nothing.
func (s *Storm) Run(ctx context.Context, faults []Fault) {
	s.mu.Lock()
	s.faults = append([]Fault(nil), faults...)
	s.mu.Unlock()
	var all sync.WaitGroup
	for lane := range lanes {
		all.Go(func() {
			for i, fault := range faults {
				if fault.lane == lane && sleep(ctx, fault.At-s.now()) {
					s.one(ctx, i)
				}
			}
		})
	}
	all.Wait()
}

// Faults returns all faults as they stand: those that have not begun have no Began.
func (s *Storm) Faults() []Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Fault(nil), s.faults...)
}

// Poison returns the keys of the poison records; true where the broker acknowledged them.
func (s *Storm) Poison() map[string]bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.poison)
}

// sleep returns false where ctx has ended.
func sleep(ctx context.Context, length time.Duration) bool {
	timer := time.NewTimer(length)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// one brings one fault about, waits, and takes it away.
func (s *Storm) one(ctx context.Context, i int) {
	defer s.take(s.Faults()[i].subjects())()
	if ctx.Err() != nil {
		return
	}
	fault := s.update(i, func(f *Fault) { f.Began = s.now() })
	healing, cancel := context.WithTimeout(context.WithoutCancel(ctx), healWithin+fault.For)
	defer cancel()
	cuts, err := s.bring(ctx, healing, fault)
	s.update(i, func(f *Fault) {
		f.Ended, f.Cuts = s.now(), cuts
		if err != nil {
			f.Failed = err.Error()
		}
	})
}

// take waits until nobody else has any of the subjects, and returns how to give them back.
func (s *Storm) take(subjects []string) (giveBack func()) {
	subjects = slices.Sorted(slices.Values(subjects)) // in one order, so that no two wait for each other
	turns := make([]*sync.Mutex, len(subjects))
	s.mu.Lock()
	for i, subject := range subjects {
		if s.turns[subject] == nil {
			s.turns[subject] = &sync.Mutex{}
		}
		turns[i] = s.turns[subject]
	}
	s.mu.Unlock()
	for _, turn := range turns {
		turn.Lock()
	}
	return func() {
		for _, turn := range turns {
			turn.Unlock()
		}
	}
}

func (s *Storm) update(i int, change func(*Fault)) Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.faults[i])
	return s.faults[i]
}

// bring does what the fault is. What it takes away again it does with healing, also when ctx ends.
func (s *Storm) bring(ctx, healing context.Context, fault Fault) (cuts int, err error) {
	if toxics := fault.Kind.toxics(); toxics != nil {
		return 0, s.disturb(ctx, healing, fault, toxics)
	}
	if mood, changes := fault.Kind.mood(); changes {
		s.fleet.Mail.SetMood(mood)
		sleep(ctx, fault.For)
		s.fleet.Mail.SetMood(fleet.Kind)
		return 0, nil
	}
	switch fault.Kind {
	case Kill:
		if err := s.fleet.Kill(healing, fault.Target); err != nil {
			return 0, err
		}
		sleep(ctx, fault.For)
		return 0, s.fleet.Revive(healing, fault.Target)
	case Freeze:
		thaw, err := s.fleet.Freeze(fault.Target)
		if err != nil {
			return 0, err
		}
		sleep(ctx, fault.For)
		thaw()
		return 0, nil
	case Roll:
		return 0, s.roll(healing, fault)
	case Poison:
		return 0, s.spoil(fault)
	case Rebalance:
		return s.rebalance(ctx, healing, fault)
	case DiskFull:
		if err := s.fleet.FillDisk(healing); err != nil {
			return 0, err
		}
		sleep(ctx, fault.For)
		return 0, s.fleet.FreeDisk(healing)
	default:
		return 0, fmt.Errorf("nobody knows how to bring about %s", fault.Kind)
	}
}

func (s *Storm) disturb(ctx, healing context.Context, fault Fault, toxics []fleet.Toxic) error {
	for _, link := range s.fleet.Links() {
		if link.Name != fault.Target && link.Service()+"→"+link.To != fault.Target {
			continue
		}
		defer link.Heal(healing)
		if err := link.Disturb(toxics...); err != nil {
			return err
		}
	}
	sleep(ctx, fault.For)
	return nil
}

// roll ends each replica in order and starts it again, before it goes on to the next.
func (s *Storm) roll(ctx context.Context, fault Fault) error {
	var failed []error
	for _, name := range fault.subjects() {
		err := s.fleet.Terminate(name)
		failed = append(failed, err, s.fleet.Revive(ctx, name))
	}
	return errors.Join(failed...)
}

// spoil writes records that are no events.
func (s *Storm) spoil(fault Fault) error {
	random := rand.New(rand.NewPCG(s.seed, uint64(fault.At)))
	values := [][]byte{nil, []byte("not an event"), []byte("{}"), []byte(`{"orderNumber":`), {0xff, 0x00, 0x80}, []byte(`[1,2]`), []byte(`{"orderNumber":""}`), []byte("null")}
	var failed []error
	for i := range poisonRecords {
		key := fmt.Sprintf("poison-%x-%d-%d", s.seed, fault.At.Milliseconds(), i)
		s.notePoison(key, false)
		_, err := s.kafka.Write(kafka.Record{Topic: topics.OrderPlaced, Partition: random.Int32N(topics.Partitions), Key: []byte(key), Value: values[i%len(values)]})
		if err == nil {
			s.notePoison(key, true)
		}
		failed = append(failed, err)
	}
	return errors.Join(failed...)
}

func (s *Storm) notePoison(key string, acknowledged bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.poison[key] = acknowledged
}

// rebalance lets members join and leave. Every third one leaves by SIGKILL, which the group notices only by its session time-out.
func (s *Storm) rebalance(ctx, healing context.Context, fault Fault) (kills int, err error) {
	random := rand.New(rand.NewPCG(s.seed, uint64(fault.At)))
	for n, end := 1, s.now()+fault.For; s.now() < end && ctx.Err() == nil; n++ {
		member, err := s.fleet.StartMember(healing)
		if err != nil {
			return kills, err
		}
		err = member.WaitReady(healing)
		sleep(ctx, time.Duration(500+random.IntN(2500))*time.Millisecond)
		if err != nil || n%3 == 0 {
			kills++
			member.Kill()
		} else if _, _, err = member.Terminate(); err != nil {
			kills++
		}
		if err != nil {
			return kills, err
		}
	}
	return kills, nil
}

// Disturbances returns which mails may have been repeated for each fault: one for each partition that its sender, or who it mails through, had under way when it was cut off.
func (s *Storm) Disturbances() []check.Disturbance {
	var found []check.Disturbance
	for _, fault := range s.Faults() {
		if most := fault.cutMails(); most > 0 && fault.Began > 0 {
			found = append(found, check.Disturbance{Name: fault.String(), From: fault.Began, To: fault.Ended, Most: most})
		}
	}
	return found
}

func (f Fault) cutMails() int {
	from, _, isLink := strings.Cut(f.Target, "→")
	isSender := strings.HasPrefix(from, system.Notification)
	switch {
	case f.Kind == Rebalance:
		return f.Cuts * topics.Partitions
	case isLink && isSender:
		return topics.Partitions
	case isLink || f.Kind != Kill && f.Kind != Freeze:
		return 0
	case isSender, strings.HasPrefix(f.Target, system.Kafka), f.Target == system.Inbox:
		return topics.Partitions
	}
	return 0
}
