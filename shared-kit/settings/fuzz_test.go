package settings_test

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/steadfast-shop/steadfast/shared-kit/settings"
)

// FuzzReader gives a setting any value. Whatever is read of it keeps its limits, so that a service that starts can work with it; each fault names the setting.
func FuzzReader(f *testing.F) {
	for _, value := range []string{
		"", " ", "7", "+7", "7.5", "NaN", "-Inf", "0x10", "1e3", "30s", "-1s", "2562047h47m16.854775807s", "RED", "http://host:1/path", "http://:1", "http://host:99999", "http:opaque",
		"a:1, b:2", "a:+1", "[::1]:9092", ":1", "a:0", "a:1,", "debug", "päss wörd",
	} {
		f.Add(value)
	}
	f.Fuzz(func(t *testing.T, value string) {
		if strings.ContainsRune(value, 0) {
			t.Skip("no environment can hold it")
		}
		t.Setenv("T", value)
		for kind, read := range map[string]func(*settings.Reader) error{
			"int":       readInt,
			"number":    readNumber,
			"duration":  readDuration,
			"word":      readWord,
			"URL":       readURL,
			"addresses": readAddresses,
		} {
			r := settings.NewReader()
			err := read(r)
			if fault := r.Err(); fault != nil {
				if !strings.HasPrefix(fault.Error(), "setting T ") {
					t.Errorf("%s of %q: the fault %q does not name the setting", kind, value, fault)
				}
				continue
			}
			if err != nil {
				t.Errorf("%s of %q was taken: %v", kind, value, err)
			}
		}
		checkSecret(t, value)
	})
}

func readInt(r *settings.Reader) error {
	return outside(r.Int("T", 5, -9, 9), -9, 9)
}

func readNumber(r *settings.Reader) error { return outside(r.Number("T", 0.5, 0, 1), 0, 1) }

func readDuration(r *settings.Reader) error {
	return outside(r.Duration("T", time.Second, time.Millisecond, time.Hour), time.Millisecond, time.Hour)
}

func readWord(r *settings.Reader) error {
	if word := r.OneOf("T", "blue", "blue", "red"); word != "blue" && word != "red" {
		return fmt.Errorf("got %q", word)
	}
	return nil
}

func readURL(r *settings.Reader) error {
	got := r.URL("T", "http://fallback:1", "http", "https")
	if got.Scheme != "http" && got.Scheme != "https" || got.Hostname() == "" {
		return fmt.Errorf("got %q with the host %q", got, got.Host)
	}
	if got.Port() != "" {
		return checkPort(got.Port())
	}
	return nil
}

func readAddresses(r *settings.Reader) error {
	addresses := r.Addresses("T", "fallback:1")
	if len(addresses) == 0 {
		return fmt.Errorf("got none")
	}
	for _, address := range addresses {
		host, port, err := net.SplitHostPort(address)
		if err != nil || host == "" {
			return fmt.Errorf("got %q: %w", address, err)
		}
		if err := checkPort(port); err != nil {
			return err
		}
	}
	return nil
}

func checkPort(port string) error {
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil || number == 0 {
		return fmt.Errorf("got the port %q", port)
	}
	return nil
}

func outside[T int | float64 | time.Duration](got, least, most T) error {
	if got != max(least, min(got, most)) { // true for NaN, too
		return fmt.Errorf("got %v", got)
	}
	return nil
}

// checkSecret compares how secrets of any value are shown: alike.
func checkSecret(t *testing.T, value string) {
	t.Helper()
	secret := settings.NewReader().Secret("T")
	if secret.Reveal() != strings.TrimSpace(value) {
		t.Errorf("Reveal() = %q; want %q", secret.Reveal(), value)
	}
	other := settings.Secret("other")
	if secret == "" {
		return
	}
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		if shown, want := fmt.Sprintf(format, secret), fmt.Sprintf(format, other); shown != want {
			t.Errorf("%s shows %q; want %q", format, shown, want)
		}
	}
}
