// Package fleet runs a whole Steadfast with two replicas of each service, every link between two processes leading through a proxy, so that each process and each link can be broken alone.
package fleet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/steadfast-shop/steadfast/e2e/internal/system"
)

const (
	replicas = 2
	// AbandonAfter is ORDER_ABANDON_AFTER: as little as leaves requests their full 2.5 s.
	AbandonAfter = 10 * time.Second
)

// Options says which fleet to start.
type Options struct {
	// Programs is the folder with devstack and the services.
	Programs string
	// Dir is an empty folder for data and logs that PostgreSQL's user can enter.
	Dir   string
	Ports *system.Ports
	// Kafka is the broker, by its name in system.
	Kafka string
	// Environment holds further settings of the services as NAME=value, or SERVICE:NAME=value for one of them.
	Environment []string
	// SmallDisk asks for a disk of PostgreSQL's own that can be made full. Where the machine does not allow it, the fleet starts without.
	SmallDisk bool
}

// Fleet is a running system.
type Fleet struct {
	// Stack has the databases, the broker and the inbox; its URLs lead to them without a proxy.
	Stack *system.Stack
	// Mail is the mail server that the notification services mail through.
	Mail *MailFront
	// Gateways are the URLs that clients use, one for each replica.
	Gateways []string
	// NoDisk says why PostgreSQL has no disk of its own; "" if it has, or none was asked for.
	NoDisk string

	options  Options
	wiring   *wiring
	relays   []*relay
	disk     *disk
	replicas []*Replica
}

// Start starts a fleet and waits until all of it is ready.
func Start(ctx context.Context, options Options) (*Fleet, error) {
	f := &Fleet{options: options, wiring: newWiring(options.Ports)}
	if err := f.start(ctx); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func (f *Fleet) start(ctx context.Context) error {
	if err := f.startParts(ctx); err != nil {
		return err
	}
	var err error
	if f.Mail, err = openMailFront(ctx, f.options.Ports, f.Stack.URLs.SMTP); err != nil {
		return err
	}
	rest, grpc, err := f.startInventory(ctx)
	if err != nil {
		return err
	}
	orders, err := f.startOrder(ctx, grpc)
	if err != nil {
		return err
	}
	for i := range replicas {
		if err := f.startNotification(ctx, named(system.Notification, i)); err != nil {
			return err
		}
	}
	if err := f.startGateways(ctx, orders, rest); err != nil {
		return err
	}
	for _, replica := range f.replicas {
		if err := replica.running().WaitReady(ctx); err != nil {
			return fmt.Errorf("%s: %w", replica.Name, err)
		}
	}
	return nil
}

// startParts starts what devstack brings: the databases, the broker and the inbox.
func (f *Fleet) startParts(ctx context.Context) error {
	options := system.Options{
		Programs: f.options.Programs, Data: filepath.Join(f.options.Dir, "data"), Ports: f.options.Ports, Apart: true,
		Arguments: append(system.BrokerArguments(f.options.Kafka), "--only", strings.Join(Parts(), ",")),
	}
	if f.options.Kafka != system.Embedded {
		options.Within = system.FetchWithin
	}
	var err error
	if f.Stack, err = system.Start(ctx, options); err != nil {
		return err
	}
	if !f.options.SmallDisk {
		return nil
	}
	if err := f.Stack.StopPart(ctx, system.Postgres); err != nil {
		return err
	}
	f.disk, err = mountDisk(ctx, filepath.Join(options.Data, "postgres"))
	if err != nil {
		f.NoDisk = err.Error()
	}
	if err := f.Stack.StartPart(ctx, system.Postgres); err != nil {
		return err
	}
	return f.Stack.StartPart(ctx, system.FerretDB) // it may have gone down with its database
}

// Parts lists what devstack runs for a fleet. A broker of several nodes has further ones, system.BrokerNodes.
func Parts() []string {
	return []string{system.Postgres, system.FerretDB, system.Kafka, system.Inbox}
}

func named(service string, i int) string { return fmt.Sprintf("%s-%d", service, i+1) }

// Names lists all replicas.
func Names() []string {
	var names []string
	for _, service := range system.Services() {
		for i := range replicas {
			names = append(names, named(service, i))
		}
	}
	return names
}

func (f *Fleet) startInventory(ctx context.Context) (rest, grpc string, err error) {
	var restTargets, grpcTargets []string
	for i := range replicas {
		name := named(system.Inventory, i)
		database, err := f.through(ctx, name, system.Postgres, f.Stack.URLs.Postgres)
		if err != nil {
			return "", "", err
		}
		replica, err := f.run(ctx, system.Inventory, name, "INVENTORY_POSTGRES_URL="+database)
		if err != nil {
			return "", "", err
		}
		restTargets, grpcTargets = append(restTargets, hostOf(replica.running().API)), append(grpcTargets, replica.running().GRPC)
	}
	if rest, err = f.balance(ctx, restTargets); err != nil {
		return "", "", err
	}
	grpc, err = f.balance(ctx, grpcTargets)
	return rest, grpc, err
}

func (f *Fleet) startOrder(ctx context.Context, inventory string) (orders string, err error) {
	var targets []string
	for i := range replicas {
		name := named(system.Order, i)
		database, err := f.through(ctx, name, system.FerretDB, f.Stack.URLs.MongoDB)
		if err != nil {
			return "", err
		}
		stock, err := f.wiring.open(ctx, name, system.Inventory, inventory)
		if err != nil {
			return "", err
		}
		broker, err := f.toBroker(ctx, name)
		if err != nil {
			return "", err
		}
		replica, err := f.run(ctx, system.Order, name,
			"ORDER_MONGODB_URI="+database, "INVENTORY_GRPC_URI="+stock, "KAFKA_BOOTSTRAP_SERVERS="+broker, "ORDER_ABANDON_AFTER="+AbandonAfter.String())
		if err != nil {
			return "", err
		}
		targets = append(targets, hostOf(replica.running().API))
	}
	return f.balance(ctx, targets)
}

func (f *Fleet) startNotification(ctx context.Context, name string) error {
	broker, err := f.toBroker(ctx, name)
	if err != nil {
		return err
	}
	mail, err := f.wiring.open(ctx, name, "smtp", f.Mail.addr)
	if err != nil {
		return err
	}
	_, err = f.run(ctx, system.Notification, name, append(mailSettings(mail), "KAFKA_BOOTSTRAP_SERVERS="+broker)...)
	return err
}

func mailSettings(address string) []string {
	host, port, _ := strings.Cut(address, ":")
	return []string{"SMTP_HOST=" + host, "SMTP_PORT=" + port}
}

func (f *Fleet) startGateways(ctx context.Context, orders, inventory string) error {
	for i := range replicas {
		name := named(system.Gateway, i)
		order, err := f.wiring.open(ctx, name, system.Order, orders)
		if err != nil {
			return err
		}
		stock, err := f.wiring.open(ctx, name, system.Inventory, inventory)
		if err != nil {
			return err
		}
		replica, err := f.run(ctx, system.Gateway, name, "ORDER_SERVICE_URI=http://"+order, "INVENTORY_SERVICE_URI=http://"+stock)
		if err != nil {
			return err
		}
		door, err := f.wiring.open(ctx, "clients", name, hostOf(replica.running().API))
		if err != nil {
			return err
		}
		f.Gateways = append(f.Gateways, "http://"+door)
	}
	return nil
}

// through opens a link to the server that a URL names, and returns the URL that leads through it.
func (f *Fleet) through(ctx context.Context, from, to, url string) (string, error) {
	target := addressIn(url)
	address, err := f.wiring.open(ctx, from, to, target)
	return strings.Replace(url, target, address, 1), err
}

// addressIn returns the host:port of a URL, which has no other.
func addressIn(url string) string {
	_, rest, _ := strings.Cut(url, "://")
	rest, _, _ = strings.Cut(rest, "/")
	return rest[strings.LastIndex(rest, "@")+1:]
}

func hostOf(url string) string { return strings.TrimPrefix(url, "http://") }

func (f *Fleet) balance(ctx context.Context, targets []string) (string, error) {
	relay, err := balance(ctx, f.options.Ports, targets...)
	if err != nil {
		return "", err
	}
	f.relays = append(f.relays, relay)
	return relay.address(), nil
}

// run starts a replica.
func (f *Fleet) run(ctx context.Context, service, name string, settings ...string) (*Replica, error) {
	place := system.Place{Programs: f.options.Programs, Logs: f.options.Dir, Ports: f.options.Ports}
	started, err := system.StartService(ctx, place, service, append(settings, f.environment(service)...)...)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	replica := &Replica{Name: name, service: started}
	f.replicas = append(f.replicas, replica)
	return replica, nil
}

// environment returns what all services get, and what only this one does.
func (f *Fleet) environment(service string) []string {
	settings := []string{"LOG_LEVEL=warn", system.ReplicationSetting(f.options.Kafka)}
	for _, name := range []string{"GOCOVERDIR", "GODEBUG", "GOGC", "GOMAXPROCS", "GOMEMLIMIT", "GORACE", "GOTRACEBACK"} {
		if value := os.Getenv(name); value != "" {
			settings = append(settings, name+"="+value)
		}
	}
	for _, setting := range f.options.Environment {
		name, _, _ := strings.Cut(setting, "=")
		target, _, isForOne := strings.Cut(name, ":")
		switch {
		case !isForOne:
			settings = append(settings, setting)
		case target == service:
			settings = append(settings, strings.TrimPrefix(setting, target+":"))
		}
	}
	return settings
}

// Links lists all links.
func (f *Fleet) Links() []*Link { return f.wiring.links }

// Replicas returns the URLs for health and metrics of a service's replicas.
func (f *Fleet) Replicas(service string) []string {
	var urls []string
	for _, replica := range f.replicas {
		if strings.HasPrefix(replica.Name, service+"-") {
			urls = append(urls, replica.running().URL)
		}
	}
	return urls
}

// Complaints returns the lines in the services' logs that no run may have.
func (f *Fleet) Complaints() ([]string, error) {
	var found []string
	for _, replica := range f.replicas {
		lines, err := replica.running().Complaints()
		if err != nil {
			return nil, err
		}
		for _, line := range lines {
			found = append(found, replica.Name+": "+line)
		}
	}
	return found, nil
}

// Close ends everything.
func (f *Fleet) Close() error {
	for _, replica := range f.replicas {
		replica.end()
	}
	f.wiring.close()
	var err error
	for _, relay := range f.relays {
		err = errors.Join(err, relay.close())
	}
	if f.Mail != nil {
		f.Mail.close()
	}
	if f.Stack != nil {
		err = errors.Join(err, f.Stack.Stop())
	}
	if f.disk != nil {
		err = errors.Join(err, f.disk.unmount())
	}
	return err
}
