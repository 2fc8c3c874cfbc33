package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// FuzzHeaders sends any headers that speak of who asks, from any address. Only a trusted proxy is believed, and what goes to logs and upstreams is fit for them.
func FuzzHeaders(f *testing.F) {
	f.Add("192.0.2.1:1", "203.0.113.9", "evil.example", "https", "id-1")
	f.Add("10.0.0.1:1", "203.0.113.9, 10.0.0.2", "shop.example", "https", strings.Repeat("x", 129))
	f.Add("[::ffff:10.0.0.1]:1", "2001:db8::1%eth0,,10.0.0.3", "", "javascript", "a b")
	f.Add("10.0.0.1:1", "not an address", "a\r\nb", "", "\x7f")
	f.Add("pipe", "10.0.0.1", "", "", "ü")
	proxies := trust{netip.MustParsePrefix("10.0.0.0/8")}
	c, err := loadConfig()
	if err != nil {
		f.Fatal(err)
	}
	g := newGateway(c, nil, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	visible := regexp.MustCompile(`^[!-~]{1,128}$`)
	f.Fuzz(func(t *testing.T, peer, forwardedFor, host, proto, id string) {
		r := httptest.NewRequest(http.MethodGet, "/nowhere", nil)
		r.RemoteAddr = peer
		for name, value := range map[string]string{
			"X-Forwarded-For": forwardedFor, "X-Forwarded-Host": host, "X-Forwarded-Proto": proto, "X-Request-Id": id, "Request-Timeout": "1",
		} {
			r.Header.Set(name, value)
		}
		checkClient(t, proxies, r, forwardedFor)
		checkForwarded(t, proxies, r)
		w := httptest.NewRecorder()
		g.ServeHTTP(w, r)
		got := w.Header().Get("X-Request-Id")
		if !visible.MatchString(got) || got != r.Header.Get("X-Request-Id") || visible.MatchString(id) && got != id || w.Code != http.StatusNotFound {
			t.Errorf("the request id %q became %q, for the upstream %q; the answer is %d", id, got, r.Header.Get("X-Request-Id"), w.Code)
		}
		if r.Header.Get("Request-Timeout") != "" {
			t.Error("the client's Request-Timeout goes on")
		}
	})
}

func checkClient(t *testing.T, proxies trust, r *http.Request, forwardedFor string) {
	t.Helper()
	client, peer := proxies.clientOf(r), peerOf(r)
	if client == peer {
		return
	}
	named := slices.ContainsFunc(strings.Split(forwardedFor, ","), func(hop string) bool {
		address, err := netip.ParseAddr(strings.TrimSpace(hop))
		return err == nil && address.Unmap() == client
	})
	if !proxies.holds(peer) || !named {
		t.Errorf("%s with X-Forwarded-For %q is taken for %s", r.RemoteAddr, forwardedFor, client)
	}
	if key := clientKey(client); key.IsValid() && !key.Contains(client.WithZone("")) {
		t.Errorf("%s is counted as %s", client, key)
	}
}

func checkForwarded(t *testing.T, proxies trust, r *http.Request) {
	t.Helper()
	out := r.Clone(t.Context())
	for _, name := range []string{headerForwardedFor, headerForwardedHost, headerForwardedProto} {
		out.Header.Del(name) // as ReverseProxy does
	}
	proxies.setForwarded(&httputil.ProxyRequest{In: r, Out: out})
	believed := proxies.holds(peerOf(r))
	want := map[string]string{headerForwardedHost: r.Host, headerForwardedProto: "http"}
	for name := range want {
		if prior := r.Header.Get(name); believed && prior != "" {
			want[name] = prior
		}
		if got := out.Header.Get(name); got != want[name] {
			t.Errorf("%s from %s goes on as %q; want %q", name, r.RemoteAddr, got, want[name])
		}
	}
	hops := out.Header.Get(headerForwardedFor)
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil && (!strings.HasSuffix(hops, host) || !believed && hops != host) {
		t.Errorf("X-Forwarded-For from %s goes on as %q", r.RemoteAddr, hops)
	}
}

// FuzzConfig loads any gateway.yaml with any settings over it. A gateway can be made of what loads, every number in it is usable, and every route leads somewhere.
func FuzzConfig(f *testing.F) {
	f.Add(string(defaultFile), "", "", "")
	f.Add("", "10.0.0.0/8, 2001:db8::1", "2.5", "1")
	f.Add("", "10.0.0.0/33", "1", "")
	f.Add("", "", "1e-300", "")
	f.Add("upstreams: [{name: x, uri: 'http://:80'}]\nroutes: [{path: /x, upstream: x}]", "", "", "")
	f.Add("", "fe80::1%eth0", "1000000", "1000000")
	f.Add("policies: {retry: {jitter: .nan, max: 1e1}, breaker: {window: -1}, bulkhead: 4294967296}", "", "0x1p-1074", "")
	f.Add("routes: [{path: /a, upstream: order-service}, {path: /a/b, upstream: order-service}]", "", "", "")
	f.Add("routes: [{path: '/a/{b}', upstream: order-service}, {path: //, upstream: order-service}, {path: '/a b', upstream: x}]", "", "", "")
	f.Add("upstreams: [{name: x, uri: 'http://:80'}, {name: x, uri: 'http://h:99999'}]\nroutes: [{path: /x, upstream: x}]", "", "", "")
	f.Add("deadline: -1s\nupstreams: {}\nunknown: 1", "", "", "")
	f.Add("{", "", "NaN", "")
	path := filepath.Join(f.TempDir(), "gateway.yaml")
	noDial := func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no network here") }
	f.Fuzz(func(t *testing.T, file, proxies, rate, burst string) {
		if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
		for name, value := range map[string]string{
			"GATEWAY_CONFIG": path, "GATEWAY_TRUSTED_PROXIES": proxies, "GATEWAY_RATE_LIMIT": rate, "GATEWAY_RATE_BURST": burst,
		} {
			if strings.ContainsRune(value, 0) {
				t.Skip("no environment can hold it")
			}
			t.Setenv(name, value)
		}
		c, err := loadConfig()
		if err != nil {
			if !strings.HasPrefix(err.Error(), "setting ") {
				t.Errorf("%q names no setting", err)
			}
			return
		}
		g := newGateway(c, noDial, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
		if limit := g.limit; limit != nil && (limit.period <= 0 || limit.burst < 1) {
			t.Errorf("GATEWAY_RATE_LIMIT=%q and GATEWAY_RATE_BURST=%q give %d in %v", rate, burst, limit.burst, limit.period)
		}
		for _, prefix := range c.TrustedProxies {
			if !prefix.IsValid() || prefix != prefix.Masked() {
				t.Errorf("GATEWAY_TRUSTED_PROXIES=%q holds %v", proxies, prefix)
			}
		}
		checkUpstreams(t, c, g)
	})
}

func checkUpstreams(t *testing.T, c config, g *gateway) {
	t.Helper()
	if c.Deadline < time.Millisecond || c.Deadline > 10*time.Minute {
		t.Errorf("the deadline is %v", c.Deadline)
	}
	for _, upstream := range c.Upstreams {
		if upstream.URI.Hostname() == "" || upstream.URI.Scheme != "http" && upstream.URI.Scheme != "https" {
			t.Errorf("the upstream %q is at %q", upstream.Name, upstream.URI)
		}
		p := upstream.Policies
		jitter := p.Retry.Jitter >= 0 && p.Retry.Jitter <= 1 && p.Retry.Budget >= 0 && p.Retry.Budget <= 1
		counts := p.Retry.Max >= 0 && p.Retry.Max <= 10 && p.Breaker.Failures >= 1 && p.Breaker.Failures <= p.Breaker.Window && p.Breaker.Successes >= 1 && p.Breaker.Successes <= p.Breaker.Trials
		spans := min(p.TryTimeout, p.Retry.FirstWait, p.Retry.LastWait, p.Breaker.Open) >= time.Millisecond && max(p.TryTimeout, p.Retry.LastWait, p.Breaker.Open) <= 10*time.Minute
		if !jitter || !counts || !spans || p.Bulkhead < 1 || p.Bulkhead > 100_000 || p.Breaker.Window > 100_000 || p.Breaker.Trials > 100_000 {
			t.Errorf("the policies of %q are %+v", upstream.Name, p)
		}
	}
	for _, route := range c.Routes {
		if g.upstreams[route.Upstream] == nil || !strings.HasPrefix(route.Path, "/") {
			t.Errorf("the route %+v leads nowhere", route)
		}
	}
}
