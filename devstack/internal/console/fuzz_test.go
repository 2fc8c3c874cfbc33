package console

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// FuzzReadable shows any line. What is shown cannot steer a terminal and is of bounded length, and a line that is not one JSON object, whole, loses nothing.
func FuzzReadable(f *testing.F) {
	for _, line := range []string{
		``, `plain`, "\x1b[31mred\u009b31m", `{}`, `{"msg":"a"} goroutine 1 [running]:`, `{"msg":"a"`, `{"msg":"a",}`, "{\"msg\":\"\xff\"}",
		`{"time":"2026-01-02T03:04:05.678Z","level":"INFO","msg":"request","duration":1234567,"status":200,"user agent":"a b","trace_id":"x"}`,
		`{"time":1,"level":{},"msg":["a"],"duration":"x","duration":1e400,"a":null}`, `[{"msg":"a"}]`,
	} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		shown := readable(line)
		if !utf8.ValidString(shown) || utf8.RuneCountInString(shown) > maxLine+1 || strings.ContainsFunc(shown, func(r rune) bool { return unicode.IsControl(r) && r != '\t' }) {
			t.Errorf("%q is shown as %q", line, shown)
		}
		var fields map[string]json.RawMessage
		if json.Unmarshal([]byte(line), &fields) == nil && fields != nil {
			return
		}
		if want := clip(printable(line), maxLine); shown != want {
			t.Errorf("%q is shown as %q; want it as it is", line, shown)
		}
	})
}
