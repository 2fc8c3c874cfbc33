package stack

import (
	"net"
	"net/url"
	"time"

	"github.com/steadfast-shop/steadfast/devstack/internal/supervise"
)

// Document describes the running stack to programs: it is the file stack.json
// in the data directory, and the answer of `devstack status --json`.
type Document struct {
	// Ready is true once all parts have been ready at the same start.
	Ready     bool      `json:"ready"`
	PID       int       `json:"pid"` // devstack's own
	StartedAt time.Time `json:"startedAt"`
	Data      string    `json:"data"`
	Control   string    `json:"control"` // the unix socket that devstack takes commands on
	URLs      URLs      `json:"urls"`
	Parts     []Part    `json:"parts"`
}

// URLs are where the parts are reached, ours or external.
type URLs struct {
	Gateway       string `json:"gateway"`
	GatewayAdmin  string `json:"gateway_admin"`
	Order         string `json:"order"`
	Inventory     string `json:"inventory"`
	InventoryGRPC string `json:"inventory_grpc"` // host:port
	Notification  string `json:"notification"`
	MongoDB       string `json:"mongodb"`
	Postgres      string `json:"postgres"`
	Kafka         string `json:"kafka"`  // host:port, or several with commas
	SMTP          string `json:"smtp"`   // host:port
	Inbox         string `json:"inbox"`  // "" if the mail server is external
	OTLP          string `json:"otlp"`   // "" if no traces are sent anywhere
	Traces        string `json:"traces"` // "" if they are sent elsewhere, or nowhere
}

// States of parts that devstack does not run.
const (
	External = "external" // runs elsewhere
	Left     = "left out" // was not asked for
)

// Part is one part of the running stack.
type Part struct {
	Name      string   `json:"name"`
	State     string   `json:"state"`
	PID       int      `json:"pid"` // 0 while it does not run
	Restarts  int      `json:"restarts"`
	Addresses []string `json:"addresses"`
	Log       string   `json:"log"`
}

// URLs returns where the parts are reached.
func (p *Plan) URLs() URLs {
	http := func(setting string) string { return "http://" + p.settings.address(setting) }
	host, port := p.settings.smtpAddress()
	urls := URLs{
		Gateway: http(gatewayPort), GatewayAdmin: http(gatewayAdminPort), Order: http(orderPort),
		Inventory: http(inventoryPort), InventoryGRPC: p.settings.address(inventoryGRPCPort),
		Notification: http(notificationPort),
		MongoDB:      p.mongodbURI(), Postgres: p.postgresURL(), Kafka: p.kafkaServers(),
		SMTP: net.JoinHostPort(host, port),
	}
	if !p.settings.External(Inbox) {
		urls.Inbox = http(inboxPort)
	}
	if p.settings.External(Traces) {
		urls.OTLP = p.otlpURL()
	} else if p.chosen[Traces] {
		urls.OTLP, urls.Traces = p.otlpURL(), http(tracesPort)
	}
	return urls
}

// Describe joins what the plan knows of the parts with what they do now. The
// parts come in the order in which a reader looks for them.
func (p *Plan) Describe(statuses []supervise.Status) []Part {
	urls := p.URLs()
	parts := []Part{
		{Name: Gateway, Addresses: []string{urls.Gateway, urls.GatewayAdmin}},
		{Name: Order, Addresses: []string{urls.Order}},
		{Name: Inventory, Addresses: []string{urls.Inventory, urls.InventoryGRPC}},
		{Name: Notification, Addresses: []string{urls.Notification}},
		{Name: Postgres, Addresses: []string{withoutPassword(urls.Postgres)}},
		{Name: FerretDB, Addresses: []string{withoutPassword(urls.MongoDB)}},
	}
	for i, name := range p.kafkaNames() {
		parts = append(parts, Part{Name: name, Addresses: []string{p.kafkaAddresses()[i]}})
	}
	parts = append(parts, []Part{
		{Name: Inbox, Addresses: []string{"smtp://" + urls.SMTP}},
		{Name: Traces, Addresses: tracesAddresses(urls)},
	}...)
	inbox := len(parts) - 2
	if urls.Inbox != "" {
		parts[inbox].Addresses = []string{urls.Inbox, "smtp://" + urls.SMTP}
	}
	running := map[string]supervise.Status{}
	for _, status := range statuses {
		running[status.Name] = status
	}
	for i := range parts {
		status, ours := running[parts[i].Name]
		if !ours {
			parts[i].State = External
			if !p.chosen[parts[i].Name] {
				parts[i].State = Left
			}
			continue
		}
		parts[i].State, parts[i].PID, parts[i].Restarts = string(status.State), status.PID, status.Restarts
		parts[i].Log = p.LogFile(status.Name)
	}
	return parts
}

// tracesAddresses are the page's, if it is ours, and the one that traces are sent to.
func tracesAddresses(urls URLs) []string {
	otlp := withoutPassword(urls.OTLP)
	if urls.Traces == "" {
		return []string{otlp}
	}
	return []string{urls.Traces, otlp}
}

// withoutPassword makes an address fit to be shown: no password, no options.
func withoutPassword(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return External // a list of hosts, say, that is no URL: it may hold a password
	}
	u.RawQuery = ""
	if u.User != nil {
		u.User = url.User(u.User.Username())
	}
	return u.String()
}
