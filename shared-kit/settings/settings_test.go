package settings_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/steadfast-shop/steadfast/shared-kit/settings"
)

func TestDefaultsAndValues(t *testing.T) {
	t.Setenv("T_TEXT", " text ")
	t.Setenv("T_INT", "7")
	t.Setenv("T_NUMBER", "0.5")
	t.Setenv("T_DURATION", "1m30s")
	t.Setenv("T_WORD", "RED")
	t.Setenv("T_URL", "http://host:1/path")
	t.Setenv("T_ADDRESSES", "a:1, b:2")
	t.Setenv("T_EMPTY", "")
	r := settings.NewReader()
	for _, c := range []struct{ got, want any }{
		{r.Text("T_TEXT", "x"), "text"},
		{r.Text("T_EMPTY", "fallback"), "fallback"},
		{r.RequiredText("T_TEXT", "x"), "text"},
		{r.Int("T_INT", 1, 0, 9), 7},
		{r.Int("T_MISSING", 1, 0, 9), 1},
		{r.Number("T_NUMBER", 1, 0, 1), 0.5},
		{r.Duration("T_DURATION", time.Second, 0, time.Hour), 90 * time.Second},
		{r.Duration("T_MISSING_TOO", time.Second, 0, time.Hour), time.Second},
		{r.OneOf("T_WORD", "blue", "blue", "red"), "red"},
		{r.URL("T_URL", "", "http").String(), "http://host:1/path"},
		{fmt.Sprint(r.Addresses("T_ADDRESSES", "")), "[a:1 b:2]"},
		{r.Secret("T_TEXT").Reveal(), "text"},
	} {
		if c.got != c.want {
			t.Errorf("got %v; want %v", c.got, c.want)
		}
	}
	if err := r.Err(); err != nil {
		t.Errorf("Err() = %v", err)
	}
}

func TestFaultsNameTheSetting(t *testing.T) {
	for value, read := range map[string]func(*settings.Reader){
		"":              func(r *settings.Reader) { r.RequiredText("T", "an example") },
		"7.5":           func(r *settings.Reader) { r.Int("T", 1, 0, 9) },
		"10":            func(r *settings.Reader) { r.Int("T", 1, 0, 9) },
		"65536":         func(r *settings.Reader) { r.Port("T", 1) },
		"NaN":           func(r *settings.Reader) { r.Number("T", 1, 0, 9) },
		"30":            func(r *settings.Reader) { r.Duration("T", time.Second, 0, time.Hour) },
		"2h":            func(r *settings.Reader) { r.Duration("T", time.Second, 0, time.Hour) },
		"green":         func(r *settings.Reader) { r.OneOf("T", "blue", "blue", "red") },
		"host:1":        func(r *settings.Reader) { r.URL("T", "", "http") },
		"ftp://host":    func(r *settings.Reader) { r.URL("T", "", "http", "https") },
		"a:1,b":         func(r *settings.Reader) { r.Addresses("T", "") },
		"a:1,:2":        func(r *settings.Reader) { r.Addresses("T", "") },
		"a:1,b:0":       func(r *settings.Reader) { r.Addresses("T", "") },
		"verbose":       func(r *settings.Reader) { r.OneOf("T", "info", "info") },
		"a:1,b:notaint": func(r *settings.Reader) { r.Addresses("T", "") },
	} {
		t.Run(value, func(t *testing.T) {
			t.Setenv("T", value)
			r := settings.NewReader()
			read(r)
			if err := r.Err(); err == nil || !strings.Contains(err.Error(), "setting T ") {
				t.Errorf("Err() = %v; want one that names the setting", err)
			}
		})
	}
}

func TestSecretHidesItself(t *testing.T) {
	secret := settings.Secret("pass-word")
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("start", "secret", secret)
	shown := fmt.Sprintf("%v %+v %#v %s %q", secret, secret, secret, secret, secret) + log.String()
	if strings.Contains(shown, "pass") {
		t.Errorf("the secret shows: %s", shown)
	}
	if secret.Reveal() != "pass-word" {
		t.Errorf("Reveal() = %q", secret.Reveal())
	}
}

func TestProcessSettings(t *testing.T) {
	t.Setenv("LOG_LEVEL", "Debug")
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4317")
	r := settings.NewReader()
	p := settings.ReadProcess(r)
	if r.Err() != nil || p.LogLevel != slog.LevelDebug || p.OTLPEndpoint.Host != "collector:4317" || p.ShutdownDelay != 0 {
		t.Errorf("ReadProcess() = %+v, %v", p, r.Err())
	}
}

func TestSamplerSettings(t *testing.T) {
	for _, test := range []struct {
		sampler, argument string
		ratio             float64
		follows, valid    bool
	}{
		{"", "", 1, true, true},
		{"", "0.1", 1, true, true}, // the argument is a ratio's
		{"always_on", "", 1, false, true},
		{"always_off", "", 0, false, true},
		{"parentbased_always_off", "", 0, true, true},
		{"traceidratio", "0.25", 0.25, false, true},
		{"parentbased_traceidratio", "0.01", 0.01, true, true},
		{"parentbased_traceidratio", "", 1, true, true},
		{"parentbased_traceidratio", "10%", 1, true, false},
		{"parentbased_traceidratio", "1.5", 1, true, false},
		{"jaeger_remote", "", 1, true, false},
	} {
		t.Setenv("OTEL_TRACES_SAMPLER", test.sampler)
		t.Setenv("OTEL_TRACES_SAMPLER_ARG", test.argument)
		r := settings.NewReader()
		p := settings.ReadProcess(r)
		if p.TraceRatio != test.ratio || p.TraceFollows != test.follows || (r.Err() == nil) != test.valid {
			t.Errorf("%q with %q: ratio %v, follows %v, error %v", test.sampler, test.argument, p.TraceRatio, p.TraceFollows, r.Err())
		}
	}
}

func TestProfilesStayOnThisMachine(t *testing.T) {
	for address, allowed := range map[string]bool{
		"": true, "127.0.0.1:6060": true, "127.0.0.1:0": true, "[::1]:6060": true,
		":6060": false, "0.0.0.0:6060": false, "10.0.0.1:6060": false, "localhost:6060": false, "127.0.0.1": false, "6060": false, "127.0.0.1:65536": false,
	} {
		t.Setenv("PPROF_ADDRESS", address)
		r := settings.NewReader()
		p := settings.ReadProcess(r)
		if err := r.Err(); (err == nil) != allowed || p.PprofAddress != address {
			t.Errorf("%q: got %q, %v; want allowed=%t", address, p.PprofAddress, err, allowed)
		}
	}
}
