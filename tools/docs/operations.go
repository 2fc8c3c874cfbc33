package main

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// operations is the document that lists every setting and every metric.
const operations = "docs/operations.md"

// services are the folders whose settings and metrics an operator meets; what they share is in the last.
var services = []string{"gateway", "order-service", "inventory-service", "notification-service", "shared-kit"}

var inBackticks = regexp.MustCompile("^`([^`]+)`$")

// checkOperations compares the document's tables with the code, both ways.
func (r *repository) checkOperations() ([]fault, error) {
	d := r.byPath[operations]
	if d == nil {
		return []fault{{operations, 1, "is missing; it lists the settings and the metrics"}}, nil
	}
	code, err := r.readCode()
	if err != nil {
		return nil, err
	}
	faults := compare(d, "Settings", "setting", regexp.MustCompile(`^[A-Z][A-Z0-9_]*$`), code.settings)
	return append(faults, compare(d, "Metrics", "metric", regexp.MustCompile(`^[a-z][a-z0-9_]*$`), code.metrics)...), nil
}

// compare wants the tables below a heading to have a row for each name of the code, no other rows, and the code's defaults in the second column.
func compare(d *document, title, what string, pattern *regexp.Regexp, code map[string]definition) []fault {
	var faults []fault
	listed := make(map[string]bool)
	for _, row := range d.table(title) {
		m := inBackticks.FindStringSubmatch(row.cells[0])
		if m == nil || !pattern.MatchString(m[1]) {
			continue
		}
		name := m[1]
		defined, known := code[name]
		switch {
		case listed[name]:
			faults = append(faults, fault{d.path, row.line, fmt.Sprintf("the %s %s is listed twice", what, name)})
		case !known:
			faults = append(faults, fault{d.path, row.line, fmt.Sprintf("no service has the %s %s", what, name)})
		case defined.fallback != "" && (len(row.cells) < 2 || strings.Trim(row.cells[1], "`") != defined.fallback):
			faults = append(faults, fault{d.path, row.line, fmt.Sprintf("the default of %s is %s (%s)", name, defined.fallback, defined.at)})
		}
		listed[name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(code)) {
		if !listed[name] {
			faults = append(faults, fault{d.path, 1, fmt.Sprintf("the %s %s of %s is not listed below %q", what, name, code[name].at, title)})
		}
	}
	return faults
}
