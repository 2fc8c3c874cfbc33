package fleet

import (
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/emersion/go-smtp"

	"github.com/steadfast-shop/steadfast/e2e/internal/system"
)

// keeper is an inbox that notes for whom mails came.
type keeper struct {
	mu    sync.Mutex
	taken []string
}

type keeperSession struct {
	*keeper
	to string
}

func (s *keeperSession) Reset()                               {}
func (s *keeperSession) Logout() error                        { return nil }
func (s *keeperSession) Mail(string, *smtp.MailOptions) error { return nil }
func (s *keeperSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = to
	return nil
}

func (s *keeperSession) Data(r io.Reader) error {
	_, err := io.Copy(io.Discard, r)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken = append(s.taken, s.to)
	return err
}

// TestMoods: each mood answers as it says, and what was refused or dropped is remembered.
func TestMoods(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	kept := &keeper{}
	inbox := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &keeperSession{keeper: kept}, nil }))
	go inbox.Serve(listener) //nolint:errcheck // it ends with the test
	t.Cleanup(func() { _ = inbox.Close() })
	front, err := openMailFront(t.Context(), system.NewPorts(), listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(front.close)

	for _, c := range []struct {
		mood Mood
		want []string // answers to two tries for each of eight addresses, by mood
	}{
		{Kind, []string{"250", "250"}},
		{Busy, []string{"421", "421"}},
		{Deferring, []string{"450", "250"}},
		{Dropping, []string{"EOF", "250"}},
	} {
		front.SetMood(c.mood)
		for i := range 8 {
			to := fmt.Sprintf("%s-%d@example.com", c.mood, i)
			if got := []string{send(front.addr, to), send(front.addr, to)}; !slices.Equal(got, c.want) {
				t.Errorf("%s: got %q; want %q", c.mood, got, c.want)
			}
		}
	}
	front.SetMood(Refusing)
	no := make(map[string]bool)
	for i := range 40 {
		to := fmt.Sprintf("refusing-%d@example.com", i)
		answer := send(front.addr, to)
		if again := send(front.addr, to); answer != again || answer != "550" && answer != "250" {
			t.Errorf("%s: got %s and %s; want the same twice", to, answer, again)
		}
		if answer == "550" {
			no[to] = true
		}
	}
	refused, dropped := front.Wronged()
	if len(no) == 0 || len(no) > 30 || len(refused) != len(no) || len(dropped) != 8 || dropped["dropping-0@example.com"] != 1 {
		t.Errorf("%d addresses were refused, %d are remembered; %v were dropped", len(no), len(refused), dropped)
	}
	count := 0
	for _, to := range kept.taken {
		if strings.HasPrefix(to, string(Dropping)) {
			count++
		}
	}
	if count != 16 {
		t.Errorf("the inbox has %d of the mails whose answers were dropped; want both of each", count)
	}
}

// send sends a mail and returns the code of the answer, EOF where none came.
func send(address, to string) string {
	client, err := smtp.Dial(address)
	if err == nil {
		defer client.Close() //nolint:errcheck // the mail is out, or not
		err = client.SendMail("shop@example.com", []string{to}, strings.NewReader("Subject: x\r\n\r\nx\r\n"))
	}
	var answer *smtp.SMTPError
	switch {
	case err == nil:
		return "250"
	case errors.As(err, &answer):
		return fmt.Sprint(answer.Code)
	default:
		return "EOF"
	}
}
