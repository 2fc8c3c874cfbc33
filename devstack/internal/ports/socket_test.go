package ports_test

import (
	"strings"
	"testing"

	"github.com/steadfast-shop/steadfast/devstack/internal/ports"
)

func TestSocketFits(t *testing.T) {
	for path, want := range map[string]bool{
		"/home/Ann/steadfast-2/.devstack/ferretdb.sock": true,
		"/" + strings.Repeat("a", 102):                  true,
		"/" + strings.Repeat("a", 103):                  false,
		"/home/ann/a,b/ferretdb.sock":                   false,
		"/home/ann/a:b/ferretdb.sock":                   false,
		"/home/ann/my shop/ferretdb.sock":               false,
		"/home/jürgen/ferretdb.sock":                    false,
	} {
		if got := ports.SocketFits(path); got != want {
			t.Errorf("%s: got %v, want %v", path, got, want)
		}
	}
}
