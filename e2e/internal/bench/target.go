package bench

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/steadfast-shop/steadfast/e2e/internal/inbox"
	"github.com/steadfast-shop/steadfast/e2e/internal/report"
	"github.com/steadfast-shop/steadfast/e2e/internal/shop"
	"github.com/steadfast-shop/steadfast/e2e/internal/system"
	"github.com/steadfast-shop/steadfast/e2e/internal/usage"
)

// fetchWithin is how long a stack with Apache Kafka may take to start: it may have to be fetched.
const fetchWithin = 10 * time.Minute

// target is a running system that is measured.
type target struct {
	gateway string
	shop    *shop.Client
	ids     string        // is in all ids, to make them those of this run
	stack   *system.Stack // nil for a foreign system; the next two, too
	inbox   *inbox.Client // nil where mails go elsewhere, too
	logs    string

	placed   int   // orders that were placed so far, by anyone
	readable *data // nil until there is any
	measured report.System
}

// openStack starts a stack for a benchmark, without the parts that an order does not need.
func openStack(ctx context.Context, o Options, broker string, build Build) (*target, error) {
	dir := filepath.Join(o.Dir, build.Name)
	parts := append(system.Services(), system.Postgres, system.FerretDB, system.Kafka, system.Inbox)
	options := system.Options{
		Programs: build.Programs, Data: filepath.Join(dir, "data"), Ports: o.Ports, Within: o.StartWithin, Apart: true,
		Arguments: []string{"--fresh", "--kafka", broker, "--only", strings.Join(parts, ",")},
	}
	if broker == Apache {
		options.Within = fetchWithin
	}
	if o.Profiles != "" {
		options.Environment = []string{"PPROF_ADDRESS=127.0.0.1:0"}
	}
	if err := os.MkdirAll(dir, 0o711); err != nil { // PostgreSQL does not run as root, and must enter it
		return nil, fmt.Errorf("make a folder: %w", err)
	}
	stack, err := system.Start(ctx, options)
	if err != nil {
		return nil, err
	}
	t := &target{
		gateway: stack.URLs.Gateway, shop: shop.New(stack.URLs.Gateway), ids: newRun(), stack: stack, logs: dir,
		measured: report.System{Name: build.Name},
	}
	if stack.URLs.Inbox != "" {
		t.inbox = inbox.New(stack.URLs.Inbox)
	}
	return t, nil
}

// close stops the stack.
func (t *target) close() error {
	err := t.stack.Stop()
	complaints, readErr := t.stack.Complaints()
	if len(complaints) > 0 {
		err = errors.Join(err, errors.New(strings.Join(complaints, "\n")))
	}
	if err = errors.Join(err, readErr); err != nil {
		return fmt.Errorf("%s: %w", t.measured.Name, err)
	}
	return nil
}

func (t *target) host() string { return strings.TrimPrefix(t.gateway, "http://") }

// newOrders puts new SKUs on stock and returns a task that orders them.
func (t *target) newOrders(ctx context.Context, name string, skus int, users int64) (*orders, error) {
	o := &orders{host: t.host(), prefix: "bench-" + t.ids + "-" + name, users: users}
	for i := range skus {
		sku := fmt.Sprintf("%s-sku-%d", o.prefix, i)
		answer, err := t.shop.Stock(ctx, sku, stocked)
		if err != nil {
			return nil, err
		}
		if answer.Status != http.StatusCreated || answer.Body != shop.TextStocked {
			return nil, fmt.Errorf("stock %s: %s", sku, answer)
		}
		o.skus = append(o.skus, sku)
	}
	return o, nil
}

// timeStarts measures how long each service takes to get ready, times times, while all that it needs is there. The stack's own is down meanwhile, so that it does not take part.
func (t *target) timeStarts(ctx context.Context, times int) (map[string][]float64, error) {
	starts := make(map[string][]float64)
	for _, name := range system.Services() {
		if err := t.stack.StopPart(ctx, name); err != nil {
			return nil, err
		}
		for range times {
			took, err := t.stack.TimeStart(ctx, name, t.logs)
			if err != nil {
				return nil, err
			}
			starts[name] = append(starts[name], milliseconds(took))
		}
		if err := t.stack.StartPart(ctx, name); err != nil {
			return nil, err
		}
	}
	return starts, nil
}

// memory returns the memory of all parts, as far as the machine tells.
func (t *target) memory() map[string]report.Memory {
	pids, err := t.pids()
	if err != nil {
		return nil
	}
	memory := make(map[string]report.Memory)
	for name, pid := range pids {
		if m, err := usage.MemoryOf(pid); err == nil && name != system.Postgres { // most of PostgreSQL's is shared by its processes
			memory[name] = report.Memory(m)
		}
	}
	return memory
}

// pids returns the processes that have to do with the target.
func (t *target) pids() (map[string]int, error) {
	pids := make(map[string]int)
	if t.stack != nil {
		var err error
		if pids, err = t.stack.PIDs(); err != nil {
			return nil, err
		}
	}
	return pids, nil
}

// meter measures processor time between two moments.
type meter struct {
	began time.Time
	used  map[string]time.Duration
}

// read returns the processor time used so far, by process. What the machine does not tell is left out.
func (t *target) read() meter {
	m := meter{began: time.Now(), used: make(map[string]time.Duration)}
	pids, err := t.pids()
	if err != nil {
		return m
	}
	for name, pid := range pids {
		if used, err := usage.CPU(pid); err == nil {
			m.used[name] = used
		}
	}
	if whole, found := m.used[devstack]; found { // the parts are its children, so its own time is what is left
		for name, used := range m.used {
			if name != devstack {
				whole -= used
			}
		}
		m.used[devstack] = max(whole, 0)
	}
	if used, err := usage.Own(); err == nil {
		m.used[report.Generator] = used
	}
	if used, err := usage.Machine(); err == nil {
		for _, ours := range m.used {
			used -= ours
		}
		m.used[report.Others] = used
	}
	return m
}

// cores returns how many processors each process kept busy since an earlier reading.
func (m meter) cores(earlier meter) map[string]float64 {
	cores := make(map[string]float64)
	for name, used := range m.used {
		if before, found := earlier.used[name]; found {
			cores[name] = max(0, (used-before).Seconds()/m.began.Sub(earlier.began).Seconds())
		}
	}
	return cores
}
