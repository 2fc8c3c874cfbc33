package fleet

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"strings"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"

	"github.com/steadfast-shop/steadfast/e2e/internal/system"
)

// Directions of a toxic.
const (
	// Requests is from who calls to who is called.
	Requests = "upstream"
	// Answers is the way back.
	Answers = "downstream"
)

// Toxic is a disturbance of one direction of a link, by toxiproxy's names.
type Toxic struct {
	Kind       string         `json:"type"`
	Direction  string         `json:"stream"`
	Attributes map[string]any `json:"attributes"`
	// Share is that of the connections it disturbs, by chance; 0 means all.
	Share float64 `json:"toxicity,omitempty"`
}

// Link is the way of one process to one service, which can be disturbed.
type Link struct {
	// Name is "from→to".
	Name string
	// From is the process that calls.
	From string
	// To is what is called.
	To string

	proxy *toxiproxy.Proxy
}

// Address is where the link begins, host:port.
func (l *Link) Address() string { return l.proxy.Listen }

// Service is that of the process that calls; who is no replica of a service stands for himself.
func (l *Link) Service() string {
	for _, service := range system.Services() {
		if strings.HasPrefix(l.From, service+"-") {
			return service
		}
	}
	return l.From
}

// Disturb adds the toxics to the connections that there are, and to new ones.
func (l *Link) Disturb(toxics ...Toxic) error {
	for _, toxic := range toxics {
		described, err := json.Marshal(toxic)
		if err != nil {
			return fmt.Errorf("describe a disturbance: %w", err)
		}
		if _, err := l.proxy.Toxics.AddToxicJson(bytes.NewReader(described)); err != nil {
			return fmt.Errorf("disturb %s: %w", l.Name, err)
		}
	}
	return nil
}

// Heal takes all disturbances away. Connections that have lost a part of their streams are closed.
func (l *Link) Heal(ctx context.Context) { l.proxy.Toxics.ResetToxics(ctx) }

// wiring opens links.
type wiring struct {
	ports  *system.Ports
	server *toxiproxy.ApiServer
	links  []*Link
}

func newWiring(ports *system.Ports) *wiring {
	return &wiring{ports: ports, server: toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())}
}

// open opens a link from a process to a target, host:port, and returns where it begins.
func (w *wiring) open(ctx context.Context, from, to, target string) (string, error) {
	free, err := w.ports.Take(ctx, 1)
	if err != nil {
		return "", err
	}
	return w.openAt(from, to, net.JoinHostPort("127.0.0.1", free[0]), target)
}

func (w *wiring) openAt(from, to, address, target string) (string, error) {
	link := &Link{Name: from + "→" + to, From: from, To: to}
	link.proxy = toxiproxy.NewProxy(w.server, link.Name, address, target)
	if err := link.proxy.Start(); err != nil {
		return "", fmt.Errorf("open the link %s: %w", link.Name, err)
	}
	w.links = append(w.links, link)
	return address, nil
}

func (w *wiring) close() {
	for _, link := range w.links {
		link.proxy.Stop()
	}
}
