package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// definition is where a setting or a metric is in the code, and a setting's default where that is a plain value.
type definition struct{ at, fallback string }

// code is what the services' code defines, by name.
type code struct {
	settings map[string]definition
	metrics  map[string]definition
}

// readCode reads the Go files of the services, and the file from which the gateway takes more settings.
func (r *repository) readCode() (code, error) {
	c := code{settings: make(map[string]definition), metrics: make(map[string]definition)}
	for _, file := range slices.Sorted(maps.Keys(r.entries)) {
		service, _, _ := strings.Cut(file, "/")
		if r.entries[file] || !slices.Contains(services, service) {
			continue
		}
		isCode := path.Ext(file) == ".go" && !strings.HasSuffix(file, "_test.go")
		if !isCode && file != "gateway/gateway.yaml" {
			continue
		}
		data, err := fs.ReadFile(r.files, file)
		if err != nil {
			return c, err
		}
		if !isCode {
			c.readPolicies(string(data), file)
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, data, parser.SkipObjectResolution)
		if err != nil {
			return c, fmt.Errorf("read the code: %w", err)
		}
		ast.Inspect(parsed, func(node ast.Node) bool { c.read(node, file); return true })
	}
	return c, nil
}

// readers are the methods of settings.Reader that read a setting, and os's functions.
var readers = []string{"Text", "RequiredText", "Secret", "Int", "Number", "Port", "Duration", "OneOf", "URL", "Addresses", "Getenv", "LookupEnv"}

// makers are functions that make a metric of the name that is their first argument.
var makers = []string{"counter", "gauge", "histogram", "NewDesc"}

var (
	settingName = regexp.MustCompile(`^[A-Z][A-Z0-9]*(_[A-Z0-9]+)+$`)
	metricName  = regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)+$`)
)

func (c code) read(node ast.Node, file string) {
	switch n := node.(type) {
	case *ast.CallExpr:
		if len(n.Args) == 0 {
			return
		}
		name, isText := textOf(n.Args[0])
		switch called := nameOf(n.Fun); {
		case isText && slices.Contains(readers, called) && settingName.MatchString(name):
			d := definition{at: file}
			if len(n.Args) > 1 && called != "RequiredText" {
				d.fallback = valueOf(n.Args[1], called == "Duration")
			}
			if other, again := c.settings[name]; again && other.fallback != d.fallback {
				d.fallback += " here and " + other.fallback + " in " + other.at
			}
			c.settings[name] = d
		case isText && slices.Contains(makers, called) && metricName.MatchString(name):
			c.metrics[name] = definition{at: file}
		}
	case *ast.CompositeLit:
		if !strings.HasSuffix(nameOf(n.Type), "Opts") {
			return
		}
		for _, element := range n.Elts {
			field, ok := element.(*ast.KeyValueExpr)
			if !ok || nameOf(field.Key) != "Name" {
				continue
			}
			if name, isText := textOf(field.Value); isText {
				c.metrics[name] = definition{at: file}
			}
		}
	}
}

// nameOf returns the last part of a name such as r.Text, "" for anything else.
func nameOf(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return ""
}

func textOf(e ast.Expr) (text string, ok bool) {
	literal, ok := e.(*ast.BasicLit)
	if !ok || literal.Kind != token.STRING {
		return "", false
	}
	text, err := strconv.Unquote(literal.Value)
	return text, err == nil
}

// valueOf returns a default as an operator would write it, "" where it is none or is computed.
func valueOf(e ast.Expr, isSpan bool) string {
	if isSpan {
		if nanoseconds, ok := spanOf(e); ok {
			return time.Duration(nanoseconds).String()
		}
		return ""
	}
	if text, ok := textOf(e); ok {
		return text
	}
	if literal, ok := e.(*ast.BasicLit); ok {
		return literal.Value
	}
	return ""
}

// spanOf returns the nanoseconds of an expression such as 30*time.Second.
func spanOf(e ast.Expr) (nanoseconds int64, ok bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		number, err := strconv.ParseInt(e.Value, 10, 64)
		return number, err == nil
	case *ast.SelectorExpr:
		unit, known := map[string]time.Duration{"Millisecond": time.Millisecond, "Second": time.Second, "Minute": time.Minute, "Hour": time.Hour}[e.Sel.Name]
		return int64(unit), known
	case *ast.BinaryExpr:
		x, xOK := spanOf(e.X)
		y, yOK := spanOf(e.Y)
		return x * y, xOK && yOK && e.Op == token.MUL
	}
	return 0, false
}

var yamlLine = regexp.MustCompile(`^( *)(- )?([a-z_]+):(?: +([^#]*?))?(?: *#.*)?$`)

// readPolicies takes in the values of gateway.yaml that a setting replaces: its name is the path to the value, with GATEWAY_ before it. Lists cannot be set so, but
// name settings of their own.
func (c code) readPolicies(text, file string) {
	type level struct {
		indent int
		key    string
	}
	var path []level
	address := "" // of the list's element
	for line := range strings.SplitSeq(text, "\n") {
		m := yamlLine.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		indent, key, value := len(m[1])+len(m[2]), m[3], m[4]
		for len(path) > 0 && path[len(path)-1].indent >= indent {
			path = path[:len(path)-1]
		}
		if m[2] != "" { // an element: what belongs to it is in no setting's path
			path = append(path, level{indent - 1, ""})
		}
		name := "GATEWAY"
		for _, l := range path {
			name += "_" + l.key
		}
		switch {
		case key == "uri":
			address = value
		case key == "uri_setting":
			c.settings[value] = definition{file, address}
		case value == "":
			path = append(path, level{indent, key})
		case !strings.Contains(name+"_", "__"):
			c.settings[strings.ToUpper(name+"_"+key)] = definition{file, value}
		}
	}
}
