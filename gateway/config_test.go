package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestDefaultsAreTheDesigns(t *testing.T) {
	c, err := loadConfig()
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "ports", [2]int{c.Port, c.AdminPort}, [2]int{9000, 9001})
	equal(t, "deadline", c.Deadline, 10*time.Second)
	equal(t, "rate limit", c.RateLimit, 0)
	equal(t, "trusted proxies", len(c.TrustedProxies), 0)
	equal(t, "first route", c.Routes[0], routeConfig{Path: "/api/order", Upstream: "order-service", RepeatablePost: true})
	equal(t, "second route", c.Routes[1], routeConfig{Path: "/api/inventory", Upstream: "inventory-service"})
	equal(t, "order's URI", c.Upstreams[0].URI.String(), "http://127.0.0.1:8081")
	equal(t, "inventory's URI", c.Upstreams[1].URI.String(), "http://127.0.0.1:8082")
	for _, upstream := range c.Upstreams {
		equal(t, "policies of "+upstream.Name, upstream.Policies, policies{
			TryTimeout: 3 * time.Second,
			Retry:      retryPolicy{Max: 3, FirstWait: 50 * time.Millisecond, LastWait: 200 * time.Millisecond, Jitter: 0.25, Budget: 0.2, Always: 10},
			Breaker:    breakerPolicy{Failures: 5, Window: 10, Open: 5 * time.Second, Trials: 3, Successes: 2},
			Bulkhead:   256,
		})
	}
}

func TestSettingsReplaceDefaults(t *testing.T) {
	t.Setenv("ORDER_SERVICE_URI", "http://order.example:1")
	t.Setenv("GATEWAY_RATE_LIMIT", "2.5")
	t.Setenv("GATEWAY_TRUSTED_PROXIES", "10.0.0.0/8, 192.0.2.1, 2001:db8::/32")
	t.Setenv("GATEWAY_DEADLINE", "4s")
	t.Setenv("GATEWAY_POLICIES_RETRY_MAX", "0")
	t.Setenv("GATEWAY_POLICIES_BREAKER_OPEN", "1s")
	t.Setenv("GATEWAY_CONFIG", writeFile(t, `
upstreams:
  - name: order-service
    uri: http://127.0.0.1:8081
    uri_setting: ORDER_SERVICE_URI
    policies:
      bulkhead: 7
      retry: {first_wait: 200ms}
  - name: inventory-service
    uri: https://stock.example
`))
	c, err := loadConfig()
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "order's URI", c.Upstreams[0].URI.String(), "http://order.example:1")
	equal(t, "inventory's URI", c.Upstreams[1].URI.String(), "https://stock.example")
	equal(t, "rate", c.RateLimit, 2.5)
	equal(t, "burst", c.RateBurst, 2)
	equal(t, "trusted proxies", len(c.TrustedProxies), 3)
	equal(t, "deadline", c.Deadline, 4*time.Second)
	equal(t, "retries", c.Upstreams[0].Policies.Retry.Max, 0)
	equal(t, "first wait", c.Upstreams[0].Policies.Retry.FirstWait, 200*time.Millisecond)
	equal(t, "last wait", c.Upstreams[0].Policies.Retry.LastWait, 200*time.Millisecond)
	equal(t, "bulkheads", [2]uint{c.Upstreams[0].Policies.Bulkhead, c.Upstreams[1].Policies.Bulkhead}, [2]uint{7, 256})
	equal(t, "open", c.Upstreams[1].Policies.Breaker.Open, time.Second)
	equal(t, "routes", len(c.Routes), 2)
}

func TestEveryFaultIsNamed(t *testing.T) {
	for _, tt := range []struct {
		name     string
		settings map[string]string
		file     string
		want     []string
	}{
		{"settings", map[string]string{
			"GATEWAY_PORT": "x", "GATEWAY_ADMIN_PORT": "70000", "GATEWAY_RATE_LIMIT": "-1", "GATEWAY_RATE_BURST": "0", "GATEWAY_TRUSTED_PROXIES": "me",
			"ORDER_SERVICE_URI": "order:8081", "INVENTORY_SERVICE_URI": "http://stock/api", "LOG_LEVEL": "loud",
		}, "", []string{
			"GATEWAY_PORT", "GATEWAY_ADMIN_PORT", "GATEWAY_RATE_LIMIT", "GATEWAY_RATE_BURST", "GATEWAY_TRUSTED_PROXIES",
			"ORDER_SERVICE_URI", "upstreams[1].uri must end", "LOG_LEVEL",
		}},
		{"one port for both", map[string]string{"GATEWAY_PORT": "9001"}, "", []string{"GATEWAY_ADMIN_PORT must differ"}},
		{"policies", map[string]string{"GATEWAY_DEADLINE": "1us"}, `
policies:
  try_timeout: 0s
  retry: {max: -1, first_wait: 0s, last_wait: 0s, jitter: 2, budget: -1, always: -1}
  breaker: {failures: 3, window: 2, open: 0s, trials: 0, successes: 0}
  bulkhead: 0
`, []string{
			"deadline", "try_timeout", "retry.max", "retry.first_wait", "retry.last_wait", "retry.jitter", "retry.budget", "retry.always",
			"breaker.failures", "breaker.open", "breaker.trials", "breaker.successes", "upstreams[1].policies.bulkhead",
		}},
		{"routes", nil, `
routes:
  - {path: api, upstream: nobody}
  - {path: /api/order, upstream: order-service}
  - {path: /api/order/special, upstream: order-service}
  - {path: /livez, upstream: order-service}
  - {path: "/api/:id", upstream: order-service}
  - {path: /docs, upstream: order-service}
  - {path: /docs/private, upstream: order-service}
  - {path: /openapi.yaml, upstream: order-service}
`, []string{"routes[0].upstream", "routes[0].path", "routes[2].path must not lie in, or hold, /api/order", "routes[3].path", "routes[4].path", "routes[5].path", "routes[6].path", "routes[7].path"}},
		{"names", nil, "upstreams: [{uri: 'ftp://x'}, {name: a, uri: 'http://x'}, {name: a, uri: 'http://x'}]\nroutes: []", []string{
			"upstreams[0].name", "upstreams[0].uri", "upstreams[2].name", "routes must",
		}},
		{"a word that is unknown", nil, "polices: {bulkhead: 3}", []string{"polices"}},
		{"a policy that is unknown", nil, "policies: {retry: {maximum: 3}}", []string{"upstreams[0].policies", "maximum"}},
		{"not YAML", nil, "\t:", []string{"GATEWAY_CONFIG"}},
		{"no file", map[string]string{"GATEWAY_CONFIG": "/does/not/exist.yaml"}, "", []string{"GATEWAY_CONFIG", "no such file"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for name, value := range tt.settings {
				t.Setenv(name, value)
			}
			if tt.file != "" {
				t.Setenv("GATEWAY_CONFIG", writeFile(t, tt.file))
			}
			_, err := loadConfig()
			if err == nil {
				t.Fatal("got no error")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error does not name %q:\n%s", want, err)
				}
			}
		})
	}
}

func writeFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "gateway.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
