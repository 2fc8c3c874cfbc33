package stack

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/steadfast-shop/steadfast/devstack/internal/ferretdb"
	"github.com/steadfast-shop/steadfast/devstack/internal/ports"
	"github.com/steadfast-shop/steadfast/devstack/internal/postgres"
	"github.com/steadfast-shop/steadfast/devstack/internal/supervise"
)

// The names of the parts; those of the services are their programs', too.
const (
	Gateway      = "gateway"
	Order        = "order-service"
	Inventory    = "inventory-service"
	Notification = "notification-service"
	Postgres     = "postgres"
	FerretDB     = "ferretdb"
	Kafka        = "kafka"
	Kafka2       = "kafka-2"
	Kafka3       = "kafka-3"
	Inbox        = "inbox"
	Traces       = "traces"
)

// inventoryDatabase is the PostgreSQL database of the inventory service.
const inventoryDatabase = "inventory"

// FerretDBURLSetting passes FerretDB its PostgreSQL; not an argument, for it
// holds the password.
const FerretDBURLSetting = "DEVSTACK_FERRETDB_POSTGRES_URL"

// Options are what the command line says.
type Options struct {
	DataDir     string // absolute
	CacheDir    string // for programs that are fetched
	BinDir      string // where the services' programs are
	Self        string // our own program, which the embedded parts run in
	ApacheKafka bool
	// KafkaNodes is how many nodes of Apache Kafka there are: 1 or 3.
	KafkaNodes int
	// Only names the parts to run, beside what they need; empty means all.
	Only          []string
	FetchPostgres bool
	// Run starts a child and waits for its end.
	Run func(*exec.Cmd) error
}

// Plan is the stack, planned for one machine.
type Plan struct {
	options  Options
	settings Settings
	database *postgres.Server // nil if external
	chosen   map[string]bool  // the parts to run
}

// NewPlan checks that the services' programs are there and prepares the plan.
func NewPlan(options Options, settings Settings) (*Plan, error) {
	p := &Plan{options: options, settings: settings}
	if err := p.choose(); err != nil {
		return nil, err
	}
	if err := p.checkPrograms(); err != nil {
		return nil, err
	}
	if settings.External(Postgres) {
		return p, nil
	}
	database, err := postgres.New(postgres.Config{
		Dir: options.DataDir, CacheDir: options.CacheDir, Port: settings.ports[postgresPort],
		Databases: []string{inventoryDatabase, ferretdb.Database},
		Fetch:     options.FetchPostgres, Self: options.Self, Run: options.Run,
	})
	if err != nil {
		return nil, fmt.Errorf("prepare PostgreSQL: %w", err)
	}
	p.database = database
	return p, nil
}

// choose finds the parts that are to run: all, or the wanted ones with what they need.
func (p *Plan) choose() error {
	all := slices.Concat([]string{Gateway, Order, Inventory, Notification, Postgres, FerretDB}, p.kafkaNames(), []string{Inbox, Traces})
	needs := map[string][]string{FerretDB: {Postgres}, Order: {FerretDB, Postgres}, Inventory: {Postgres}}
	for _, node := range p.kafkaNames() {
		needs[node] = p.kafkaNames()
	}
	wanted := p.options.Only
	if len(wanted) == 0 {
		wanted = all
	}
	p.chosen = map[string]bool{}
	for _, name := range wanted {
		if !slices.Contains(all, name) {
			return fmt.Errorf("--only: there is no part %q; the parts are %s", name, strings.Join(all, ", "))
		}
		p.chosen[name] = true
		for _, needed := range needs[name] {
			p.chosen[needed] = true
		}
	}
	return nil
}

func (p *Plan) checkPrograms() error {
	var missing []string
	for _, name := range []string{Gateway, Order, Inventory, Notification} {
		if !p.chosen[name] {
			continue
		}
		info, err := os.Stat(p.program(name))
		if err != nil || info.IsDir() {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("not found in %s: %s. `make run` builds them; --bin names another folder",
			p.options.BinDir, strings.Join(missing, ", "))
	}
	return nil
}

// CheckPorts returns an error that names every port that is taken.
func (p *Plan) CheckPorts(ctx context.Context) error {
	needs := p.settings.needs(p.options.ApacheKafka)
	return ports.Check(ctx, slices.DeleteFunc(needs, func(need ports.Need) bool { return !p.chosen[need.Part] }))
}

// Parts are the processes to run, in the order in which they are to be stopped:
// first what takes requests, last what others keep their data in. The times for
// stopping them add up to about the ten seconds that all may take; the order
// service has the most, for it publishes what it has answered for.
func (p *Plan) Parts() []supervise.Part {
	all := p.serviceParts()
	if !p.settings.External(FerretDB) {
		all = append(all, p.embedded(FerretDB, []string{Postgres}, 500*time.Millisecond,
			ferretdb.Ready(p.settings.ports[mongodbPort]),
			map[string]string{FerretDBURLSetting: p.database.LocalURL(ferretdb.Database)},
			"--port", p.port(mongodbPort), "--socket", p.mongodbSocket()))
	}
	if !p.settings.External(Kafka) {
		all = append(all, p.kafka()...)
	}
	if p.database != nil {
		all = append(all, p.postgres())
	}
	if !p.settings.External(Inbox) {
		inbox := p.embedded(Inbox, nil, 800*time.Millisecond,
			answers("http://"+p.settings.address(inboxPort)+"/livez"),
			nil, "--port", p.port(smtpPort), "--page-port", p.port(inboxPort), "--dir", p.dir(Inbox))
		inbox.Background = true
		all = append(all, inbox)
	}
	if !p.settings.External(Traces) { // last: the others' last spans come when they stop
		traces := p.embedded(Traces, nil, 200*time.Millisecond,
			answers("http://"+p.settings.address(tracesPort)+"/livez"),
			nil, "--port", p.port(otlpPort), "--page-port", p.port(tracesPort))
		traces.Background = true
		all = append(all, traces)
	}
	return slices.DeleteFunc(all, func(part supervise.Part) bool { return !p.chosen[part.Name] })
}

// embedded is a part that runs in a process of our own program.
func (p *Plan) embedded(name string, needs []string, stopWithin time.Duration, ready func(context.Context) error,
	values map[string]string, arguments ...string,
) supervise.Part {
	environment := p.settings.environment(nil, p.withCollection(name, values))
	part := p.part(name, needs, stopWithin, ready)
	part.Command = func(ctx context.Context, _ func(string)) (*exec.Cmd, error) {
		all := append([]string{"part", name}, arguments...)
		cmd := exec.CommandContext(context.WithoutCancel(ctx), p.options.Self, all...) //nolint:gosec // our own program
		cmd.Env = environment
		return cmd, nil
	}
	return part
}

// withCollection says how often a part of our own collects its garbage, unless
// GOGC says it for all. The databases make much and keep little: FerretDB takes a
// third less of a core if it may grow to five times what it keeps, some megabytes,
// and a twentieth less again at nine times. Of the traces most is kept, which the
// collector would otherwise double.
func (p *Plan) withCollection(name string, values map[string]string) map[string]string {
	percent := "100" // Go's own
	switch name {
	case FerretDB:
		percent = "800"
	case Kafka:
		percent = "400"
	case Traces:
		percent = "30"
	}
	all := map[string]string{"GOGC": p.settings.valueOr("GOGC", percent)}
	maps.Copy(all, values)
	return all
}

func (p *Plan) part(name string, needs []string, stopWithin time.Duration, ready func(context.Context) error) supervise.Part {
	return supervise.Part{
		Name: name, Needs: p.own(needs), Ready: ready, ReadyWithin: time.Minute,
		StopSignal: syscall.SIGTERM, StopWithin: stopWithin, KillSignal: syscall.SIGKILL,
		Log: p.LogFile(name),
	}
}

// own leaves out the parts that are external: nothing of ours is to wait for.
func (p *Plan) own(names []string) []string {
	var own []string
	for _, name := range names {
		if !p.settings.External(name) {
			own = append(own, name)
		}
	}
	return own
}

func (p *Plan) postgres() supervise.Part {
	part := p.part(Postgres, nil, 1500*time.Millisecond, p.database.Ready)
	part.Command = p.database.Command
	part.ReadyWithin = 10 * time.Minute // the first start may download
	part.StopSignal = syscall.SIGINT    // "fast": clients are cut off, data is written out
	part.KillSignal = syscall.SIGQUIT   // "immediate": it takes its children along, and recovers at the next start
	return part
}

func (p *Plan) dir(name string) string { return filepath.Join(p.options.DataDir, name) }

// LogFile is where a part's output goes.
func (p *Plan) LogFile(name string) string {
	return filepath.Join(p.options.DataDir, "logs", name+".log")
}

func (p *Plan) port(setting string) string { return fmt.Sprint(p.settings.ports[setting]) }

func (p *Plan) mongodbURI() string {
	return p.settings.valueOr(mongodbURI, "mongodb://"+p.settings.address(mongodbPort)+"/order")
}

// mongodbSocket is FerretDB's; empty where the path is not fit for one.
func (p *Plan) mongodbSocket() string {
	socket := p.dir("ferretdb.sock")
	if !ports.SocketFits(socket) {
		return ""
	}
	return socket
}

// orderMongoDBURI is what the order service is given: our own FerretDB by its socket,
// which takes less time than its port does.
func (p *Plan) orderMongoDBURI() string {
	if socket := p.mongodbSocket(); socket != "" && !p.settings.External(FerretDB) {
		return "mongodb://" + url.QueryEscape(socket) + "/order"
	}
	return p.mongodbURI()
}

// inventoryPostgresURL is what the inventory service is given.
func (p *Plan) inventoryPostgresURL() string {
	if p.settings.env[postgresURL] != "" {
		return p.postgresURL()
	}
	return p.database.LocalURL(inventoryDatabase)
}

func (p *Plan) postgresURL() string {
	if url := p.settings.env[postgresURL]; url != "" {
		return url
	}
	return p.database.URL(inventoryDatabase)
}

func (p *Plan) otlpURL() string {
	return p.settings.valueOr(otlpEndpoint, "http://"+p.settings.address(otlpPort))
}

func (p *Plan) program(name string) string { return filepath.Join(p.options.BinDir, name) }
