// Package mailtest has an SMTP server for tests that behaves as badly as it is told to.
package mailtest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/mail"
	"strings"
	"sync"
	"testing"
)

// Stages at which the server can be told what to answer. A recipient's own answers go by Rcpt(address).
const (
	Greeting = "greeting"
	EHLO     = "EHLO"
	MAIL     = "MAIL"
	RCPT     = "RCPT"
	DATA     = "DATA"
	Content  = "content"
)

// Pipelining is an answer to EHLO that announces that commands may come together (RFC 2920).
const Pipelining = "250-test\r\n250-PIPELINING\r\n250 8BITMIME"

// Answers beside SMTP's own.
const (
	// Drop closes the connection. At Content the mail counts as taken: the server has it, and its answer is lost.
	Drop = "drop"
	// Hang leaves the client without an answer.
	Hang = "hang"
)

// Rcpt is the stage RCPT for one recipient.
func Rcpt(address string) string { return RCPT + " " + address }

// Server is an SMTP server. The zero value takes every mail.
type Server struct {
	mu          sync.Mutex
	once        map[string][]string
	always      map[string]string
	mails       []Mail
	connections int
	isAway      bool
	arrived     chan struct{}
}

// Mail is one that the server took.
type Mail struct {
	To      string
	Content string
}

// Header returns a header of the mail.
func (m Mail) Header(t testing.TB, name string) string {
	t.Helper()
	parsed, err := mail.ReadMessage(strings.NewReader(m.Content))
	if err != nil {
		t.Fatalf("read the mail: %v", err)
	}
	return parsed.Header.Get(name)
}

// Answer makes the server give these answers at a stage, one after the other, before it goes back to what it does always.
func (s *Server) Answer(stage string, answers ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.once == nil {
		s.once = make(map[string][]string)
	}
	s.once[stage] = append(s.once[stage], answers...)
}

// Always makes the server give this answer at a stage from now on; "" means success.
func (s *Server) Always(stage, answer string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.always == nil {
		s.always = make(map[string]string)
	}
	s.always[stage] = answer
}

// SetAway makes Dial fail, or work again.
func (s *Server) SetAway(away bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.isAway = away
}

// Mails returns what the server took so far.
func (s *Server) Mails() []Mail {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Mail(nil), s.mails...)
}

// Connections returns how many connections were opened so far.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.connections
}

// WaitForMails waits until the server has taken that many mails, or ctx ends, and returns them.
func (s *Server) WaitForMails(ctx context.Context, count int) []Mail {
	for {
		s.mu.Lock()
		if s.arrived == nil {
			s.arrived = make(chan struct{})
		}
		mails, arrived := append([]Mail(nil), s.mails...), s.arrived
		s.mu.Unlock()
		if len(mails) >= count {
			return mails
		}
		select {
		case <-arrived:
		case <-ctx.Done():
			return mails
		}
	}
}

// Dial opens a connection to the server in memory.
func (s *Server) Dial(context.Context, string, string) (net.Conn, error) {
	s.mu.Lock()
	away := s.isAway
	s.mu.Unlock()
	if away {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
	}
	client, server := net.Pipe()
	go s.serve(server)
	return client, nil
}

// Listen serves on a free port of this machine until the test ends.
func (s *Server) Listen(t testing.TB) (host string, port int) {
	t.Helper()
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go s.serve(conn)
		}
	}()
	return "127.0.0.1", listener.Addr().(*net.TCPAddr).Port
}

func (s *Server) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	s.mu.Lock()
	s.connections++
	s.mu.Unlock()
	session := &session{server: s, conn: conn, reader: bufio.NewReader(conn)}
	if !session.answer(Greeting, "220 ready") {
		return
	}
	for session.command() {
	}
}

// next returns the answer of the first of the stages that has one.
func (s *Server) next(stage, success string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range []string{stage, strings.Fields(stage)[0]} {
		if queue := s.once[name]; len(queue) > 0 {
			s.once[name] = queue[1:]
			return queue[0]
		}
		if answer := s.always[name]; answer != "" {
			return answer
		}
	}
	return success
}

func (s *Server) take(m Mail) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mails = append(s.mails, m)
	if s.arrived != nil {
		close(s.arrived)
		s.arrived = nil
	}
}

// session is one connection.
type session struct {
	server *Server
	conn   net.Conn
	reader *bufio.Reader

	hasSender bool
	to        string
}

// command handles one line; false ends the connection.
func (c *session) command() bool {
	line, err := c.reader.ReadString('\n')
	if err != nil {
		return false
	}
	line = strings.TrimSpace(line)
	switch verb, _, _ := strings.Cut(strings.ToUpper(line), " "); verb {
	case "EHLO", "HELO":
		return c.answer(EHLO, "250-test\r\n250 8BITMIME")
	case "MAIL":
		answer := c.server.next(MAIL, "250 go on")
		c.hasSender, c.to = strings.HasPrefix(answer, "250"), ""
		return c.say(answer)
	case "RCPT":
		if !c.hasSender {
			return c.say("503 no sender")
		}
		to := strings.Trim(strings.TrimPrefix(line[len("RCPT TO:"):], " "), "<>")
		answer := c.server.next(Rcpt(to), "250 go on")
		if strings.HasPrefix(answer, "25") {
			c.to = to
		}
		return c.say(answer)
	case "DATA":
		success := "354 send it"
		if c.to == "" {
			success = "503 no recipient"
		}
		if answer := c.server.next(DATA, success); !strings.HasPrefix(answer, "354") {
			return c.say(answer)
		}
		return c.say("354 send it") && c.content()
	case "RSET", "NOOP":
		return c.say("250 done")
	case "QUIT":
		c.say("221 bye")
		return false
	}
	return c.say("502 unknown")
}

func (c *session) content() bool {
	var content strings.Builder
	for {
		line, err := c.reader.ReadString('\n')
		if err != nil {
			return false
		}
		if line == ".\r\n" {
			break
		}
		content.WriteString(strings.TrimPrefix(line, "."))
	}
	answer := c.server.next(Content, "250 taken")
	if strings.HasPrefix(answer, "250") || answer == Drop {
		c.server.take(Mail{To: c.to, Content: content.String()})
	}
	return c.say(answer)
}

func (c *session) answer(stage, success string) bool { return c.say(c.server.next(stage, success)) }

func (c *session) say(answer string) bool {
	switch answer {
	case Drop:
		return false
	case Hang:
		_, _ = io.Copy(io.Discard, c.reader) // until the client gives up
		return false
	}
	_, err := fmt.Fprintf(c.conn, "%s\r\n", answer)
	return err == nil && !strings.HasPrefix(answer, "421")
}
