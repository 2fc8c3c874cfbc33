// Package e2e_test starts the real processes and speaks only HTTP, Kafka and SMTP to them.
package e2e_test

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/steadfast-shop/steadfast/e2e/internal/failpoints"
	"github.com/steadfast-shop/steadfast/e2e/internal/inbox"
	"github.com/steadfast-shop/steadfast/e2e/internal/kafka"
	"github.com/steadfast-shop/steadfast/e2e/internal/poll"
	"github.com/steadfast-shop/steadfast/e2e/internal/promises"
	"github.com/steadfast-shop/steadfast/e2e/internal/shop"
	"github.com/steadfast-shop/steadfast/e2e/internal/system"
)

const (
	// settingPrograms names a folder with the five programs, ready built; without it they are built.
	settingPrograms = "STEADFAST_BIN"
	// settingKeep keeps logs and data, and says where they are.
	settingKeep = "STEADFAST_E2E_KEEP"
	// settingKafka is the broker of all stacks: embedded, as by default, apache, or apache3.
	settingKafka = "STEADFAST_E2E_KAFKA"

	buildWithin = 15 * time.Minute
	testWithin  = 3 * time.Minute
	// abandonAfter is ORDER_ABANDON_AFTER of all stacks: as little as leaves requests their full 2.5 s. sweepWithin is by when a sweep must have ended what was abandoned.
	abandonAfter = 10 * time.Second
	sweepWithin  = abandonAfter + 4*time.Second
	// readdressed is by when a placed order is mailed though its consumer was killed: the group's session time-out, and the time to read the ledger.
	readdressed = 60 * time.Second
	// perPartition is how many mails may be under way at once: one for each partition.
	perPartition = 6
)

// suite is what all tests share: the programs, and one stack for the tests that break nothing.
type suite struct {
	dir      string // everything is below it
	programs string
	broker   string // of all stacks, by its name in system
	ports    *system.Ports

	once   sync.Once
	shared *world
	failed error

	described described

	building sync.Once
	points   []failpoints.Point // of the programs with fail points, once these are built
	unbuilt  error
}

// theSuite is the only way in which TestMain can hand something to the tests.
var theSuite suite

func TestMain(m *testing.M) { os.Exit(runTests(m)) }

func runTests(m *testing.M) int {
	if err := theSuite.open(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	status := m.Run()
	if err := theSuite.close(status == 0); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return status
}

func (s *suite) open() error {
	s.broker = cmp.Or(os.Getenv(settingKafka), system.Embedded)
	if err := system.CheckBroker(s.broker); err != nil {
		return fmt.Errorf("%s: %w", settingKafka, err)
	}
	dir, err := os.MkdirTemp("", "steadfast-e2e-")
	if err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	if err := os.Chmod(dir, 0o711); err != nil {
		return fmt.Errorf("open the folder to PostgreSQL: %w", err)
	}
	s.dir, s.programs, s.ports = dir, os.Getenv(settingPrograms), system.NewPorts()
	if s.programs != "" {
		s.programs, err = filepath.Abs(s.programs)
		return err
	}
	s.programs = filepath.Join(dir, "bin")
	ctx, cancel := context.WithTimeout(context.Background(), buildWithin)
	defer cancel()
	return system.Build(ctx, "..", s.programs)
}

// close stops the shared stack and sees that no process is left of any.
func (s *suite) close(passed bool) error {
	var err error
	if s.shared != nil {
		err = s.shared.close()
	}
	if left := system.Leftovers(s.dir); len(left) > 0 {
		err = errors.Join(err, fmt.Errorf("processes are left: %s", strings.Join(left, ", ")))
	}
	err = errors.Join(err, s.described.differences())
	if !passed || err != nil || os.Getenv(settingKeep) != "" {
		fmt.Fprintln(os.Stderr, "logs and data are in", s.dir)
		return err
	}
	return os.RemoveAll(s.dir)
}

// world is a running stack and clients of it.
type world struct {
	*system.Stack
	shop  *shop.Client
	inbox *inbox.Client
	kafka *kafka.Client
	data  string
}

// sharedWorld returns the stack of the tests that break nothing. They share it, and so run beside each other.
func sharedWorld(t *testing.T) *world {
	t.Helper()
	t.Parallel()
	theSuite.once.Do(func() { theSuite.shared, theSuite.failed = openWorld(filepath.Join(theSuite.dir, "shared")) })
	if theSuite.failed != nil {
		t.Fatal(theSuite.failed)
	}
	return theSuite.shared
}

// ownWorld returns a stack that only this test has, to be broken, with further settings as NAME=value.
func ownWorld(t *testing.T, environment ...string) *world {
	t.Helper()
	w, err := openWorld(filepath.Join(theSuite.dir, strings.ReplaceAll(t.Name(), "/", "-")), environment...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

func openWorld(data string, environment ...string) (*world, error) {
	options := system.Options{
		Programs: theSuite.programs, Data: data, Ports: theSuite.ports, Arguments: system.BrokerArguments(theSuite.broker),
		Environment: append([]string{"ORDER_ABANDON_AFTER=" + abandonAfter.String(), "LOG_LEVEL=info"}, environment...),
	}
	if theSuite.broker != system.Embedded {
		options.Within = system.FetchWithin
	}
	ctx, cancel := context.WithTimeout(context.Background(), testWithin+options.Within)
	defer cancel()
	stack, err := system.Start(ctx, options)
	if err != nil {
		return nil, err
	}
	client, err := kafka.Dial(stack.URLs.Kafka)
	if err != nil {
		return nil, errors.Join(err, stack.Stop())
	}
	if err := theSuite.described.load(ctx, stack.URLs.Gateway); err != nil {
		return nil, errors.Join(err, client.Close(), stack.Stop())
	}
	return &world{Stack: stack, shop: shop.NewChecked(stack.URLs.Gateway, theSuite.described.check), inbox: inbox.New(stack.URLs.Inbox), kafka: client, data: data}, nil
}

func (w *world) close() error {
	err := errors.Join(w.kafka.Close(), w.Stop())
	complaints, readErr := w.Complaints()
	if len(complaints) > 0 {
		err = errors.Join(err, errors.New(strings.Join(complaints, "\n")))
	}
	return errors.Join(err, readErr)
}

// system is where the promises of this stack are checked.
func (w *world) system() promises.System {
	return promises.System{Shop: w.shop, Inbox: w.inbox, Orders: []string{w.URLs.Order}, Notifications: []string{w.URLs.Notification}}
}

// checkPromises waits until the system has settled, and fails the test for each promise that is broken, and where more than mostRepeated mails came again.
func checkPromises(t *testing.T, s promises.System, record *promises.Record, mostRepeated int) promises.Report {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), readdressed+s.Quiet)
	defer cancel()
	report, err := record.Check(ctx, s)
	if err != nil {
		t.Error(err)
	}
	if report.RepeatedMails > mostRepeated {
		t.Errorf("%d mails were repeated; want at most %d", report.RepeatedMails, mostRepeated)
	}
	t.Logf("%d placed, %d not, %d mails repeated, settled after %v", report.Placed, report.NotPlaced, report.RepeatedMails, report.Settled.Round(time.Millisecond))
	return report
}

// newID returns an id that nobody else has.
func newID(prefix string) string { return prefix + "-" + strings.ToLower(rand.Text()[:12]) }

// newOrder returns a valid order of one line with a number, a user and an address of its own.
func newOrder(sku string, quantity int64) shop.Order {
	number := newID("ORD")
	return shop.Order{
		Number: number, SKU: sku, Price: "29.99", Quantity: quantity,
		User: shop.User{ID: "user-" + number, Email: strings.ToLower(number) + "@customers.example", FirstName: "John", LastName: "Doe"},
	}
}

// newStock puts a new SKU on stock.
func newStock(t *testing.T, w *world, record *promises.Record, quantity int64) (sku string) {
	t.Helper()
	sku = newID("SKU")
	if err := record.Stock(t.Context(), w.shop, sku, quantity); err != nil {
		t.Fatal(err)
	}
	return sku
}

// eventually fails the test if check does not return nil in time.
func eventually(t *testing.T, within time.Duration, check func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	if err := poll.Until(ctx, check); err != nil {
		t.Fatal(err)
	}
}

// must returns the answer to a request that must get one.
func must(t *testing.T) func(shop.Answer, error) shop.Answer {
	t.Helper()
	return func(answer shop.Answer, err error) shop.Answer {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
}

// wantText fails the test unless the answer is this text.
func wantText(t *testing.T, answer shop.Answer, status int, text string) {
	t.Helper()
	if contentType := answer.Header.Get("Content-Type"); answer.Status != status || answer.Body != text || contentType != "text/plain; charset=utf-8" {
		t.Errorf("got %s; want %d text/plain; charset=utf-8 %q", answer, status, text)
	}
}

// wantJSON fails the test unless the answer is 200 with this JSON, to the letter.
func wantJSON(t *testing.T, answer shop.Answer, body string) {
	t.Helper()
	if contentType := answer.Header.Get("Content-Type"); answer.Status != 200 || answer.Body != body || !strings.HasPrefix(contentType, "application/json") {
		t.Errorf("got %s; want 200 application/json %q", answer, body)
	}
}
