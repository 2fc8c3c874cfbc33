package console

import (
	"strings"
	"testing"
	"time"

	"github.com/steadfast-shop/steadfast/devstack/internal/stack"
	"github.com/steadfast-shop/steadfast/devstack/internal/supervise"
)

func TestReadable(t *testing.T) {
	for _, c := range []struct{ name, line, want string }{
		{
			"slog", `{"time":"noon","level":"INFO","msg":"request","service":"gateway","trace_id":"abc","route":"/api/order","status":201,"duration":77882903}`,
			"noon INFO  request route=/api/order status=201 duration=77.88ms",
		},
		{"text with blanks", `{"time":"noon","level":"WARN","msg":"m","error":"not now"}`, `noon WARN  m error="not now"`},
		{"no JSON", "LOG:  listening on port 15432", "LOG:  listening on port 15432"},
		{"JSON that is cut off", `{"time":"noon","lev`, `{"time":"noon","lev`},
		{"JSON that is no object", `[1]`, `[1]`},
		{"escape codes", "a\x1b[31mb", "a[31mb"},
		{"empty", "", ""},
	} {
		if got := readable(c.line); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
	if got := len([]rune(readable(strings.Repeat("x", 1000)))); got != maxLine+1 {
		t.Errorf("a long line: got %d runes, want %d", got, maxLine+1)
	}
}

func TestTableShowsEveryAddressInItsColumn(t *testing.T) {
	var out strings.Builder
	New(&out, false).ShowTable([]stack.Part{
		{Name: "gateway", State: "ready", PID: 7, Addresses: []string{"http://a", "http://b"}, Log: "/x/gateway.log"},
		{Name: "kafka", State: stack.External, Addresses: []string{"elsewhere:9092"}},
	})
	want := `  PART     STATE     ADDRESS         PID  LOG
  gateway  ready     http://a        7    /x/gateway.log
                     http://b
  kafka    external  elsewhere:9092  -    -
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

func TestColoursOnlyWhereTheyAreWanted(t *testing.T) {
	event := supervise.Event{Status: supervise.Status{Name: "kafka", State: supervise.Ready}, Took: 1200 * time.Millisecond}
	for _, c := range []struct {
		colour bool
		want   string
	}{
		{false, "  kafka                 ready   1.2 s\n"},
		{true, "  kafka                 \x1b[32mready  \x1b[0m 1.2 s\n"},
	} {
		var out strings.Builder
		New(&out, c.colour).ShowEvent(event)
		if out.String() != c.want {
			t.Errorf("got %q, want %q", out.String(), c.want)
		}
	}
}
