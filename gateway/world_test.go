package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/steadfast-shop/steadfast/shared-kit/httpserver"
	"github.com/steadfast-shop/steadfast/shared-kit/logging"
)

// clientAddress is where requests of these tests come from.
const clientAddress = "192.0.2.7:40000"

// world is a gateway with its upstreams on a network in memory, in a synctest bubble: all policies run with their real numbers, on a clock that does not wait.
type world struct {
	t         *testing.T
	gateway   *gateway
	registry  *prometheus.Registry
	order     *service
	inventory *service
	client    *http.Client
	log       *lockedBuffer

	mu        sync.Mutex
	listeners map[string]*memoryListener
}

// inWorld runs the test in a world whose gateway has the default settings as edit leaves them.
func inWorld(t *testing.T, edit func(*config), test func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c, err := loadConfig()
		if err != nil {
			t.Fatal(err)
		}
		c.Upstreams[0].URI.Host, c.Upstreams[1].URI.Host = "order.test:80", "inventory.test:80"
		if edit != nil {
			edit(&c)
		}
		t.Cleanup(func() { time.Sleep(time.Minute) }) // runs last: net/http lingers on some connections
		w := &world{t: t, registry: prometheus.NewRegistry(), log: &lockedBuffer{}, listeners: make(map[string]*memoryListener)}
		w.order, w.inventory = &service{world: w, host: "order.test:80"}, &service{world: w, host: "inventory.test:80"}
		w.order.start()
		w.inventory.start()
		log := logging.New(w.log, "gateway", -4)
		w.gateway = newGateway(c, w.dial, log, w.registry)
		w.serve("gateway.test:80", httpserver.New(w.gateway, c.Deadline, log))
		transport := &http.Transport{DialContext: w.dial, DisableCompression: true, MaxIdleConnsPerHost: 1000}
		w.client = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		t.Cleanup(func() {
			transport.CloseIdleConnections()
			if err := w.gateway.close(context.Background()); err != nil {
				t.Error(err)
			}
		})
		test(w)
	})
}

// serve runs a server at a host of the network until the test ends.
func (w *world) serve(host string, server *http.Server) {
	listener := &memoryListener{connections: make(chan net.Conn), closed: make(chan struct{})}
	w.mu.Lock()
	w.listeners[host] = listener
	w.mu.Unlock()
	go func() { _ = server.Serve(listener) }()
	w.t.Cleanup(func() { _ = server.Close() })
}

// dial connects to a host of the network; where nobody listens it is refused.
func (w *world) dial(ctx context.Context, _, host string) (net.Conn, error) {
	w.mu.Lock()
	listener := w.listeners[host]
	w.mu.Unlock()
	if listener == nil {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	}
	near, far := net.Pipe()
	select {
	case listener.connections <- fromClient{far}:
		return near, nil
	case <-listener.closed:
		return nil, syscall.ECONNREFUSED
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// service is an upstream. Its handler can be replaced at any time.
type service struct {
	world   *world
	host    string
	handler atomic.Pointer[http.HandlerFunc]
	hits    atomic.Int32
	server  *http.Server
}

// start answers requests from now on.
func (s *service) start() {
	s.server = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.hits.Add(1)
		if handler := s.handler.Load(); handler != nil {
			(*handler)(w, r)
		}
	})}
	s.world.serve(s.host, s.server)
}

// stop refuses connections from now on, and breaks the ones that are open.
func (s *service) stop() {
	s.world.mu.Lock()
	delete(s.world.listeners, s.host)
	s.world.mu.Unlock()
	_ = s.server.Close()
	s.world.gateway.upstreams[map[string]string{"order.test:80": "order-service", "inventory.test:80": "inventory-service"}[s.host]].transport.CloseIdleConnections()
}

// does sets what the service answers.
func (s *service) does(handler http.HandlerFunc) { s.handler.Store(&handler) }

// answer is what a client got.
type answer struct {
	status   int
	body     string
	header   http.Header
	attempts string
	took     time.Duration
	err      error // of reading the body
}

// ask sends a request to the gateway and reads the whole answer.
func (w *world) ask(method, path, body string, headers ...string) answer {
	w.t.Helper()
	r := w.request(context.Background(), method, path, body, headers...)
	started := time.Now()
	response, err := w.client.Do(r)
	if err != nil {
		return answer{err: err}
	}
	defer func() { _ = response.Body.Close() }()
	data, err := io.ReadAll(response.Body)
	return answer{
		status: response.StatusCode, body: string(data), header: response.Header,
		attempts: response.Header.Get(headerAttempts), took: time.Since(started), err: err,
	}
}

// request makes a request; headers are names and values in turn.
func (w *world) request(ctx context.Context, method, path, body string, headers ...string) *http.Request {
	w.t.Helper()
	r, err := http.NewRequestWithContext(ctx, method, "http://gateway.test:80"+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return r
}

// metric returns the sum of a metric's samples whose labels have the given values (names and values in turn); of a histogram, the count.
func (w *world) metric(name string, labels ...string) float64 {
	w.t.Helper()
	families, err := w.registry.Gather()
	if err != nil {
		w.t.Fatal(err)
	}
	var sum float64
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, sample := range family.GetMetric() {
			if hasLabels(sample, labels) {
				sum += sample.GetCounter().GetValue() + sample.GetGauge().GetValue() + float64(sample.GetHistogram().GetSampleCount())
			}
		}
	}
	return sum
}

func hasLabels(sample *dto.Metric, labels []string) bool {
	for i := 0; i < len(labels); i += 2 {
		found := false
		for _, label := range sample.GetLabel() {
			found = found || label.GetName() == labels[i] && label.GetValue() == labels[i+1]
		}
		if !found {
			return false
		}
	}
	return true
}

// equal reports a difference.
func equal[V comparable](t *testing.T, what string, got, want V) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// memoryListener hands over the far ends of connections.
type memoryListener struct {
	connections chan net.Conn
	once        sync.Once
	closed      chan struct{}
}

func (l *memoryListener) Accept() (net.Conn, error) {
	select {
	case connection := <-l.connections:
		return connection, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *memoryListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *memoryListener) Addr() net.Addr { return memoryAddress("server") }

// fromClient is a connection whose peer has an address.
type fromClient struct{ net.Conn }

func (fromClient) RemoteAddr() net.Addr { return memoryAddress(clientAddress) }

type memoryAddress string

func (memoryAddress) Network() string  { return "tcp" }
func (a memoryAddress) String() string { return string(a) }

// lockedBuffer is a log that can be read while it is written.
type lockedBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}

// Misbehaviours of upstreams.

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		_, _ = fmt.Fprintf(w, "status %d", code)
	}
}

// hang answers nothing until the caller gives up.
func hang(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// breakOff ends the connection without an answer.
func breakOff(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// truncate promises ten bytes and sends four.
func truncate(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "10")
	_, _ = io.WriteString(w, "four")
	panic(http.ErrAbortHandler)
}

// dribble sends the headers and the first of ten bytes, then nothing.
func dribble(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Length", "10")
	_, _ = io.WriteString(w, "f")
	_ = http.NewResponseController(w).Flush()
	<-r.Context().Done()
}
