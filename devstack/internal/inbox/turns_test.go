package inbox

import (
	"bufio"
	"net"
	"net/textproto"
	"strings"
	"testing"
	"time"
)

// Commands that come together get their answers together, each in its place; a client that sends one by one gets each at once.
func TestCommandsThatComeTogether(t *testing.T) {
	s := startInbox(t, t.TempDir())
	var dialer net.Dialer
	conn, err := dialer.DialContext(t.Context(), "tcp", s.smtp)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // the test is over
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	answers := textproto.NewReader(bufio.NewReader(conn))
	want := func(codes ...int) {
		t.Helper()
		for _, code := range codes {
			if _, message, err := answers.ReadResponse(code); err != nil {
				t.Fatalf("got %q (%v), want %d", message, err, code)
			}
		}
	}
	say := func(text string) {
		t.Helper()
		if _, err := conn.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	want(220)
	say("EHLO test\r\n")
	if _, extensions, err := answers.ReadResponse(250); err != nil || !strings.Contains(extensions, "PIPELINING") {
		t.Fatalf("got %q (%v), want PIPELINING among the extensions", extensions, err)
	}
	for _, to := range []string{"a@b.example", "c@d.example"} {
		say("MAIL FROM:<x@y.example>\r\nRCPT TO:<" + to + ">\r\nDATA\r\n")
		want(250, 250, 354)
		say(string(sample(to, "together", "1@x")) + "\r\n.\r\nNOOP\r\n")
		want(250, 250)
	}
	say("RCPT TO:<a@b.example>\r\nDATA\r\nNOOP\r\n")
	want(502, 502, 250)
	say("MAIL FROM:<x@y.example>\r\n")
	want(250)
	say("QUIT\r\n")
	want(221)
	if got := s.list(t, ""); len(got) != 2 {
		t.Errorf("got %v, want the two mails", got)
	}
}

// written notes each write of a connection.
type written struct {
	net.Conn
	pieces []string
}

func (w *written) Write(p []byte) (int, error) {
	w.pieces = append(w.pieces, string(p))
	return len(p), nil
}

func (w *written) Read([]byte) (int, error)         { return 0, nil }
func (w *written) SetWriteDeadline(time.Time) error { return nil }
func (w *written) Close() error                     { return nil }

func TestAnswersGoTogether(t *testing.T) {
	below := &written{}
	conn := &turnConn{Conn: below}
	for _, act := range []func() error{
		func() error { _, err := conn.Write([]byte("a")); return err },
		func() error { _, err := conn.Write([]byte("b")); return err },
		func() error { _, err := conn.Read(nil); return err },
		func() error { _, err := conn.Read(nil); return err },
		func() error { _, err := conn.Write([]byte("c")); return err },
		conn.Close,
	} {
		if err := act(); err != nil {
			t.Fatal(err)
		}
	}
	if got := strings.Join(below.pieces, "|"); got != "ab|c" {
		t.Errorf("got %q written, want ab when the next command is waited for, and c at the end", got)
	}
}
