package e2e_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	netmail "net/mail"
	netsmtp "net/smtp"
	"strings"
	"sync"
	"testing"

	"github.com/emersion/go-smtp"

	"github.com/steadfast-shop/steadfast/shared-proto/topics"

	"github.com/steadfast-shop/steadfast/e2e/internal/promises"
	"github.com/steadfast-shop/steadfast/e2e/internal/shop"
	"github.com/steadfast-shop/steadfast/e2e/internal/system"
)

// moodyServer is a mail server that refuses the addresses beginning with "refused" until it is healed, puts off the first mail
// for each beginning with "deferred", and breaks the connection when it has taken the first mail for one beginning with "dropped".
type moodyServer struct {
	address string
	next    string // host:port of the server that gets what is taken, or ""

	mu     sync.Mutex
	healed bool
	putOff map[string]bool     // recipients whose first mail was put off
	taken  map[string][]string // Message-IDs by recipient
}

func startMoodyServer(t *testing.T) *moodyServer { return startMoodyRelay(t, "") }

// startMoodyRelay starts a moody server that passes on to the next one what it takes.
func startMoodyRelay(t *testing.T, next string) *moodyServer {
	t.Helper()
	m := &moodyServer{next: next, putOff: make(map[string]bool), taken: make(map[string][]string)}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m.address = listener.Addr().String()
	server := smtp.NewServer(smtp.BackendFunc(func(conn *smtp.Conn) (smtp.Session, error) {
		return &moodySession{server: m, conn: conn}, nil
	}))
	server.Domain = "localhost"
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		_ = server.Close() // it fails where the listener is closed already
		<-served           //nolint:errcheck // the listener is closed
	})
	return m
}

// mailsTo returns the Message-IDs of the mails that came for the address.
func (m *moodyServer) mailsTo(address string) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.taken[address]
}

// heal has the server take mails for every address from now on.
func (m *moodyServer) heal() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.healed = true
}

// check returns the answer to a mail for the address: nil where it is taken.
func (m *moodyServer) check(address string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case strings.HasPrefix(address, "refused") && !m.healed:
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no mailbox <" + address + "> here"}
	case strings.HasPrefix(address, "deferred") && !m.putOff[address]:
		m.putOff[address] = true
		return &smtp.SMTPError{Code: 450, EnhancedCode: smtp.EnhancedCode{4, 2, 0}, Message: "greylisted"}
	}
	return nil
}

type moodySession struct {
	server *moodyServer
	conn   *smtp.Conn
	from   string
	to     string
}

func (s *moodySession) Reset()        { s.to = "" }
func (s *moodySession) Logout() error { return nil }
func (s *moodySession) Mail(from string, _ *smtp.MailOptions) error {
	s.from = from
	return nil
}
func (s *moodySession) Rcpt(to string, _ *smtp.RcptOptions) error {
	if err := s.server.check(to); err != nil {
		return err
	}
	s.to = to
	return nil
}

func (s *moodySession) Data(r io.Reader) error {
	content, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	message, err := netmail.ReadMessage(bytes.NewReader(content))
	if err != nil {
		return err
	}
	if s.server.next != "" {
		if err := netsmtp.SendMail(s.server.next, nil, s.from, []string{s.to}, content); err != nil {
			return err
		}
	}
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	s.server.taken[s.to] = append(s.server.taken[s.to], message.Header.Get("Message-Id"))
	if strings.HasPrefix(s.to, "dropped") && len(s.server.taken[s.to]) == 1 {
		return s.conn.Conn().Close()
	}
	return nil
}

// TestMoodyMailServer mails through a server that refuses some mails and loses the connection over others: what is refused is laid aside, and all others arrive.
func TestMoodyMailServer(t *testing.T) {
	t.Parallel()
	w := ownWorld(t)
	stopPart(t, w, system.Notification)
	server := startMoodyServer(t)
	host, port, err := net.SplitHostPort(server.address)
	if err != nil {
		t.Fatal(err)
	}
	startService(t, system.Notification, append(w.Settings(), "SMTP_HOST="+host, "SMTP_PORT="+port)...)

	record := promises.NewRecord()
	sku := newStock(t, w, record, 100)
	var orders []shop.Order
	for i := range 24 {
		order := newOrder(sku, 1)
		order.User.Email = []string{"refused", "dropped", "good"}[i%3] + "-" + order.User.Email
		orders = append(orders, order)
	}
	placeAll(t, w.shop, record, orders)
	wantAnswers(t, record, map[int]int{http.StatusCreated: len(orders)})
	for _, order := range orders {
		kind, _, _ := strings.Cut(order.User.Email, "-")
		if kind == "refused" {
			letter := waitForRecord(t, w, topics.OrderPlacedDLQ, order.Number)
			if reason := letter.Header("dlq-reason"); !strings.Contains(reason, "550") || strings.Contains(reason, order.User.Email) {
				t.Errorf("the reason of a refused mail is %q", reason)
			}
			continue
		}
		want := map[string]int{"good": 1, "dropped": 2}[kind] // after a drop nobody knows whether the mail was taken
		eventually(t, readdressed, func(context.Context) error {
			if got := len(server.mailsTo(order.User.Email)); got < want {
				return fmt.Errorf("%d mails came for %s; want %d", got, kind, want)
			}
			return nil
		})
	}
	for _, order := range orders {
		mails := server.mailsTo(order.User.Email)
		if strings.HasPrefix(order.User.Email, "good") && len(mails) != 1 {
			t.Errorf("%d mails came where nothing was lost; want 1", len(mails))
		}
		for _, id := range mails {
			if id == "" || id != mails[0] {
				t.Errorf("the mails of one order have the Message-IDs %q", mails)
			}
		}
	}
}
