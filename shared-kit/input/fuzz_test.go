package input_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/steadfast-shop/steadfast/shared-kit/input"
)

// element is what FuzzDocument reads of an object; encoding/json reads the same in another way.
type element struct {
	Text  string      `json:"text"`
	Int   int64       `json:"int"`
	Price json.Number `json:"number"`
	List  []struct {
		Text string `json:"text"`
	} `json:"list"`
}

// FuzzDocument reads anything as an object and as a list of texts. What is taken is what encoding/json reads, within all limits; what is refused has its faults told.
func FuzzDocument(f *testing.F) {
	for _, data := range []string{
		``, `{}`, `null`, `[]`, `["a","b"]`, `["a\u0000"]`, `["\ud800"]`, `[null]`, `{} {}`, "{\"text\":\"\xff\"}",
		`{"text":"a","int":1,"number":1.50,"list":[{"text":"c"}]}`,
		`{"text":"a","text":"b","int":9223372036854775808,"number":-0,"list":[{}]}`,
		`{"text":" ","int":1e2,"number":"1","list":{},"Text":1,"":2}`,
		`{"t\u0065xt":"é","int":9,"number":1e400,"list":[{"text":"a"},{"text":"b"},{"text":"c"}]}`,
	} {
		f.Add([]byte(data))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		checkObject(t, data)
		checkTexts(t, data)
	})
}

func checkObject(t *testing.T, data []byte) {
	t.Helper()
	var faults input.Faults
	var got element
	if o, ok := input.ParseObject(data, &faults); ok {
		got.Text, got.Int = o.Text("text", 3), o.Int("int", -9, 9)
		number, _ := o.Number("number")
		got.Price = json.Number(number)
		o.Objects("list", 3, func(inner *input.Object) {
			got.List = append(got.List, struct {
				Text string `json:"text"`
			}{inner.Text("text", 3)})
		})
		o.End()
	}
	if !accepted(t, data, &faults) {
		return
	}
	var want element
	if err := json.Unmarshal(data, &want); err != nil {
		t.Fatalf("%q was taken; encoding/json says %v", data, err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%q was read as %+v; want %+v", data, got, want)
	}
	if got.Int < -9 || got.Int > 9 || len(got.List) < 1 || len(got.List) > 3 {
		t.Errorf("%q was taken beyond its limits: %+v", data, got)
	}
	checkTaken(t, got.Text)
	for _, inner := range got.List {
		checkTaken(t, inner.Text)
	}
}

func checkTexts(t *testing.T, data []byte) {
	t.Helper()
	var faults input.Faults
	texts := input.ParseTexts(data, 4, 3, &faults)
	if !accepted(t, data, &faults) {
		return
	}
	var want []string
	if err := json.Unmarshal(data, &want); err != nil || !reflect.DeepEqual(texts, want) || len(texts) < 1 || len(texts) > 4 {
		t.Errorf("%q was read as %q; want %q, %v", data, texts, want, err)
	}
	for _, text := range texts {
		checkTaken(t, text)
	}
}

// accepted tells whether there is no fault. Where there is one, the problem must say so in JSON that holds every one of them.
func accepted(t *testing.T, data []byte, faults *input.Faults) bool {
	t.Helper()
	wrong := faults.Problem()
	if wrong == nil {
		return true
	}
	encoded, err := json.Marshal(wrong)
	if err != nil {
		t.Fatal(err)
	}
	var told struct {
		Faults []struct{ Field, Message string }
	}
	if err := json.Unmarshal(encoded, &told); err != nil || len(told.Faults) == 0 || len(told.Faults) != len(wrong.Faults) {
		t.Fatalf("%q: the problem is %s, %v", data, encoded, err)
	}
	for _, fault := range told.Faults {
		if fault.Message == "" || !utf8.ValidString(fault.Field) {
			t.Errorf("%q: the fault %+v says nothing", data, fault)
		}
	}
	return false
}

// checkTaken fails the test unless the text is one that CheckText(text, 3) may take.
func checkTaken(t *testing.T, text string) {
	t.Helper()
	if n := utf8.RuneCountInString(text); n < 1 || n > 3 || !utf8.ValidString(text) || strings.TrimSpace(text) == "" || strings.ContainsFunc(text, unicode.IsControl) {
		t.Errorf("the text %q was taken", text)
	}
}
