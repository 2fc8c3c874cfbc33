package inbox

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/smtp"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// server is an inbox under test.
type server struct {
	smtp, page string
	stop       func()
}

func startInbox(t testing.TB, dir string) server {
	t.Helper()
	store, err := OpenStore(filepath.Join(dir, "mails"))
	if err != nil {
		t.Fatal(err)
	}
	var listeners [2]net.Listener
	for i := range listeners {
		var config net.ListenConfig
		if listeners[i], err = config.Listen(t.Context(), "tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, store, listeners[0], listeners[1], slog.New(slog.DiscardHandler)) }()
	var once sync.Once
	stop := func() {
		once.Do(func() {
			cancel()
			if err := <-ended; err != nil {
				t.Errorf("serve: %v", err)
			}
			_ = store.Close()
		})
	}
	t.Cleanup(stop)
	return server{listeners[0].Addr().String(), "http://" + listeners[1].Addr().String(), stop}
}

// sample is a mail as the notification service sends it.
func sample(to, subject, id string) []byte {
	return []byte(strings.ReplaceAll(fmt.Sprintf(`From: Steadfast <orders@steadfast.example>
To: %s
Subject: %s
Message-ID: <%s>
MIME-Version: 1.0
Content-Type: multipart/alternative; boundary=b

--b
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: quoted-printable

Gr=C3=BC=C3=9Fe
--b
Content-Type: text/html; charset=utf-8

<p>Hello</p><script>alert(1)</script>
--b--
`, to, subject, id), "\n", "\r\n"))
}

func (s server) send(t *testing.T, to, subject, id string) {
	t.Helper()
	if err := smtp.SendMail(s.smtp, nil, "orders@steadfast.example", []string{to}, sample(to, subject, id)); err != nil {
		t.Fatal(err)
	}
}

func (s server) get(t *testing.T, path string) (*http.Response, []byte) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.page+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // the test is about something else
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, body
}

func (s server) list(t *testing.T, query string) []string {
	t.Helper()
	_, body := s.get(t, "/api/mails"+query)
	var answer struct{ Mails []Summary }
	if err := json.Unmarshal(body, &answer); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	subjects := []string{}
	for _, mail := range answer.Mails {
		subjects = append(subjects, mail.Subject)
	}
	return subjects
}

func TestMailIsShownAsItWasSent(t *testing.T) {
	s := startInbox(t, t.TempDir())
	s.send(t, "user@example.com", "=?utf-8?q?Gr=C3=BC=C3=9Fe?=", "ORD-1@steadfast.example")
	_, body := s.get(t, "/api/mails/1")
	var mail Mail
	if err := json.Unmarshal(body, &mail); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	for what, pair := range map[string][2]string{
		"subject":    {mail.Subject, "Grüße"},
		"message id": {mail.MessageID, "ORD-1@steadfast.example"},
		"recipient":  {mail.To[0], "user@example.com"},
		"text":       {mail.Text, "Grüße"},
		"HTML":       {strings.TrimSpace(mail.HTML), "<p>Hello</p><script>alert(1)</script>"},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s: got %q, want %q", what, pair[0], pair[1])
		}
	}
	if response, _ := s.get(t, "/api/mails/2"); response.StatusCode != http.StatusNotFound {
		t.Errorf("a mail that is not there: got %s", response.Status)
	}
}

func TestListIsFilteredAndPaged(t *testing.T) {
	s := startInbox(t, t.TempDir())
	for i := range 5 {
		s.send(t, fmt.Sprintf("user%d@example.com", i%2), fmt.Sprintf("Order %d", i), fmt.Sprintf("ORD-%d@x", i))
	}
	for _, c := range []struct{ query, want string }{
		{"", "[Order 4 Order 3 Order 2 Order 1 Order 0]"},
		{"?limit=2", "[Order 4 Order 3]"},
		{"?before=4&limit=2", "[Order 2 Order 1]"},
		{"?after=3", "[Order 3 Order 4]"},
		{"?after=0&limit=2", "[Order 0 Order 1]"},
		{"?to=USER1@example.com", "[Order 3 Order 1]"},
		{"?subject=order+2", "[Order 2]"},
		{"?messageId=%3CORD-0@x%3E", "[Order 0]"},
		{"?to=nobody@example.com", "[]"},
	} {
		if got := fmt.Sprint(s.list(t, c.query)); got != c.want {
			t.Errorf("%s: got %s, want %s", c.query, got, c.want)
		}
	}
	if _, body := s.get(t, "/api/mails/count?to=user0@example.com"); strings.TrimSpace(string(body)) != `{"count":3}` {
		t.Errorf("count: got %s", body)
	}
	if _, body := s.get(t, "/api/mails?to=user0@example.com&limit=1&before=5"); !strings.Contains(string(body), `"total":3`) {
		t.Errorf("total: got %s", body)
	}
	for _, query := range []string{"?limit=x", "?after=-1", "?limit=99999999"} {
		if response, _ := s.get(t, "/api/mails"+query); response.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: got %s, want 400", query, response.Status)
		}
	}
}

func TestMailsSurviveARestartAndACutOffRecord(t *testing.T) {
	dir := t.TempDir()
	s := startInbox(t, dir)
	s.send(t, "user@example.com", "one", "1@x")
	s.send(t, "user@example.com", "two", "2@x")
	s.stop()
	file, err := os.OpenFile(filepath.Join(dir, "mails"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteString(`{"id":3,"size":1000}` + "\nonly a part"); err != nil {
		t.Fatal(err)
	}
	file.Close() //nolint:errcheck // the test is about something else

	s = startInbox(t, dir)
	s.send(t, "user@example.com", "three", "3@x")
	s.stop()
	s = startInbox(t, dir)
	if got := fmt.Sprint(s.list(t, "")); got != "[three two one]" {
		t.Errorf("got %s, want all three", got)
	}
	if _, body := s.get(t, "/api/mails/3/raw"); !strings.Contains(string(body), "Subject: three") {
		t.Errorf("raw mail: got %q", body)
	}
}

func TestIDsGoOnAfterAllWereDeleted(t *testing.T) {
	dir := t.TempDir()
	s := startInbox(t, dir)
	s.send(t, "user@example.com", "one", "1@x")
	request, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, s.page+"/api/mails", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close() //nolint:errcheck // the test is about something else
	if got := s.list(t, ""); len(got) > 0 {
		t.Errorf("after deletion: got %v", got)
	}
	s.stop()
	s = startInbox(t, dir)
	s.send(t, "user@example.com", "two", "2@x")
	if got := fmt.Sprint(s.list(t, "?after=1")); got != "[two]" {
		t.Errorf("got %s, want a mail with a higher id than the deleted one's", got)
	}
}

func TestManyConnectionsAtOnce(t *testing.T) {
	s := startInbox(t, t.TempDir())
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			to := fmt.Sprintf("user%d@example.com", i)
			if err := smtp.SendMail(s.smtp, nil, "a@b.example", []string{to}, sample(to, "s", fmt.Sprint(i))); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got := len(s.list(t, "")); got != 50 {
		t.Errorf("got %d mails, want 50", got)
	}
}

func TestAnyCredentialsAreAccepted(t *testing.T) {
	s := startInbox(t, t.TempDir())
	auth := smtp.PlainAuth("", "any", "thing", "127.0.0.1")
	if err := smtp.SendMail(s.smtp, auth, "a@b.example", []string{"user@example.com"}, sample("user@example.com", "s", "1@x")); err != nil {
		t.Fatal(err)
	}
}

func TestBrokenMailIsKeptAndShownAsItIs(t *testing.T) {
	s := startInbox(t, t.TempDir())
	if err := smtp.SendMail(s.smtp, nil, "a@b.example", []string{"user@example.com"}, []byte("no header at all\r\n")); err != nil {
		t.Fatal(err)
	}
	if response, body := s.get(t, "/api/mails/1"); response.StatusCode != http.StatusOK || !strings.Contains(string(body), "no header at all") {
		t.Errorf("got %s: %s", response.Status, body)
	}
}

// A mail may hold anything: its HTML must run no script and load nothing.
func TestPageAndMailAreConfined(t *testing.T) {
	s := startInbox(t, t.TempDir())
	s.send(t, "user@example.com", "one", "1@x")
	response, body := s.get(t, "/api/mails/1/html")
	policy := response.Header.Get("Content-Security-Policy")
	if !strings.Contains(string(body), "<p>Hello</p>") || !strings.Contains(policy, "default-src 'none'") || !strings.HasSuffix(policy, "sandbox") {
		t.Errorf("HTML of a mail: got policy %q", policy)
	}
	response, body = s.get(t, "/")
	policy = response.Header.Get("Content-Security-Policy")
	if !strings.Contains(policy, "script-src 'self'") || strings.Contains(policy, "unsafe") {
		t.Errorf("page: got policy %q", policy)
	}
	if !strings.Contains(string(body), ` sandbox title=`) || strings.Contains(string(body), "https://") {
		t.Error("the page's frame is not confined, or it loads from elsewhere")
	}
	_, script := s.get(t, "/inbox.js")
	if strings.Contains(string(script), "innerHTML") {
		t.Error("the page's script writes HTML that it got from a mail")
	}
}

func TestPageIsToldOfNewMail(t *testing.T) {
	s := startInbox(t, t.TempDir())
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.page+"/api/events", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // the test is about something else
	lines := bufio.NewScanner(response.Body)
	next := func() string {
		for lines.Scan() {
			if line := lines.Text(); strings.HasPrefix(line, "data: ") {
				return strings.TrimPrefix(line, "data: ")
			}
		}
		t.Fatalf("the stream ended: %v", lines.Err())
		return ""
	}
	if got := next(); got != `{"latest":0,"count":0}` {
		t.Errorf("first event: got %s", got)
	}
	s.send(t, "user@example.com", "one", "1@x")
	if got := next(); got != `{"latest":1,"count":1}` {
		t.Errorf("event of a mail: got %s", got)
	}
}
