// Package settings reads a service's settings from the environment. A Reader collects every fault, so that a service that cannot start names all of them at once.
package settings

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/viper"
)

// Reader reads settings by name and remembers what was wrong with them. It is used once, by one goroutine, at start.
type Reader struct {
	source *viper.Viper
	faults []error
}

// NewReader returns a Reader of the process's environment. A variable that is set to nothing counts as not set.
func NewReader() *Reader {
	source := viper.New()
	source.AutomaticEnv()
	return &Reader{source: source}
}

// Err returns every fault found so far, a line each, or nil.
func (r *Reader) Err() error { return errors.Join(r.faults...) }

// Reject records that the setting's value cannot be used; the message says what to change.
func (r *Reader) Reject(name, message string) {
	r.faults = append(r.faults, fmt.Errorf("setting %s %s", name, message))
}

// Text returns the setting without the blanks around it, or fallback where it is not set, or blank.
func (r *Reader) Text(name, fallback string) string {
	r.source.SetDefault(name, fallback)
	return cmp.Or(strings.TrimSpace(r.source.GetString(name)), fallback)
}

// RequiredText returns the setting; it has no default, so that not setting it is a fault.
func (r *Reader) RequiredText(name, example string) string {
	value := r.Text(name, "")
	if value == "" {
		r.Reject(name, "is missing; set it, for example to "+example)
	}
	return value
}

// Secret returns a setting that must not be shown.
func (r *Reader) Secret(name string) Secret { return Secret(r.Text(name, "")) }

// Int returns a whole number from least to most.
func (r *Reader) Int(name string, fallback, least, most int) int {
	value, err := strconv.Atoi(r.Text(name, strconv.Itoa(fallback)))
	if err != nil || value < least || value > most {
		r.Reject(name, fmt.Sprintf("must be a whole number from %d to %d", least, most))
		return fallback
	}
	return value
}

// Number returns a number from least to most; it may have a fraction.
func (r *Reader) Number(name string, fallback, least, most float64) float64 {
	value, err := strconv.ParseFloat(r.Text(name, strconv.FormatFloat(fallback, 'g', -1, 64)), 64)
	if err != nil || !(value >= least && value <= most) {
		r.Reject(name, fmt.Sprintf("must be a number from %g to %g", least, most))
		return fallback
	}
	return value
}

// Port returns a TCP port, 1 to 65535.
func (r *Reader) Port(name string, fallback int) int { return r.Int(name, fallback, 1, 65535) }

// Duration returns a time span such as 500ms, 30s or 2m, from least to most.
func (r *Reader) Duration(name string, fallback, least, most time.Duration) time.Duration {
	value, err := time.ParseDuration(r.Text(name, fallback.String()))
	if err != nil || value < least || value > most {
		r.Reject(name, fmt.Sprintf("must be a time span from %s to %s, such as 500ms or 30s", least, most))
		return fallback
	}
	return value
}

// OneOf returns one of the given words.
func (r *Reader) OneOf(name, fallback string, words ...string) string {
	value := strings.ToLower(r.Text(name, fallback))
	if !slices.Contains(words, value) {
		r.Reject(name, "must be one of "+strings.Join(words, ", "))
		return fallback
	}
	return value
}

// URL returns an absolute URL with a host and one of the given schemes.
func (r *Reader) URL(name, fallback string, schemes ...string) *url.URL {
	value, err := url.Parse(r.Text(name, fallback))
	if err != nil || value.Hostname() == "" || value.Port() != "" && !isPort(value.Port()) || !slices.Contains(schemes, value.Scheme) {
		r.Reject(name, "must be a URL such as "+schemes[0]+"://host:port")
		return &url.URL{}
	}
	return value
}

// Addresses returns a list of host:port, separated by commas.
func (r *Reader) Addresses(name, fallback string) []string {
	var addresses []string
	for part := range strings.SplitSeq(r.Text(name, fallback), ",") {
		address := strings.TrimSpace(part)
		if !IsAddress(address) {
			r.Reject(name, "must be host:port, or several separated by commas")
			return nil
		}
		addresses = append(addresses, address)
	}
	return addresses
}

// IsAddress tells whether a text is host:port. The host is not looked up.
func IsAddress(address string) bool {
	host, port, err := net.SplitHostPort(address)
	return err == nil && host != "" && !strings.ContainsAny(host, "/?#@") && !strings.ContainsFunc(host, unicode.IsSpace) && isPort(port)
}

func isPort(port string) bool {
	number, err := strconv.ParseUint(port, 10, 16)
	return err == nil && number > 0
}

// Secret is a setting that shows itself nowhere: formatted or logged, it is a row of asterisks.
type Secret string

// String hides the value.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "***"
}

// GoString hides the value from %#v.
func (s Secret) GoString() string { return strconv.Quote(s.String()) }

// LogValue hides the value from logs.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// Reveal returns the value itself, for the one call that needs it.
func (s Secret) Reveal() string { return string(s) }
