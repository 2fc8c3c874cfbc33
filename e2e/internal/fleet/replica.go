package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/steadfast-shop/steadfast/e2e/internal/system"
)

// Replica is one process of a service, whichever it is at the moment.
type Replica struct {
	Name string

	mu      sync.Mutex
	service *system.Service
}

func (r *Replica) running() *system.Service {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.service
}

func (r *Replica) again(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	started, err := r.service.StartAgain(ctx)
	if err != nil {
		return fmt.Errorf("start %s again: %w", r.Name, err)
	}
	r.service = started
	return nil
}

// end ends the process, frozen or not.
func (r *Replica) end() { r.running().Kill() }

func (f *Fleet) replica(name string) *Replica {
	i := slices.IndexFunc(f.replicas, func(r *Replica) bool { return r.Name == name })
	if i < 0 {
		return nil
	}
	return f.replicas[i]
}

// Kill ends a process by SIGKILL. One of devstack's comes back by itself, which Kill waits for; a replica of a service stays away until Revive.
func (f *Fleet) Kill(ctx context.Context, name string) error {
	replica := f.replica(name)
	if replica == nil {
		return f.Stack.KillPart(ctx, name)
	}
	replica.end()
	return nil
}

// Terminate ends a replica by SIGTERM. An exit status other than 0 is an error.
func (f *Fleet) Terminate(name string) error {
	status, _, err := f.replica(name).running().Terminate()
	if err == nil && status != 0 {
		err = fmt.Errorf("exit status %d", status)
	}
	if err != nil {
		return fmt.Errorf("terminate %s: %w", name, err)
	}
	return nil
}

// Revive starts a replica that has ended, and waits until it is ready.
func (f *Fleet) Revive(ctx context.Context, name string) error {
	replica := f.replica(name)
	if replica == nil {
		return nil // devstack has done it
	}
	if err := replica.again(ctx); err != nil {
		return err
	}
	if err := replica.running().WaitReady(ctx); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// Freeze stops a process by SIGSTOP, until thaw is called.
func (f *Fleet) Freeze(name string) (thaw func(), err error) {
	if replica := f.replica(name); replica != nil {
		return replica.running().Freeze()
	}
	return f.Stack.FreezePart(name)
}

// StartMember starts one more notification service, which shares the mails with the others until it is ended.
func (f *Fleet) StartMember(ctx context.Context) (*system.Service, error) {
	place := system.Place{Programs: f.options.Programs, Logs: f.options.Dir, Ports: f.options.Ports}
	settings := append(mailSettings(f.Mail.addr), "KAFKA_BOOTSTRAP_SERVERS="+f.Stack.URLs.Kafka)
	return system.StartService(ctx, place, system.Notification, append(settings, f.environment(system.Notification)...)...)
}

// FillDisk makes PostgreSQL's disk full, but for a little.
func (f *Fleet) FillDisk(ctx context.Context) error {
	if f.disk == nil {
		return errors.New("PostgreSQL has no disk of its own")
	}
	return f.disk.fill(ctx)
}

// FreeDisk makes room on it again.
func (f *Fleet) FreeDisk(ctx context.Context) error { return f.disk.free(ctx) }
