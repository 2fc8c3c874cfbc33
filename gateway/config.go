package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/viper"

	"github.com/steadfast-shop/steadfast/shared-kit/settings"

	"github.com/steadfast-shop/steadfast/gateway/internal/openapi"
)

// config holds the gateway's settings.
type config struct {
	Process settings.Process
	// Port is GATEWAY_PORT, the public one.
	Port int
	// AdminPort is GATEWAY_ADMIN_PORT, with health and metrics; not public.
	AdminPort int
	// RateLimit is GATEWAY_RATE_LIMIT, requests per second for each client; 0 means no limit.
	RateLimit float64
	// RateBurst is GATEWAY_RATE_BURST, how many requests a client may make at once; by default as many as in a second.
	RateBurst int
	// TrustedProxies is GATEWAY_TRUSTED_PROXIES: whose X-Forwarded headers are believed. By default nobody's.
	TrustedProxies trust
	// Deadline bounds a request with all its tries and its answer.
	Deadline  time.Duration
	Routes    []routeConfig
	Upstreams []upstreamConfig
}

// routeConfig sends a path, and everything below it, to an upstream.
type routeConfig struct {
	Path     string `mapstructure:"path"`
	Upstream string `mapstructure:"upstream"`
	// RepeatablePost says that a POST to exactly Path may be tried again, because an id makes that safe.
	RepeatablePost bool `mapstructure:"repeatable_post"`
}

// upstreamConfig is a service behind the gateway.
type upstreamConfig struct {
	Name     string
	URI      *url.URL
	Policies policies
}

// configFile is gateway.yaml, or the file that GATEWAY_CONFIG names.
type configFile struct {
	Deadline  time.Duration  `mapstructure:"deadline"`
	Routes    []routeConfig  `mapstructure:"routes"`
	Upstreams []upstreamFile `mapstructure:"upstreams"`
	Policies  map[string]any `mapstructure:"policies"`
}

type upstreamFile struct {
	Name       string         `mapstructure:"name"`
	URI        string         `mapstructure:"uri"`
	URISetting string         `mapstructure:"uri_setting"`
	Policies   map[string]any `mapstructure:"policies"`
}

//go:embed gateway.yaml
var defaultFile []byte

// loadConfig reads the settings; its error names every fault.
func loadConfig() (config, error) {
	r := settings.NewReader()
	c := config{
		Process:        settings.ReadProcess(r),
		Port:           r.Port("GATEWAY_PORT", 9000),
		AdminPort:      r.Port("GATEWAY_ADMIN_PORT", 9001),
		RateLimit:      r.Number("GATEWAY_RATE_LIMIT", 0, 0, 1e6),
		TrustedProxies: readTrust(r),
	}
	c.RateBurst = r.Int("GATEWAY_RATE_BURST", max(1, int(c.RateLimit)), 1, 1e6)
	if c.RateLimit > 0 && float64(c.RateBurst)/c.RateLimit > longestPeriod.Seconds() {
		r.Reject("GATEWAY_RATE_LIMIT", "must be 0, or so high that GATEWAY_RATE_BURST requests are allowed in a day")
	}
	if c.Port == c.AdminPort {
		r.Reject("GATEWAY_ADMIN_PORT", "must differ from GATEWAY_PORT: metrics are not public")
	}
	file, err := readFile(r.Text("GATEWAY_CONFIG", ""))
	if err != nil {
		r.Reject("GATEWAY_CONFIG", err.Error())
		return c, r.Err()
	}
	c.Deadline, c.Routes = file.Deadline, file.Routes
	if !isSpan(c.Deadline) {
		r.Reject("deadline", "must be from 1ms to 10m")
	}
	for i, upstream := range file.Upstreams {
		c.Upstreams = append(c.Upstreams, readUpstream(r, fmt.Sprintf("upstreams[%d]", i), upstream, file.Policies))
	}
	c.checkNames(r)
	return c, r.Err()
}

// readFile reads the file at path over the embedded one, and the environment over both.
func readFile(path string) (configFile, error) {
	var file configFile
	source := viper.New()
	source.SetConfigType("yaml")
	source.SetEnvPrefix("GATEWAY")
	source.SetEnvKeyReplacer(strings.NewReplacer(".", "_"))
	source.AutomaticEnv()
	if err := source.ReadConfig(bytes.NewReader(defaultFile)); err != nil {
		return file, fmt.Errorf("cannot be read: %w", err)
	}
	if path != "" {
		data, err := os.ReadFile(path) //nolint:gosec // G304: the operator names the file
		if err != nil {
			return file, fmt.Errorf("cannot be read: %w", err)
		}
		if err := source.MergeConfig(bytes.NewReader(data)); err != nil {
			return file, fmt.Errorf("cannot be read as YAML: %w", err)
		}
	}
	if err := source.UnmarshalExact(&file); err != nil {
		return file, fmt.Errorf("holds what is not understood: %w", err)
	}
	return file, nil
}

// readUpstream puts the upstream's own policies over those of all.
func readUpstream(r *settings.Reader, at string, file upstreamFile, shared map[string]any) upstreamConfig {
	upstream := upstreamConfig{Name: file.Name}
	if file.URISetting != "" {
		upstream.URI = r.URL(file.URISetting, file.URI, "http", "https")
	} else if uri, err := url.Parse(file.URI); err == nil && uri.Hostname() != "" && (uri.Scheme == "http" || uri.Scheme == "https") {
		upstream.URI = uri
	} else {
		r.Reject(at+".uri", "must be a URL such as http://host:port")
	}
	if upstream.URI != nil && strings.Trim(upstream.URI.Path, "/") != "" {
		r.Reject(at+".uri", "must end after host and port: paths are passed on as they are")
	}
	merged := viper.New()
	err := merged.MergeConfigMap(shared)
	if err == nil {
		err = merged.MergeConfigMap(file.Policies)
	}
	if err == nil {
		err = merged.UnmarshalExact(&upstream.Policies)
	}
	if err != nil {
		r.Reject(at+".policies", "cannot be understood: "+err.Error())
		return upstream
	}
	upstream.Policies.check(at+".policies", r)
	return upstream
}

// checkNames rejects routes that cannot be told apart, or lead nowhere.
func (c config) checkNames(r *settings.Reader) {
	known := make(map[string]bool)
	for i, upstream := range c.Upstreams {
		if upstream.Name == "" || known[upstream.Name] {
			r.Reject(fmt.Sprintf("upstreams[%d].name", i), "must be there and differ from the others")
		}
		known[upstream.Name] = true
	}
	taken := []string{"/livez", "/readyz", openapi.PathDescription, openapi.PathDocs}
	for i, route := range c.Routes {
		at := fmt.Sprintf("routes[%d]", i)
		if !known[route.Upstream] {
			r.Reject(at+".upstream", "must be the name of an upstream")
		}
		if len(route.Path) < 2 || route.Path[0] != '/' || strings.HasSuffix(route.Path, "/") || strings.ContainsAny(route.Path, ":*?#%") {
			r.Reject(at+".path", "must be a path such as /api/order")
		}
		for _, other := range taken {
			if isWithin(route.Path, other) || isWithin(other, route.Path) {
				r.Reject(at+".path", "must not lie in, or hold, "+other)
			}
		}
		taken = append(taken, route.Path)
	}
	if len(c.Routes) == 0 {
		r.Reject("routes", "must name at least one route")
	}
}

// isWithin tells whether path is prefix or lies below it.
func isWithin(path, prefix string) bool {
	return path == prefix || strings.HasPrefix(path, prefix+"/")
}

func readTrust(r *settings.Reader) trust {
	var proxies trust
	for part := range strings.SplitSeq(r.Text("GATEWAY_TRUSTED_PROXIES", ""), ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		prefix, err := netip.ParsePrefix(part)
		if address, addressErr := netip.ParseAddr(part); addressErr == nil {
			prefix, err = address.Prefix(address.BitLen())
		}
		if err != nil {
			r.Reject("GATEWAY_TRUSTED_PROXIES", "must be IP addresses or networks such as 10.0.0.0/8, separated by commas")
			return nil
		}
		proxies = append(proxies, prefix.Masked())
	}
	return proxies
}
