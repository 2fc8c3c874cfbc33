package inbox

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

const (
	maxMail       = 25 << 20
	maxRecipients = 100
	idleAfter     = 5 * time.Minute // RFC 5321, 4.5.3.2.7
	keptBuffer    = 64 << 10        // of a connection, for its next mail
)

func newSMTPServer(store *Store, logger *slog.Logger) *smtp.Server {
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) {
		return &session{store: store, logger: logger}, nil
	}))
	server.Domain = "localhost"
	server.MaxMessageBytes = maxMail
	server.MaxRecipients = maxRecipients
	server.ReadTimeout, server.WriteTimeout = idleAfter, idleAfter
	server.AllowInsecureAuth = true // it never leaves this machine
	server.EnableSMTPUTF8 = true
	server.ErrorLog = slog.NewLogLogger(logger.Handler(), slog.LevelWarn)
	return server
}

// session takes mails over one connection, from anyone and for anyone.
type session struct {
	store  *Store
	logger *slog.Logger
	from   string
	to     []string
	buffer bytes.Buffer // for the mail under way
}

func (s *session) AuthMechanisms() []string { return []string{sasl.Plain, sasl.Login} }

// Auth accepts any credentials, so that clients can use theirs.
func (s *session) Auth(mechanism string) (sasl.Server, error) {
	if mechanism == sasl.Login {
		return &loginServer{}, nil
	}
	return sasl.NewPlainServer(func(_, _, _ string) error { return nil }), nil
}

func (s *session) Reset()        { s.from, s.to = "", nil }
func (s *session) Logout() error { return nil }

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	s.from = from
	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = append(s.to, to)
	return nil
}

// Data returns, and with it the 250 goes out, once the mail is kept.
func (s *session) Data(r io.Reader) error {
	defer func() {
		s.buffer.Reset()
		if s.buffer.Cap() > keptBuffer {
			s.buffer = bytes.Buffer{}
		}
	}()
	if _, err := s.buffer.ReadFrom(r); err != nil {
		return fmt.Errorf("receive mail: %w", err)
	}
	content := s.buffer.Bytes()
	summary := Summary{ReceivedAt: time.Now().UTC(), From: s.from, To: s.to}
	kept, err := s.store.Add(summarize(summary, content), content)
	if err != nil {
		s.logger.Error("keep mail", "error", err)
		return &smtp.SMTPError{Code: 452, EnhancedCode: smtp.EnhancedCode{4, 3, 1}, Message: "the mail cannot be kept"}
	}
	s.logger.Info("mail received", "id", kept.ID, "messageId", kept.MessageID, "size", kept.Size)
	return nil
}

// loginServer speaks LOGIN, which go-sasl has for clients only, and believes
// what it is told.
type loginServer struct{ asked int }

func (l *loginServer) Next(response []byte) (challenge []byte, done bool, err error) {
	if l.asked == 0 && len(response) > 0 {
		l.asked = 1 // the user name came with the command
	}
	l.asked++
	switch l.asked {
	case 1:
		return []byte("Username:"), false, nil
	case 2:
		return []byte("Password:"), false, nil
	default:
		return nil, true, nil
	}
}
