package mail

import (
	"context"
	"errors"
	"fmt"
	"net"
	netmail "net/mail"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/steadfast-shop/steadfast/notification-service/internal/mailtest"
	eventsv1 "github.com/steadfast-shop/steadfast/shared-proto/events/v1"
)

func testOrder(number string) *eventsv1.OrderPlaced {
	return &eventsv1.OrderPlaced{
		OrderNumber: number,
		Customer:    &eventsv1.Customer{UserId: "user123", Email: "john@example.com", FirstName: "John", LastName: "Doe"},
		Lines:       []*eventsv1.OrderLine{{SkuCode: "SKU001", Quantity: 2, UnitPriceMinor: 2999}},
	}
}

func newTestSender(t *testing.T, server *mailtest.Server) *Sender {
	t.Helper()
	sender, err := NewSender(Config{Host: "127.0.0.1", Port: 25, From: &netmail.Address{Name: "Shop", Address: "orders@shop.example"}})
	if err != nil {
		t.Fatal(err)
	}
	sender.DialWith(server.Dial)
	t.Cleanup(func() { _ = sender.Close(context.Background()) })
	return sender
}

// inBubble runs a test in fake time. The Sender is closed inside, since a bubble waits for all its goroutines.
func inBubble(t *testing.T, test func(t *testing.T, sender *Sender, server *mailtest.Server)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		server := &mailtest.Server{}
		sender := newTestSender(t, server)
		test(t, sender, server)
	})
}

func TestFailuresByWhomTheyConcern(t *testing.T) {
	const mailtrapLimit = "550 5.7.0 Requested action not taken: too many emails per second"
	tests := []struct {
		stage, answer string
		want          Kind
	}{
		{mailtest.Greeting, "421 busy", Unavailable},
		{mailtest.Greeting, "450 later", Unavailable},
		{mailtest.Greeting, "554 no service", Misconfigured},
		{mailtest.Greeting, mailtest.Drop, Unavailable},
		{mailtest.Greeting, mailtest.Hang, Unavailable},
		{mailtest.EHLO, mailtest.Drop, Unavailable},
		{mailtest.EHLO, mailtest.Hang, Unavailable},
		{mailtest.MAIL, "421 closing", Unavailable},
		{mailtest.MAIL, "451 later", Deferred},
		{mailtest.MAIL, "454 TLS not available", Unavailable},
		{mailtest.MAIL, "530 log in first", Misconfigured},
		{mailtest.MAIL, "535 bad login", Misconfigured},
		{mailtest.MAIL, "550 5.7.1 not from you", Refused},
		{mailtest.MAIL, mailtrapLimit, Unavailable},
		{mailtest.MAIL, mailtest.Drop, Unavailable},
		{mailtest.RCPT, "421 closing", Unavailable},
		{mailtest.RCPT, "450 greylisted", Deferred},
		{mailtest.RCPT, "452 mailbox full", Deferred},
		{mailtest.RCPT, "550 5.1.1 no such user", Refused},
		{mailtest.RCPT, "550 5.7.0 local policy", Refused},
		{mailtest.RCPT, mailtest.Hang, Unavailable},
		{mailtest.DATA, "421 closing", Unavailable},
		{mailtest.DATA, "451 later", Deferred},
		{mailtest.DATA, "554 no", Refused},
		{mailtest.Content, "421 closing", Unavailable},
		{mailtest.Content, "452 disk full", Deferred},
		{mailtest.Content, "554 spam", Refused},
		{mailtest.Content, mailtrapLimit, Unavailable},
		{mailtest.Content, mailtest.Drop, Unavailable},
		{mailtest.Content, mailtest.Hang, Unavailable},
	}
	for _, test := range tests {
		for name, extensions := range map[string]string{"": "", ", commands together": mailtest.Pipelining} {
			t.Run(test.stage+" "+test.answer+name, func(t *testing.T) {
				inBubble(t, func(t *testing.T, sender *Sender, server *mailtest.Server) {
					server.Always(mailtest.EHLO, extensions)
					server.Answer(test.stage, test.answer)
					start := time.Now()
					err := sender.Send(t.Context(), testOrder("ORD-1"))
					var failure *Failure
					if !errors.As(err, &failure) || failure.Kind != test.want || test.stage != mailtest.Greeting && test.stage != mailtest.EHLO && failure.stage != test.stage {
						t.Errorf("got %v, want %s at %s", err, test.want, test.stage)
					}
					if took := time.Since(start); took > MaxSendTime {
						t.Errorf("took %s, want at most %s", took, MaxSendTime)
					}
					if err := sender.Send(t.Context(), testOrder("ORD-2")); err != nil {
						t.Errorf("the next mail: got %v, want it sent", err)
					}
					wantOnce(t, server, "ORD-2")
				})
			})
		}
	}
}

// wantOnce fails the test where the server did not take an order's mail once, whole.
func wantOnce(t *testing.T, server *mailtest.Server, number string) {
	t.Helper()
	count := 0
	for _, mail := range server.Mails() {
		if mail.Header(t, "X-Order-Number") != number {
			continue
		}
		count++
		if !strings.HasSuffix(strings.TrimSpace(mail.Content), "--") {
			t.Errorf("the mail of %s does not end with its last boundary", number)
		}
	}
	if count != 1 {
		t.Errorf("got %d mails of %s, want 1", count, number)
	}
}

// writes counts what a connection sends.
type writes struct {
	net.Conn
	count *atomic.Int32
}

func (w writes) Write(p []byte) (int, error) {
	w.count.Add(1)
	return w.Conn.Write(p)
}

func TestCommandsGoTogetherWhereTheServerCopes(t *testing.T) {
	for extensions, want := range map[string]int32{"": 4, mailtest.Pipelining: 2} {
		inBubble(t, func(t *testing.T, sender *Sender, server *mailtest.Server) {
			server.Always(mailtest.EHLO, extensions)
			var count atomic.Int32
			sender.DialWith(func(ctx context.Context, network, address string) (net.Conn, error) {
				raw, err := server.Dial(ctx, network, address)
				return writes{raw, &count}, err
			})
			for _, number := range []string{"ORD-1", "ORD-2"} {
				count.Store(0)
				if err := sender.Send(t.Context(), testOrder(number)); err != nil {
					t.Fatal(err)
				}
				wantOnce(t, server, number)
			}
			if got := count.Load(); got != want { // of the second mail: the connection was there
				t.Errorf("with extensions %q: got %d writes, want %d", extensions, got, want)
			}
		})
	}
}

// A refusal must not leave answers behind that the next mail would take for its own.
func TestAnswersStayInStep(t *testing.T) {
	for _, test := range []struct {
		name, stage, data string
		connections       int
	}{
		{"refused at MAIL", mailtest.MAIL, "", 1},
		{"refused at RCPT", mailtest.RCPT, "", 1},
		{"refused at DATA", mailtest.DATA, "", 1},
		{"refused at RCPT by a server that takes content all the same", mailtest.RCPT, "354 send it", 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, sender *Sender, server *mailtest.Server) {
				server.Always(mailtest.EHLO, mailtest.Pipelining)
				server.Answer(test.stage, "550 5.1.1 no")
				if test.data != "" {
					server.Answer(mailtest.DATA, test.data)
				}
				start := time.Now()
				if err := sender.Send(t.Context(), testOrder("ORD-1")); err == nil || err.Error() != "refused at "+test.stage+": 550 5.1.1 no" {
					t.Errorf("got %v, want the refusal at %s", err, test.stage)
				}
				if err := sender.Send(t.Context(), testOrder("ORD-2")); err != nil {
					t.Errorf("the next mail: got %v, want it sent", err)
				}
				if took := time.Since(start); took != 0 {
					t.Errorf("took %s, want no answer waited for that does not come", took)
				}
				wantOnce(t, server, "ORD-2")
				if got := len(server.Mails()); got != 1 {
					t.Errorf("got %d mails, want 1", got)
				}
				if got := server.Connections(); got != test.connections {
					t.Errorf("got %d connections, want %d", got, test.connections)
				}
			})
		})
	}
}

func TestGreetingRefused(t *testing.T) {
	inBubble(t, func(t *testing.T, sender *Sender, server *mailtest.Server) {
		server.Answer(mailtest.EHLO, "550 who are you", "550 go away") // EHLO, then HELO
		var failure *Failure
		if err := sender.Send(t.Context(), testOrder("ORD-1")); !errors.As(err, &failure) || failure.Kind != Misconfigured {
			t.Errorf("got %v, want %s", err, Misconfigured)
		}
	})
}

func TestUnreachableServer(t *testing.T) {
	inBubble(t, func(t *testing.T, sender *Sender, server *mailtest.Server) {
		server.SetAway(true)
		var failure *Failure
		if err := sender.Send(t.Context(), testOrder("ORD-1")); !errors.As(err, &failure) || failure.Kind != Unavailable {
			t.Errorf("got %v, want %s", err, Unavailable)
		}
	})
}

func TestReuseOfConnections(t *testing.T) {
	inBubble(t, func(t *testing.T, sender *Sender, server *mailtest.Server) {
		const mails = 2*maxMails + 1
		for i := range mails {
			if i == 50 { // a refused mail does not cost its connection
				server.Answer(mailtest.RCPT, "550 no such user")
				if err := sender.Send(t.Context(), testOrder("ORD-R")); err == nil {
					t.Fatal("got no error, want the refusal")
				}
			}
			if err := sender.Send(t.Context(), testOrder(fmt.Sprint("ORD-", i))); err != nil {
				t.Fatal(err)
			}
		}
		if got, want := len(server.Mails()), mails; got != want {
			t.Errorf("got %d mails, want %d", got, want)
		}
		if got, want := server.Connections(), 3; got != want {
			t.Errorf("got %d connections, want %d", got, want)
		}
	})
}

func TestIdleConnectionIsClosedInTime(t *testing.T) {
	inBubble(t, func(t *testing.T, sender *Sender, server *mailtest.Server) {
		for range 2 {
			if err := sender.Send(t.Context(), testOrder("ORD-1")); err != nil {
				t.Fatal(err)
			}
			<-time.After(idleTimeout + quitTimeout)
			if c := sender.takeIdle(); c != nil {
				t.Error("got an idle connection, want none")
			}
		}
		if got := server.Connections(); got != 2 {
			t.Errorf("got %d connections, want 2", got)
		}
	})
}

func TestConnectionThatWentStaleIsReplacedAtOnce(t *testing.T) {
	for _, answer := range []string{"421 idle too long", mailtest.Drop} {
		for _, extensions := range []string{"", mailtest.Pipelining} {
			inBubble(t, func(t *testing.T, sender *Sender, server *mailtest.Server) {
				server.Always(mailtest.EHLO, extensions)
				server.Answer(mailtest.MAIL, "250 go on", answer)
				for _, number := range []string{"ORD-1", "ORD-2"} {
					if err := sender.Send(t.Context(), testOrder(number)); err != nil {
						t.Errorf("%s after %q: got %v, want it sent", number, answer, err)
					}
				}
				if got := len(server.Mails()); got != 2 {
					t.Errorf("got %d mails, want 2", got)
				}
			})
		}
	}
}

func TestSendEndsWithItsContext(t *testing.T) {
	inBubble(t, func(t *testing.T, sender *Sender, server *mailtest.Server) {
		server.Answer(mailtest.RCPT, mailtest.Hang)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if err := sender.Send(ctx, testOrder("ORD-1")); err == nil {
			t.Error("got no error, want one")
		}
		if took := time.Since(start); took != time.Second {
			t.Errorf("took %s, want 1s", took)
		}
	})
}

func TestFailureHidesAddresses(t *testing.T) {
	inBubble(t, func(t *testing.T, sender *Sender, server *mailtest.Server) {
		server.Answer(mailtest.RCPT, "550 5.1.1 <john@example.com>: unknown, ask admin@example.com")
		err := sender.Send(t.Context(), testOrder("ORD-1"))
		if got, want := err.Error(), "refused at RCPT: 550 5.1.1 [address] unknown, ask [address]"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func TestFailureHidesTheCustomer(t *testing.T) {
	for said, want := range map[string]string{
		"550 5.1.1 john: Recipient address rejected": "refused at RCPT: 550 5.1.1 [customer] Recipient address rejected",
		"550 no mailbox for (JOHN Doe) here":         "refused at RCPT: 550 no mailbox for [customer] [customer] here",
		"550 user=john, Doering unknown":             "refused at RCPT: 550 [customer] Doering unknown",
		"451 greylisted":                             "deferred at RCPT: 451 greylisted",
	} {
		inBubble(t, func(t *testing.T, sender *Sender, server *mailtest.Server) {
			server.Always(mailtest.RCPT, said)
			if err := sender.Send(t.Context(), testOrder("ORD-1")); err == nil || err.Error() != want {
				t.Errorf("%s: got %v, want %s", said, err, want)
			}
		})
	}
}

func TestAddressBeyondASCIINeedsSMTPUTF8(t *testing.T) {
	inBubble(t, func(t *testing.T, sender *Sender, _ *mailtest.Server) {
		order := testOrder("ORD-1")
		order.Customer.Email = "jürgen@example.com"
		var failure *Failure
		if err := sender.Send(t.Context(), order); !errors.As(err, &failure) || failure.Kind != Refused {
			t.Errorf("got %v, want %s", err, Refused)
		}
	})
}
