package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/steadfast-shop/steadfast/shared-kit/input"
)

// echo answers with what the upstream got.
func echo(name string) http.HandlerFunc {
	return func(rw http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(rw, "%s %s %s", name, r.Method, r.RequestURI)
	}
}

func TestRoutes(t *testing.T) {
	for _, tt := range []struct {
		method, path string
		status       int
		body         string
	}{
		{"GET", "/api/order", 200, "order GET /api/order"},
		{"GET", "/api/order/", 200, "order GET /api/order/"},
		{"GET", "/api/order/user1?limit=5&after=ORD-1", 200, "order GET /api/order/user1?limit=5&after=ORD-1"},
		{"GET", "/api/order/a%2Fb/c%20d", 200, "order GET /api/order/a%2Fb/c%20d"},
		{"GET", "/api/order/%E2%82%AC//x/../y;z", 200, "order GET /api/order/%E2%82%AC//x/../y;z"},
		{"GET", "/api/order/user1?a=1;b=2&%zz", 200, "order GET /api/order/user1?a=1;b=2&%zz"},
		{"GET", "/api/order/user1?", 200, "order GET /api/order/user1?"},
		{"PATCH", "/api/inventory/SKU001", 200, "inventory PATCH /api/inventory/SKU001"},
		{"GET", "/api/inventory?skuCode=SKU001&skuCode=SKU002", 200, "inventory GET /api/inventory?skuCode=SKU001&skuCode=SKU002"},
		{"GET", "/api/orders", 404, `"code":"not_found"`},
		{"GET", "/api/inventoryx/1", 404, `"code":"not_found"`},
		{"GET", "/", 404, `"code":"not_found"`},
		{"GET", "/metrics", 404, `"code":"not_found"`},
		{"TRACE", "/api/order/user1", 405, `"code":"method_not_allowed"`},
		{"BREW", "/api/order/user1", 405, `"code":"method_not_allowed"`},
	} {
		inWorld(t, nil, func(w *world) {
			w.order.does(echo("order"))
			w.inventory.does(echo("inventory"))
			got := w.ask(tt.method, tt.path, "")
			equal(t, tt.path+": status", got.status, tt.status)
			if !strings.Contains(got.body, tt.body) {
				t.Errorf("%s: got the body %s, want %s", tt.path, got.body, tt.body)
			}
			if got.header.Get("X-Request-Id") == "" {
				t.Errorf("%s: got no request id", tt.path)
			}
		})
	}
}

func TestRequestIDs(t *testing.T) {
	for _, tt := range []struct {
		sent string
		kept bool
	}{
		{"abc-123", true},
		{strings.Repeat("x", 128), true},
		{"", false},
		{"with space", false},
		{"ümlaut", false},
		{strings.Repeat("x", 129), false},
	} {
		inWorld(t, nil, func(w *world) {
			var passed string
			w.order.does(func(rw http.ResponseWriter, r *http.Request) {
				passed = r.Header.Get("X-Request-Id")
				rw.Header().Set("X-Request-Id", "the upstream's own")
				rw.Header().Set(headerAttempts, "99")
			})
			got := w.ask("GET", "/api/order/user1", "", "X-Request-Id", tt.sent, headerAttempts, "77")
			returned := strings.Join(got.header.Values("X-Request-Id"), "|")
			equal(t, "returned", returned, passed)
			equal(t, "kept", passed == tt.sent, tt.kept)
			if !tt.kept && len(passed) != 36 {
				t.Errorf("%q: got %q, want a UUID in its place", tt.sent, passed)
			}
			equal(t, "attempts", strings.Join(got.header.Values(headerAttempts), "|"), "1")
			synctest.Wait()
			if !strings.Contains(w.log.String(), `"request_id":"`+passed+`"`) {
				t.Error("the access log does not have the request id")
			}
		})
	}
}

func TestHeadersThatDoNotPass(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.order.does(func(rw http.ResponseWriter, r *http.Request) {
			for _, name := range []string{"Connection", "Upgrade", "Te", "Expect", "Keep-Alive", "Proxy-Authorization", "X-Hop", "Forwarded", "Request-Id", headerAttempts} {
				equal(t, name, r.Header.Get(name), "")
			}
			equal(t, "Authorization", r.Header.Get("Authorization"), "passes")
			equal(t, "Host", r.Host, "order.test:80")
			rw.Header().Set("Connection", "X-Back")
			rw.Header().Set("X-Back", "1")
			rw.Header().Set("Keep-Alive", "5")
			rw.Header().Add("Set-Cookie", "a=1")
			rw.Header().Add("Set-Cookie", "b=2")
		})
		got := w.ask("POST", "/api/order", "{}", "Connection", "Upgrade, X-Hop", "Upgrade", "websocket", "X-Hop", "1", "Te", "trailers", "Expect", "100-continue",
			"Keep-Alive", "1", "Proxy-Authorization", "secret", "Forwarded", "for=1.2.3.4", headerAttempts, "9", "Authorization", "passes")
		equal(t, "status", got.status, 200)
		equal(t, "X-Back", got.header.Get("X-Back"), "")
		equal(t, "Keep-Alive", got.header.Get("Keep-Alive"), "")
		equal(t, "Set-Cookie", strings.Join(got.header.Values("Set-Cookie"), " "), "a=1 b=2")
	})
}

func TestForwardedHeaders(t *testing.T) {
	peer := netip.MustParsePrefix("192.0.2.0/24")
	for _, tt := range []struct {
		name    string
		trusted trust
		sent    []string
		want    string // for, host, proto
	}{
		{"nobody trusted", nil, []string{"X-Forwarded-For", "1.1.1.1", "X-Forwarded-Host", "evil", "X-Forwarded-Proto", "https"}, "192.0.2.7 gateway.test http"},
		{"another trusted", trust{netip.MustParsePrefix("10.0.0.0/8")}, []string{"X-Forwarded-For", "1.1.1.1"}, "192.0.2.7 gateway.test http"},
		{"trusted", trust{peer}, []string{"X-Forwarded-For", "1.1.1.1", "X-Forwarded-Host", "shop.example", "X-Forwarded-Proto", "https"}, "1.1.1.1, 192.0.2.7 shop.example https"},
		{"trusted, two lines", trust{peer}, []string{"X-Forwarded-For", "1.1.1.1", "X-Forwarded-For", "2.2.2.2"}, "1.1.1.1, 2.2.2.2, 192.0.2.7 gateway.test http"},
		{"trusted, silent", trust{peer}, nil, "192.0.2.7 gateway.test http"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, func(c *config) { c.TrustedProxies = tt.trusted }, func(w *world) {
				w.order.does(func(rw http.ResponseWriter, r *http.Request) {
					_, _ = fmt.Fprint(rw, r.Header.Get("X-Forwarded-For"), " ", strings.TrimSuffix(r.Header.Get("X-Forwarded-Host"), ":80"), " ", r.Header.Get("X-Forwarded-Proto"))
				})
				equal(t, "forwarded", w.ask("GET", "/api/order/user1", "", tt.sent...).body, tt.want)
			})
		})
	}
}

func TestClientOf(t *testing.T) {
	trusted := trust{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	for _, tt := range []struct{ peer, forwarded, want string }{
		{"1.2.3.4:5", "9.9.9.9", "1.2.3.4"},
		{"10.0.0.1:5", "", "10.0.0.1"},
		{"10.0.0.1:5", "9.9.9.9", "9.9.9.9"},
		{"10.0.0.1:5", "8.8.8.8, 9.9.9.9", "9.9.9.9"},
		{"10.0.0.1:5", "8.8.8.8, 9.9.9.9, 10.0.0.2", "9.9.9.9"},
		{"10.0.0.1:5", "8.8.8.8, nonsense", "10.0.0.1"},
		{"[::ffff:10.0.0.1]:5", "9.9.9.9", "9.9.9.9"},
		{"[fd00::1%eth0]:5", "2001:db8::1", "2001:db8::1"},
		{"pipe", "9.9.9.9", "invalid IP"},
	} {
		r := &http.Request{RemoteAddr: tt.peer, Header: http.Header{headerForwardedFor: {tt.forwarded}}}
		equal(t, tt.peer+" "+tt.forwarded, trusted.clientOf(r).String(), tt.want)
	}
}

func TestBodySizes(t *testing.T) {
	for _, tt := range []struct {
		size    int
		chunked bool
		status  int
	}{
		{input.MaxBody, false, 200},
		{input.MaxBody, true, 200},
		{input.MaxBody + 1, false, 413},
		{input.MaxBody + 1, true, 413},
		{0, true, 200},
	} {
		inWorld(t, nil, func(w *world) {
			w.order.does(func(_ http.ResponseWriter, r *http.Request) {
				n, err := io.Copy(io.Discard, r.Body)
				equal(t, "bytes", int(n), tt.size)
				equal(t, "error", err, nil)
				equal(t, "Content-Length", r.ContentLength, int64(tt.size))
			})
			r := w.request(context.Background(), "POST", "/api/order", strings.Repeat("x", tt.size))
			if tt.chunked {
				r.ContentLength, r.Body = -1, io.NopCloser(strings.NewReader(strings.Repeat("x", tt.size)))
			}
			response, err := w.client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(response.Body)
			_ = response.Body.Close()
			equal(t, fmt.Sprint(tt.size, " bytes: status"), response.StatusCode, tt.status)
			if tt.status == 413 {
				equal(t, "requests that the upstream saw", w.order.hits.Load(), 0)
				equal(t, "rejections", w.metric("gateway_rejections_total", "policy", policyBody), 1)
				if !strings.Contains(string(body), `"code":"body_too_large"`) {
					t.Errorf("got the body %s, want the problem body_too_large", body)
				}
			}
		})
	}
}

func TestBodiesThatDoNotArrive(t *testing.T) {
	for _, tt := range []struct {
		name, request string
		status        string
	}{
		{"too slow", "POST /api/order HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nfour", "408"},
		{"too slow, chunked", "POST /api/order HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfour\r\n", "408"},
		{"broken chunk", "POST /api/order HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nno number\r\n", "400"},
		{"headers too large", "GET /api/order HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 80<<10) + "\r\n\r\n", "431"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, nil, func(w *world) {
				connection, err := w.dial(context.Background(), "tcp", "gateway.test:80")
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = connection.Close() }()
				go func() { _, _ = io.WriteString(connection, tt.request) }()
				started := time.Now()
				line, err := bufio.NewReader(connection).ReadString('\n')
				equal(t, "error", err, nil)
				if !strings.HasPrefix(line, "HTTP/1.1 "+tt.status) {
					t.Errorf("got %s, want %s", line, tt.status)
				}
				if took := time.Since(started); tt.status == "408" && took != 10*time.Second {
					t.Errorf("took %s, want the request's deadline of 10 s", took)
				}
				equal(t, "requests that the upstream saw", w.order.hits.Load(), 0)
				if rest, err := io.Copy(io.Discard, connection); err != nil {
					t.Errorf("the connection stays open: %d bytes more, %v", rest, err)
				}
			})
		})
	}
}

func TestRateLimit(t *testing.T) {
	inWorld(t, func(c *config) {
		c.RateLimit, c.RateBurst = 5, 10
		c.TrustedProxies = trust{netip.MustParsePrefix("192.0.2.0/24")}
	}, func(w *world) {
		ask := func(client string) answer { return w.ask("GET", "/api/order/user1", "", "X-Forwarded-For", client) }
		for range 10 {
			equal(t, "status within the burst", ask("1.1.1.1").status, 200)
		}
		got := ask("1.1.1.1")
		equal(t, "status", got.status, 429)
		equal(t, "Retry-After", got.header.Get("Retry-After"), "2")
		if !strings.Contains(got.body, `"code":"rate_limited"`) {
			t.Errorf("got the body %s, want the problem rate_limited", got.body)
		}
		equal(t, "rejections", w.metric("gateway_rejections_total", "policy", policyRateLimit), 1)
		equal(t, "another client's status", ask("1.1.1.2").status, 200)
		for range 10 {
			equal(t, "status of an IPv6 subscriber", ask("2001:db8:1:1::1").status, 200)
		}
		equal(t, "the same one's other address", ask("2001:db8:1:1::2").status, 429)
		equal(t, "a neighbour", ask("2001:db8:1:2::1").status, 200)
		equal(t, "paths that are not proxied", w.ask("GET", "/nothing", "", "X-Forwarded-For", "1.1.1.1").status, 404)
		time.Sleep(2 * time.Second)
		for range 10 {
			equal(t, "status after Retry-After", ask("1.1.1.1").status, 200)
		}
		equal(t, "status after ten more", ask("1.1.1.1").status, 429)
	})
}

func TestRateLimitForgetsIdleClients(t *testing.T) {
	inWorld(t, func(c *config) { c.RateLimit, c.RateBurst = 1, 1 }, func(w *world) {
		l := w.gateway.limit
		l.most = 100
		for i := range 250 {
			l.allow(netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}))
		}
		equal(t, "clients held of 250", len(l.current)+len(l.previous), 150)
		time.Sleep(time.Second)
		l.allow(netip.IPv4Unspecified())
		time.Sleep(time.Second)
		l.allow(netip.IPv4Unspecified())
		equal(t, "clients held after two periods", len(l.current)+len(l.previous), 2)
	})
}
