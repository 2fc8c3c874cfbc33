package input_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/steadfast-shop/steadfast/shared-kit/input"
)

func request(body, contentType string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	return r
}

func TestBody(t *testing.T) {
	for _, c := range []struct {
		name    string
		request *http.Request
		status  int // 0: the body is taken
	}{
		{"JSON", request(`{}`, "application/json"), 0},
		{"JSON of a kind", request(`{}`, "application/merge-patch+json; charset=utf-8"), 0},
		{"no type", request(`{}`, ""), 0},
		{"nothing of any type", request(``, "text/plain"), 0},
		{"exactly the limit", request(strings.Repeat(" ", input.MaxBody), "application/json"), 0},
		{"a byte more", request(strings.Repeat(" ", input.MaxBody+1), "application/json"), 413},
		{"a form", request(`a=1`, "application/x-www-form-urlencoded"), 415},
		{"a bad type", request(`{}`, ";"), 415},
		{"text that ends in +json", request(`{}`, "text/x+json"), 415},
	} {
		data, wrong := input.Body(c.request)
		if c.status == 0 && (wrong != nil || data == nil) || c.status != 0 && (wrong == nil || wrong.Status != c.status) {
			t.Errorf("%s: %d bytes, %+v; want status %d", c.name, len(data), wrong, c.status)
		}
	}
}

func TestParseObjectTellsEveryFault(t *testing.T) {
	for _, c := range []struct {
		name string
		data string
		want []string
	}{
		{"right", `{"text":"a","int":1,"number":1.5,"object":{"text":"b"},"list":[{"text":"c"}]}`, nil},
		{"optional given", `{"text":"a","int":1,"number":1.5,"object":{"text":"b"},"list":[{"text":"c"}],"maybe":"d"}`, nil},
		{"optional null", `{"text":"a","int":1,"number":-1e9,"object":{"text":"b"},"list":[{"text":"c"}],"maybe":null}`, nil},
		{"empty", ``, []string{""}},
		{"white", " \n", []string{""}},
		{"null", `null`, []string{""}},
		{"a text", `"x"`, []string{""}},
		{"cut off", `{"text":"a"`, []string{""}},
		{"two documents", `{} {}`, []string{""}},
		{"everything missing", `{}`, []string{"text", "int", "number", "object", "list"}},
		{"wrong types", `{"text":1,"int":"1","number":"1","object":1,"list":1,"maybe":1}`, []string{"text", "int", "number", "object", "list", "maybe"}},
		{"faults below", `{"text":"a","int":10,"number":1,"object":{"text":"","x":1},"list":[{"text":"ok"},{"y":1},null]}`,
			[]string{"int", "object.text", "object.x", "list[1].text", "list[1].y", "list[2]"}},
		{"twice and unknown", `{"text":"a","text":"b","int":1,"number":1,"object":{"text":"b"},"list":[{"text":"c"}],"Text":"d"}`, []string{"text", "Text"}},
		{"list too long", `{"text":"a","int":1,"number":1,"object":{"text":"b"},"list":[{},{},{},{}]}`, []string{"list"}},
		{"int with exponent", `{"text":"a","int":1e0,"number":1,"object":{"text":"b"},"list":[{"text":"c"}]}`, []string{"int"}},
	} {
		var faults input.Faults
		if o, ok := input.ParseObject([]byte(c.data), &faults); ok {
			o.Text("text", 3)
			o.Int("int", 0, 9)
			o.Number("number")
			if inner, ok := o.Object("object"); ok {
				inner.Text("text", 3)
				inner.End()
			}
			o.Objects("list", 3, func(element *input.Object) { element.Text("text", 3) })
			o.OptionalText("maybe", 3)
			o.End()
		}
		var got []string
		if wrong := faults.Problem(); wrong != nil {
			for _, fault := range wrong.Faults {
				got = append(got, fault.Field)
			}
		}
		slices.Sort(got)
		slices.Sort(c.want)
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: faults of %q; want %q", c.name, got, c.want)
		}
	}
}

func TestParseTexts(t *testing.T) {
	for data, want := range map[string]int{ // number of faults
		`["a","b"]`:             0,
		`["a","a"]`:             0,
		`[]`:                    1,
		`{}`:                    1,
		`["a","","\u0007",1]`:   3,
		`[null]`:                1,
		`["a","b","c","d","e"]`: 1,
		`["a"`:                  1,
	} {
		var faults input.Faults
		texts := input.ParseTexts([]byte(data), 4, 3, &faults)
		got := 0
		if wrong := faults.Problem(); wrong != nil {
			got = len(wrong.Faults)
		}
		if got != want || want == 0 && len(texts) != 2 {
			t.Errorf("%s: %d faults, %q; want %d faults", data, got, texts, want)
		}
	}
}

func TestCheckText(t *testing.T) {
	for text, right := range map[string]bool{
		"a": true, "ü €": true, "äöü": true, "": false, "   ": false, "abcd": false, "a\x00": false, "a\u0085": false, "\xff": false, "\ufffd": false,
	} {
		if wrong := input.CheckText(text, 3); (wrong == "") != right {
			t.Errorf("CheckText(%q) = %q", text, wrong)
		}
	}
}
