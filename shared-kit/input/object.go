package input

import (
	"fmt"
	"strconv"

	"github.com/steadfast-shop/steadfast/shared-kit/problem"
)

// Faults gathers what is wrong with one request.
type Faults struct{ list []problem.Fault }

// Add records a fault.
func (f *Faults) Add(field, message string) {
	f.list = append(f.list, problem.Fault{Field: field, Message: message})
}

// Problem returns the 400 that lists every fault, or nil where there is none.
func (f *Faults) Problem() *problem.Problem {
	if len(f.list) == 0 {
		return nil
	}
	return problem.Invalid(f.list...)
}

// Object is a JSON object that is read field by field. Reading a field never fails: what is wrong goes to the faults, and the value is the zero value.
// End reports the fields that nobody read.
type Object struct {
	path   string
	names  []string
	fields map[string][]byte
	faults *Faults
}

// ParseObject takes data as one JSON object. Where it is none, that is the fault, and ok is false.
func ParseObject(data []byte, faults *Faults) (object *Object, ok bool) {
	if wrong := checkDocument(data); wrong != "" {
		faults.Add("", wrong)
		return nil, false
	}
	data, _ = cut(data)
	return newObject("", data, faults)
}

// newObject keeps the names in their order, and tells of a field that is there twice.
func newObject(path string, data []byte, faults *Faults) (*Object, bool) {
	if data[0] != '{' {
		faults.Add(path, "must be a JSON object")
		return nil, false
	}
	o := &Object{path: path, fields: make(map[string][]byte), faults: faults}
	for name, value := range membersOf(data) {
		if _, twice := o.fields[name]; twice {
			faults.Add(o.at(name), "is there more than once")
			continue
		}
		o.names = append(o.names, name)
		o.fields[name] = value
	}
	return o, true
}

// Has tells whether the field is there and not null.
func (o *Object) Has(name string) bool {
	value, there := o.fields[name]
	return there && string(value) != "null"
}

// Text reads a required text of 1 to most characters that CheckText accepts.
func (o *Object) Text(name string, most int) string {
	raw, ok := o.take(name)
	if !ok {
		return ""
	}
	text, wrong := readText(raw, most)
	if wrong != "" {
		o.Fault(name, wrong)
	}
	return text
}

// OptionalText is Text for a field that may be missing or null; then it is "".
func (o *Object) OptionalText(name string, most int) string {
	if !o.Has(name) {
		o.Ignore(name)
		return ""
	}
	return o.Text(name, most)
}

// Int reads a required whole number from least to most.
func (o *Object) Int(name string, least, most int64) int64 {
	raw, ok := o.take(name)
	if !ok {
		return 0
	}
	value, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil || value < least || value > most {
		o.faults.Add(o.at(name), fmt.Sprintf("must be a whole number from %d to %d", least, most))
		return 0
	}
	return value
}

// Number reads a required number as the client wrote it; where it is none, ok is false.
func (o *Object) Number(name string) (text string, ok bool) {
	raw, ok := o.take(name)
	if !ok {
		return "", false
	}
	if c := raw[0]; c != '-' && (c < '0' || c > '9') {
		o.faults.Add(o.at(name), "must be a number")
		return "", false
	}
	return string(raw), true
}

// Object reads a required object. Where it is missing or something else, ok is false.
func (o *Object) Object(name string) (object *Object, ok bool) {
	raw, ok := o.take(name)
	if !ok {
		return nil, false
	}
	return newObject(o.at(name), raw, o.faults)
}

// Objects reads a required array of 1 to most objects and hands each that is one to read, with its path.
func (o *Object) Objects(name string, most int, read func(*Object)) {
	raw, ok := o.take(name)
	if !ok {
		return
	}
	elements, ok := readArray(o.at(name), raw, most, o.faults)
	if !ok {
		return
	}
	for i, element := range elements {
		if object, ok := newObject(fmt.Sprintf("%s[%d]", o.at(name), i), element, o.faults); ok {
			read(object)
			object.End()
		}
	}
}

// Fault records a fault of a field.
func (o *Object) Fault(name, message string) { o.faults.Add(o.at(name), message) }

// Ignore takes the field as read, whatever it holds.
func (o *Object) Ignore(name string) { delete(o.fields, name) }

// End reports every field that was not read.
func (o *Object) End() {
	for _, name := range o.names {
		if _, left := o.fields[name]; left {
			o.faults.Add(o.at(name), "is unknown; leave it out")
		}
	}
}

// take removes the field, so that End does not see it. A field that is missing or null is a fault.
func (o *Object) take(name string) ([]byte, bool) {
	raw, there := o.fields[name]
	delete(o.fields, name)
	if !there || string(raw) == "null" {
		o.faults.Add(o.at(name), "is missing")
		return nil, false
	}
	return raw, true
}

func (o *Object) at(name string) string {
	if o.path == "" {
		return name
	}
	return o.path + "." + name
}

// ParseTexts takes data as a JSON array of 1 to most texts, each of 1 to longest characters that CheckText accepts. A fault's field is the element's place, such as [3].
func ParseTexts(data []byte, most, longest int, faults *Faults) []string {
	if wrong := checkDocument(data); wrong != "" {
		faults.Add("", wrong)
		return nil
	}
	data, _ = cut(data)
	elements, ok := readArray("", data, most, faults)
	if !ok {
		return nil
	}
	texts := make([]string, 0, len(elements))
	for i, element := range elements {
		text, wrong := readText(element, longest)
		if wrong != "" {
			faults.Add(fmt.Sprintf("[%d]", i), wrong)
		}
		texts = append(texts, text)
	}
	return texts
}

func readArray(path string, raw []byte, most int, faults *Faults) ([][]byte, bool) {
	if raw[0] != '[' {
		faults.Add(path, "must be a JSON array")
		return nil, false
	}
	elements := elementsOf(raw)
	if len(elements) == 0 || len(elements) > most {
		faults.Add(path, fmt.Sprintf("must have 1 to %d elements", most))
		return nil, false
	}
	return elements, true
}

// readText returns the text, or what is wrong with it.
func readText(raw []byte, most int) (text, wrong string) {
	text, ok := textOf(raw)
	if !ok {
		return "", "must be a text"
	}
	if wrong := CheckText(text, most); wrong != "" {
		return "", wrong
	}
	return text, ""
}
