package main

import (
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestArguments(t *testing.T) {
	o, err := parse([]string{"--duration", "10s", "--only", "hot-64,stock-32", "--kafka", "both", "--gateway", "http://h:1"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if o.bench.Measure != 10*time.Second || len(o.scenarios) != 2 || !o.chosen || o.gateway != "http://h:1" || !slices.Equal(o.stacks(), []string{"embedded", "apache"}) {
		t.Errorf("got %+v", o)
	}
	if o, err := parse([]string{"--before", "old"}, io.Discard); err != nil || !slices.Equal(o.stacks(), []string{"embedded"}) {
		t.Errorf("with --before: got %v, %v; want one stack", o.stacks(), err)
	}
	if o, err := parse(nil, io.Discard); err != nil || len(o.scenarios) != 9 || o.chosen || o.bench.Starts == 0 {
		t.Errorf("without arguments: got %+v, %v", o, err)
	}
}

func TestWrongArguments(t *testing.T) {
	for _, c := range []struct {
		arguments string
		want      string
	}{
		{"--kafka rabbit", "-kafka must be"},
		{"--kafka none", "needs -gateway"},
		{"--before old --kafka both", "needs one broker"},
		{"--only orders-7", `no scenario "orders-7"`},
		{"--duration 10ms", "at least 1s"},
		{"--duration 10", "invalid value"},
		{"--starts -1", "not be negative"},
		{"--rounds 0", "-rounds must be at least 1"},
		{"--rounds 2 --profile p", "one round only"},
		{"--gateway https://h:1", "http://host:port"},
		{"--gateway h:1", "http://host:port"},
		{"orders", `unexpected "orders"`},
		{"--nothing", "not defined"},
		{"--compare " + filepath.Join(t.TempDir(), "none.json"), "read the report"},
	} {
		if err := run(t.Context(), strings.Fields(c.arguments), io.Discard, io.Discard); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v; want %q", c.arguments, err, c.want)
		}
	}
}
