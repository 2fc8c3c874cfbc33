package mail

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	netmail "net/mail"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/steadfast-shop/steadfast/shared-kit/settings"
)

const testHost = "smtp.example"

// loginServer asks for a login, as Mailtrap does.
type loginServer struct {
	logins, mails, clearText atomic.Int32
}

func (l *loginServer) NewSession(c *smtp.Conn) (smtp.Session, error) {
	return &loginSession{server: l, conn: c}, nil
}

type loginSession struct {
	server *loginServer
	conn   *smtp.Conn
	known  bool
}

func (s *loginSession) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *loginSession) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, username, password string) error {
		s.server.logins.Add(1)
		if _, encrypted := s.conn.TLSConnectionState(); !encrypted {
			s.server.clearText.Add(1)
		}
		if username != "user" || password != "secret" {
			return smtp.ErrAuthFailed
		}
		s.known = true
		return nil
	}), nil
}

func (s *loginSession) Mail(string, *smtp.MailOptions) error {
	if !s.known {
		return smtp.ErrAuthRequired
	}
	return nil
}

func (s *loginSession) Rcpt(string, *smtp.RcptOptions) error { return nil }

func (s *loginSession) Data(r io.Reader) error {
	_, err := io.Copy(io.Discard, r)
	s.server.mails.Add(1)
	return err
}

func (s *loginSession) Reset()        {}
func (s *loginSession) Logout() error { return nil }

// serve starts the server with a certificate for testHost, or without TLS, and returns how to reach it and whom to trust.
func (l *loginServer) serve(t *testing.T, withTLS bool) (dial func(context.Context, string, string) (net.Conn, error), roots *x509.CertPool) {
	t.Helper()
	server := smtp.NewServer(l)
	server.Domain, server.AllowInsecureAuth = testHost, true
	roots = x509.NewCertPool()
	if withTLS {
		certificate := selfSigned(t)
		roots.AddCert(certificate.Leaf)
		server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	}
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, listener.Addr().String())
	}, roots
}

func selfSigned(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{testHost}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

func TestLogin(t *testing.T) {
	tests := []struct {
		name                     string
		host, username, password string
		withTLS, trusted         bool
		want                     Kind // "" means sent
		logins, clearText        int32
	}{
		{"encrypted and proven", testHost, "user", "secret", true, true, "", 1, 0},
		{"bad password", testHost, "user", "wrong", true, true, Misconfigured, 1, 0},
		{"certificate of somebody else", "other.example", "user", "secret", true, true, Misconfigured, 0, 0},
		{"certificate of nobody known", testHost, "user", "secret", true, false, Misconfigured, 0, 0},
		{"no TLS offered", testHost, "user", "secret", false, true, Misconfigured, 0, 0},
		{"no TLS on this machine", "127.0.0.1", "user", "secret", false, true, "", 1, 1},
		{"login wanted, none set", testHost, "", "", true, false, Misconfigured, 0, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server := &loginServer{}
			sender, err := NewSender(Config{
				Host: test.host, Port: 587, Username: test.username, Password: settings.Secret(test.password), From: &netmail.Address{Address: "orders@shop.example"},
			})
			if err != nil {
				t.Fatal(err)
			}
			dial, roots := server.serve(t, test.withTLS)
			sender.DialWith(dial)
			if sender.roots = x509.NewCertPool(); test.trusted {
				sender.roots = roots
			}
			t.Cleanup(func() { _ = sender.Close(context.Background()) })
			got := Kind("")
			var failure *Failure
			if err := sender.Send(t.Context(), testOrder("ORD-1")); errors.As(err, &failure) {
				got = failure.Kind
			}
			if got != test.want {
				t.Errorf("got %q (%v), want %q", got, failure, test.want)
			}
			if logins, clearText := server.logins.Load(), server.clearText.Load(); logins != test.logins || clearText != test.clearText {
				t.Errorf("got %d logins, %d in clear text; want %d, %d", logins, clearText, test.logins, test.clearText)
			}
		})
	}
}
