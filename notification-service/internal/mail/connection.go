package mail

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"time"

	gomail "github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"
)

const dialTimeout = 5 * time.Second

// connection is one SMTP session with a server, used by one delivery at a time.
type connection struct {
	raw    net.Conn // beneath TLS: what deadlines are set on
	client *smtp.Client
	sent   int         // mails begun on it
	isCut  bool        // it cannot go on: a delivery's context ended on it, so that its deadline may still be about to pass, or its answers are not in step
	expiry *time.Timer // closes it while it is idle
}

// unhurried ignores the deadlines that go-mail sets: they restart at some commands and not at others. Ours is one for the whole delivery, set on the connection beneath.
type unhurried struct{ net.Conn }

// SetDeadline implements net.Conn.
func (unhurried) SetDeadline(time.Time) error { return nil }

// connect opens a connection, encrypted and logged in as the settings ask, within ctx's time.
func (s *Sender) connect(ctx context.Context) (*connection, error) {
	c := &connection{}
	release := func() bool { return true }
	options := append(s.options(), gomail.WithDialContextFunc(func(dialing context.Context, network, address string) (net.Conn, error) {
		dialing, cancel := context.WithTimeout(dialing, dialTimeout)
		defer cancel()
		raw, err := s.dial(dialing, network, address)
		if err != nil {
			return nil, err
		}
		c.raw = raw
		release = c.bind(ctx) // go-mail watches its context only while it dials
		return unhurried{raw}, nil
	}))
	dialer, err := gomail.NewClient(s.config.Host, options...)
	if err != nil {
		return nil, newFailure(stageConnect, fmt.Errorf("prepare the connection: %w", err))
	}
	c.client, err = dialer.DialToSMTPClientWithContext(ctx)
	c.isCut = !release()
	if err != nil {
		if c.raw != nil { // go-mail leaves it open when EHLO, STARTTLS or AUTH fail
			_ = c.raw.Close()
		}
		return nil, newFailure(stageConnect, err)
	}
	return c, nil
}

// options say how to encrypt and log in. With credentials the server must prove who it is; without any (a relay in the cluster, the local inbox) TLS is taken where it is
// offered, whatever its certificate, since clear text would do as well. A loopback address needs no proof either.
func (s *Sender) options() []gomail.Option {
	config := s.config
	options := []gomail.Option{gomail.WithPort(config.Port), gomail.WithTimeout(sendTimeout)}
	isSecret := config.Username != "" && !isLoopback(config.Host)
	if isSecret {
		options = append(options, gomail.WithTLSPolicy(gomail.TLSMandatory),
			gomail.WithTLSConfig(&tls.Config{ServerName: config.Host, MinVersion: tls.VersionTLS12, RootCAs: s.roots}))
	} else {
		options = append(options, gomail.WithTLSPolicy(gomail.TLSOpportunistic),
			gomail.WithTLSConfig(&tls.Config{ServerName: config.Host, MinVersion: tls.VersionTLS12, InsecureSkipVerify: true})) //nolint:gosec // nothing secret: see above
	}
	if config.Username != "" {
		options = append(options, gomail.WithSMTPAuth(gomail.SMTPAuthPlain), gomail.WithUsername(config.Username), gomail.WithPassword(config.Password.Reveal()))
	}
	return options
}

func isLoopback(host string) bool {
	address := net.ParseIP(host)
	return host == "localhost" || address != nil && address.IsLoopback()
}

// deliver sends one mail. A nil error means that the server took it. After an error, settle tells whether the connection can go on.
func (c *connection) deliver(ctx context.Context, m message) error {
	release := c.bind(ctx)
	defer func() { c.isCut = c.isCut || !release() }()
	c.sent++
	if ok, _ := c.client.Extension("SMTPUTF8"); m.utf8 && !ok {
		return newFailure(stageCompose, errors.New("the server does not take addresses beyond ASCII"))
	}
	if err := c.open(m); err != nil {
		return err
	}
	// After a failed write there is no final dot behind the content: the server does not take half a mail.
	// gofail: var contentBefore struct{}
	if err := c.write(m.data); err != nil {
		return newFailure(stageContent, err)
	}
	// gofail: var contentAfter struct{}
	if _, _, err := c.client.Text.ReadResponse(250); err != nil {
		return newFailure(stageContent, err)
	}
	return nil
}

// step is a command of a delivery, and the code (or its first digits) with which the server agrees.
type step struct {
	stage, command string
	code           int
}

// open asks the server to take a mail, up to where its content may follow. The three commands go out together where the server announces that it copes (PIPELINING, RFC 2920):
// a packet and a change of tasks for one answer each is what a mail costs most. What an answer means is the same either way, and the first that disagrees decides.
func (c *connection) open(m message) error {
	steps := []step{{stageMail, "MAIL FROM:" + m.from + c.mailParameters(), 250}, {stageRcpt, "RCPT TO:" + m.to, 25}, {stageData, "DATA", 354}}
	isTogether, _ := c.client.Extension("PIPELINING")
	if isTogether {
		if err := c.write([]byte(steps[0].command + "\r\n" + steps[1].command + "\r\n" + steps[2].command + "\r\n")); err != nil {
			return newFailure(stageMail, err)
		}
	}
	for i, next := range steps {
		if !isTogether {
			if err := c.write([]byte(next.command + "\r\n")); err != nil {
				return newFailure(next.stage, err)
			}
		}
		if _, _, err := c.client.Text.ReadResponse(next.code); err != nil {
			if isTogether {
				c.skip(steps[i+1:])
			}
			return newFailure(next.stage, err)
		}
	}
	return nil
}

// skip reads the answers to commands that went out after the one that failed. A server that would take content all the same cannot be told otherwise, so the connection ends there.
func (c *connection) skip(steps []step) {
	for _, left := range steps {
		_, _, err := c.client.Text.ReadResponse(left.code)
		var reply *textproto.Error
		if !errors.As(err, &reply) && (err != nil || left.stage == stageData) {
			c.isCut = true
			return
		}
	}
}

// mailParameters names the extensions that a mail uses wherever the server has them: its text is 8 bit at the most, and its addresses may be UTF-8.
func (c *connection) mailParameters() string {
	parameters := ""
	if ok, _ := c.client.Extension("8BITMIME"); ok {
		parameters += " BODY=8BITMIME"
	}
	if ok, _ := c.client.Extension("SMTPUTF8"); ok {
		parameters += " SMTPUTF8"
	}
	return parameters
}

// write sends text in one piece.
func (c *connection) write(text []byte) error {
	if _, err := c.client.Text.W.Write(text); err != nil {
		return err
	}
	return c.client.Text.W.Flush()
}

// settle makes the connection fit for the next mail after a delivery that ended with err, or says that it is not.
func (c *connection) settle(ctx context.Context, err error) (usable bool) {
	if c.isCut {
		return false
	}
	if err == nil {
		return true
	}
	var failure *Failure
	if !errors.As(err, &failure) || failure.Kind != Deferred && failure.Kind != Refused {
		return false
	}
	release := c.bind(ctx)
	err = c.client.Reset()
	return release() && err == nil
}

// bind gives whatever comes next on the connection ctx's deadline, and ends it when ctx ends. The returned function undoes the latter; false means that ctx has ended.
func (c *connection) bind(ctx context.Context) (release func() bool) {
	deadline, _ := ctx.Deadline()
	_ = c.raw.SetDeadline(deadline) // a connection that takes no deadline is closed, and says so at its next use
	return context.AfterFunc(ctx, func() { _ = c.raw.SetDeadline(time.Unix(1, 0)) })
}

// close says goodbye, briefly.
func (c *connection) close(patience time.Duration) {
	_ = c.raw.SetDeadline(time.Now().Add(patience))
	_ = c.client.Quit() // the server may have gone first
	_ = c.raw.Close()
}
