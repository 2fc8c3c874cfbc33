package fleet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"maps"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/steadfast-shop/steadfast/e2e/internal/system"
)

// Mood is how the mail server in front of the inbox behaves.
type Mood string

// Moods.
const (
	// Kind passes every mail on, and the inbox's answer back.
	Kind Mood = "kind"
	// Busy answers 421 to everything.
	Busy Mood = "busy"
	// Deferring answers 450 to half of the tries.
	Deferring Mood = "deferring"
	// Refusing answers 550 for a quarter of the addresses.
	Refusing Mood = "refusing"
	// Dropping gives half of the mails to the inbox, and closes the connection in place of an answer.
	Dropping Mood = "dropping"
)

const (
	relayWithin = 40 * time.Second // longer than a sender waits, so that the sender's patience decides
	refusedOf   = 4
)

// MailFront is a mail server in front of the inbox that can be moody, and remembers whom it wronged. It is safe for concurrent use.
type MailFront struct {
	server *smtp.Server
	inbox  string
	served chan struct{}
	addr   string

	mu      sync.Mutex
	mood    Mood
	tries   map[string]int
	refused map[string]bool
	dropped map[string]int
}

// openMailFront opens a kind mail server in front of the inbox at host:port.
func openMailFront(ctx context.Context, ports *system.Ports, inbox string) (*MailFront, error) {
	free, err := ports.Take(ctx, 1)
	if err != nil {
		return nil, err
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", free[0]))
	if err != nil {
		return nil, fmt.Errorf("open the mail server: %w", err)
	}
	m := &MailFront{
		inbox: inbox, served: make(chan struct{}), addr: listener.Addr().String(), mood: Kind,
		tries: make(map[string]int), refused: make(map[string]bool), dropped: make(map[string]int),
	}
	m.server = smtp.NewServer(smtp.BackendFunc(func(conn *smtp.Conn) (smtp.Session, error) {
		if m.is(Busy) {
			return nil, busy()
		}
		return &mailSession{front: m, conn: conn}, nil
	}))
	m.server.Domain, m.server.EnableSMTPUTF8 = "localhost", true
	m.server.ErrorLog = silent{}
	go func() {
		defer close(m.served)
		_ = m.server.Serve(listener) // it ends with close
	}()
	return m, nil
}

// silent leaves out what go-smtp says of connections that break off: here they do.
type silent struct{}

func (silent) Printf(string, ...any) {}
func (silent) Println(...any)        {}

func (m *MailFront) close() {
	_ = m.server.Close() // it fails where the listener is closed already
	<-m.served
}

// SetMood changes how the server behaves from now on.
func (m *MailFront) SetMood(mood Mood) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mood = mood
}

// Wronged returns the addresses that were refused for good, and how often the answer to a mail for an address was lost after the inbox had it.
func (m *MailFront) Wronged() (refused map[string]bool, dropped map[string]int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.refused), maps.Clone(m.dropped)
}

func (m *MailFront) is(mood Mood) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.mood == mood
}

// receive says what to answer to a recipient: nil where it is taken.
func (m *MailFront) receive(address string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tries[address]++
	switch {
	case m.mood == Deferring && m.tries[address]%2 == 1:
		return &smtp.SMTPError{Code: 450, EnhancedCode: smtp.EnhancedCode{4, 2, 0}, Message: "greylisted"}
	case m.mood == Refusing && sum(address)%refusedOf == 0:
		m.refused[address] = true
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such mailbox"}
	}
	return nil
}

// drops says whether the answer to a mail that the inbox has is to be lost.
func (m *MailFront) drops(address string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.mood != Dropping || m.tries[address]%2 == 0 {
		return false
	}
	m.dropped[address]++
	return true
}

func sum(text string) uint32 {
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(text)) // it never fails
	return hash.Sum32()
}

func busy() error {
	return &smtp.SMTPError{Code: 421, EnhancedCode: smtp.EnhancedCode{4, 3, 2}, Message: "too busy"}
}

// mailSession is one connection of a sender, and one to the inbox from its first mail on.
type mailSession struct {
	front *MailFront
	conn  *smtp.Conn
	inbox *smtp.Client
	to    string
}

func (s *mailSession) Reset() {
	s.to = ""
	if s.inbox != nil && s.inbox.Reset() != nil {
		s.leave()
	}
}

func (s *mailSession) Logout() error {
	s.leave()
	return nil
}

func (s *mailSession) leave() {
	if s.inbox != nil {
		_ = s.inbox.Close() // nothing is under way
		s.inbox = nil
	}
}

func (s *mailSession) Mail(from string, options *smtp.MailOptions) error {
	if s.front.is(Busy) {
		return busy()
	}
	if s.inbox == nil {
		conn, err := net.DialTimeout("tcp", s.front.inbox, dialWithin) //nolint:noctx // bounded, on this machine
		if err != nil {
			return busy()
		}
		s.inbox = smtp.NewClient(conn)
		s.inbox.CommandTimeout, s.inbox.SubmissionTimeout = relayWithin, relayWithin
	}
	return s.pass(s.inbox.Mail(from, options))
}

func (s *mailSession) Rcpt(to string, options *smtp.RcptOptions) error {
	if err := s.front.receive(strings.ToLower(to)); err != nil {
		return err
	}
	s.to = strings.ToLower(to)
	return s.pass(s.inbox.Rcpt(to, options))
}

func (s *mailSession) Data(r io.Reader) error {
	content, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if err := s.deliver(content); err != nil {
		return s.pass(err)
	}
	if s.front.drops(s.to) {
		s.leave()
		return s.conn.Conn().Close()
	}
	return nil
}

func (s *mailSession) deliver(content []byte) error {
	writer, err := s.inbox.Data()
	if err != nil {
		return err
	}
	if _, err := io.Copy(writer, bytes.NewReader(content)); err != nil {
		return err
	}
	return writer.Close()
}

// pass returns the inbox's answer. Where it gave none, the sender gets none, either.
func (s *mailSession) pass(err error) error {
	var answer *smtp.SMTPError
	if err == nil || errors.As(err, &answer) {
		return err
	}
	s.leave()
	_ = s.conn.Conn().Close() // the sender sees what we have seen
	return err
}
