package mail

import (
	"context"
	"crypto/x509"
	"errors"
	"net"
	netmail "net/mail"
	"sync"
	"time"

	semconv "go.opentelemetry.io/otel/semconv/v1.37.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/steadfast-shop/steadfast/shared-kit/settings"
	eventsv1 "github.com/steadfast-shop/steadfast/shared-proto/events/v1"
)

// Limits of Mailtrap (help.mailtrap.io/article/100-sending-limits), which suit any provider.
const (
	maxConnections = 10
	maxMails       = 100 // on one connection
)

const (
	sendTimeout = 15 * time.Second // whatever the server does
	idleTimeout = 30 * time.Second // below the minutes after which servers hang up
	quitTimeout = time.Second
)

// MaxSendTime bounds Send, from its call to its return.
const MaxSendTime = sendTimeout

// Config says which server takes the mails, and from whom they are.
type Config struct {
	// Host is the server's name or address; with a Username its certificate must be for this name.
	Host string
	// Port is the server's port.
	Port int
	// Username logs in; empty means that the server asks for no login.
	Username string
	// Password belongs to Username.
	Password settings.Secret
	// From is the sender.
	From *netmail.Address
}

// Sender sends confirmations over few, reused connections. It is safe for concurrent use.
type Sender struct {
	config   Config
	composer *composer
	dial     func(ctx context.Context, network, address string) (net.Conn, error)
	roots    *x509.CertPool // nil means the system's

	slots chan struct{} // one for each connection in use

	mu     sync.Mutex
	idle   []*connection
	closed bool
}

// NewSender returns a Sender. It does not connect: the server may be away.
func NewSender(config Config) (*Sender, error) {
	composer, err := newComposer(config.From)
	if err != nil {
		return nil, err
	}
	return &Sender{config: config, composer: composer, dial: (&net.Dialer{}).DialContext, slots: make(chan struct{}, maxConnections)}, nil
}

// DialWith makes the Sender reach its server through dial: a proxy, or a test's pipe.
func (s *Sender) DialWith(dial func(ctx context.Context, network, address string) (net.Conn, error)) {
	s.dial = dial
}

// Send mails the confirmation of an order and returns once the server has taken it, after at most MaxSendTime. Every error is a *Failure. An Unavailable one leaves open
// whether the server took the mail.
func (s *Sender) Send(ctx context.Context, order *eventsv1.OrderPlaced) error {
	err := s.send(ctx, order)
	var failure *Failure
	if errors.As(err, &failure) {
		failure.hideCustomer(order.GetCustomer())
	}
	return err
}

func (s *Sender) send(ctx context.Context, order *eventsv1.OrderPlaced) error {
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	s.describe(trace.SpanFromContext(ctx))
	m, err := s.composer.compose(order, time.Now())
	if err != nil {
		return newFailure(stageCompose, err)
	}
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return newFailure(stageConnect, ctx.Err())
	}
	if c := s.takeIdle(); c != nil {
		err := s.deliver(ctx, c, m)
		if !isStale(err) {
			return err
		}
	}
	c, err := s.connect(ctx)
	if err != nil {
		return err
	}
	return s.deliver(ctx, c, m)
}

// describe tells the caller's span where the mail goes.
func (s *Sender) describe(span trace.Span) {
	if span.IsRecording() {
		span.SetAttributes(semconv.NetworkProtocolName("smtp"), semconv.ServerAddress(s.config.Host), semconv.ServerPort(s.config.Port))
	}
}

// MessageID returns the Message-ID of the order's mail, without angle brackets.
func (s *Sender) MessageID(orderNumber string) string { return s.composer.messageID(orderNumber) }

// isStale tells a reused connection that the server had hung up on meanwhile: nothing of the mail was sent yet, so a fresh one may try at once.
func isStale(err error) bool {
	var failure *Failure
	return errors.As(err, &failure) && failure.Kind == Unavailable && failure.stage == stageMail && !isRateLimit(failure.text)
}

// deliver sends over c, and keeps c for the next mail where that is possible.
func (s *Sender) deliver(ctx context.Context, c *connection, m message) error {
	err := c.deliver(ctx, m)
	switch {
	case !c.settle(ctx, err):
		_ = c.raw.Close() // without QUIT, which a server that hangs would not answer
	case c.sent >= maxMails:
		c.close(quitTimeout)
	default:
		s.putIdle(c)
	}
	return err
}

func (s *Sender) takeIdle() *connection {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.idle) > 0 {
		last := len(s.idle) - 1
		c := s.idle[last]
		s.idle = s.idle[:last]
		if c.expiry.Stop() { // else its time is just up, and expire closes it
			return c
		}
	}
	return nil
}

func (s *Sender) putIdle(c *connection) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		_ = c.raw.Close()
		return
	}
	c.expiry = time.AfterFunc(idleTimeout, func() { s.expire(c) })
	s.idle = append(s.idle, c)
}

func (s *Sender) expire(c *connection) {
	s.mu.Lock()
	for i, other := range s.idle {
		if other == c {
			s.idle = append(s.idle[:i], s.idle[i+1:]...)
			break
		}
	}
	s.mu.Unlock()
	c.close(quitTimeout)
}

// Close ends the idle connections. A delivery under way ends by itself, and then closes its connection.
func (s *Sender) Close(context.Context) error {
	s.mu.Lock()
	idle := s.idle
	s.idle, s.closed = nil, true
	s.mu.Unlock()
	var goodbyes sync.WaitGroup
	for _, c := range idle {
		if c.expiry.Stop() {
			goodbyes.Go(func() { c.close(quitTimeout) })
		}
	}
	goodbyes.Wait()
	return nil
}
