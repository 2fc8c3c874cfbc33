package report

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

const none = "–"

// Markdown is the report as tables, for a terminal and for documents alike.
func (r *Report) Markdown() string {
	var out strings.Builder
	m := r.Machine
	fmt.Fprintf(&out, "%s, %d cores", cmp.Or(m.Model, m.System), m.Cores)
	if m.Memory > 0 {
		fmt.Fprintf(&out, ", %.0f GiB", float64(m.Memory)/(1<<30))
	}
	fmt.Fprintf(&out, ", %s; %s, commit %s, %s; %g s measured after %g s\n",
		m.System, cmp.Or(m.Go, "unknown Go"), cmp.Or(m.Commit, "unknown"), r.Began.UTC().Format("2006-01-02 15:04 MST"), r.Measured, r.WarmUp)
	for _, system := range r.Systems {
		if len(system.Scenarios) == 0 && len(system.Starts) == 0 {
			continue // it did not get that far
		}
		fmt.Fprintf(&out, "\n### %s\n\n%s", system.Name, system.speed())
		if table := system.processors(); table != "" {
			fmt.Fprintf(&out, "\nCores kept busy, and milliseconds of processor time for each answer (without generator and others):\n\n%s", table)
		}
		if table := system.processes(); table != "" {
			fmt.Fprintf(&out, "\n%s", table)
		}
	}
	if table := r.sideBySide(); table != "" {
		fmt.Fprintf(&out, "\n### Beside each other\n\n%s", table)
	}
	return out.String()
}

func (s *System) speed() string {
	if len(s.Scenarios) == 0 {
		return "No load was measured.\n"
	}
	rows := [][]string{{"load", "clients", "per second", "p50 ms", "p95 ms", "p99 ms", "max ms", "errors", "last mail after"}}
	for _, scenario := range s.Scenarios {
		mail := none
		if scenario.LastMail != nil {
			mail = fmt.Sprintf("%.2f s", *scenario.LastMail)
		}
		title := scenario.Title
		if scenario.Profiled {
			title += " (profiled)"
		}
		if scenario.Broken != "" {
			title += " (BROKEN)"
		}
		rows = append(rows, []string{
			title, fmt.Sprint(scenario.Clients), rate(scenario.Rate), latency(scenario.P50), latency(scenario.P95), latency(scenario.P99),
			latency(scenario.Most), fmt.Sprint(scenario.Errors), mail,
		})
	}
	return table(rows)
}

// order is that in which a reader looks for the processes.
func order(names []string) []string {
	known := []string{"gateway", "order-service", "inventory-service", "notification-service", "postgres", "ferretdb", "kafka", "inbox", "devstack", Generator, Others}
	place := func(name string) int {
		if i := slices.Index(known, name); i >= 0 {
			return i
		}
		return len(known)
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(place(a), place(b)), cmp.Compare(a, b)) })
	return names
}

// processors says which process used how much, scenario by scenario.
func (s *System) processors() string {
	all := make(map[string]bool)
	for _, scenario := range s.Scenarios {
		for name := range scenario.CPU {
			all[name] = true
		}
	}
	if len(all) == 0 {
		return ""
	}
	names := order(slices.Collect(maps.Keys(all)))
	rows := [][]string{slices.Concat([]string{"load", "clients"}, short(names), []string{"CPU ms"})}
	for _, scenario := range s.Scenarios {
		row := []string{scenario.Title, fmt.Sprint(scenario.Clients)}
		for _, name := range names {
			cores, found := scenario.CPU[name]
			row = append(row, either(found, fmt.Sprintf("%.2f", cores)))
		}
		rows = append(rows, append(row, cost(scenario)))
	}
	return table(rows)
}

// short leaves the word service out of names.
func short(names []string) []string {
	shorter := make([]string, len(names))
	for i, name := range names {
		shorter[i] = strings.TrimSuffix(name, "-service")
	}
	return shorter
}

// processes shows memory and starts.
func (s *System) processes() string {
	if len(s.Memory) == 0 && len(s.Starts) == 0 {
		return ""
	}
	all := make(map[string]bool)
	for name := range s.Memory {
		all[name] = true
	}
	for name := range s.Starts {
		all[name] = true
	}
	rows := [][]string{{"process", "memory idle", "after the loads", "at most", "ready after (median)"}}
	for _, name := range order(slices.Collect(maps.Keys(all))) {
		row := []string{name}
		for _, bytes := range []int64{s.Idle[name].Resident, s.Memory[name].Resident, s.Memory[name].Peak} {
			row = append(row, either(bytes > 0, fmt.Sprintf("%.1f MB", float64(bytes)/1e6)))
		}
		rows = append(rows, append(row, either(len(s.Starts[name]) > 0, fmt.Sprintf("%.0f ms", median(s.Starts[name])))))
	}
	return table(rows)
}

func either(known bool, text string) string {
	if known {
		return text
	}
	return none
}

// median is the middle one, or between the two middle ones; 0 of none.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

func rate(perSecond float64) string { return fmt.Sprintf("%.0f", perSecond) }

func cost(s Scenario) string { return either(s.Cost() > 0, latency(s.Cost())) }

// latency has three digits that count.
func latency(milliseconds float64) string {
	switch {
	case milliseconds >= 99.95:
		return fmt.Sprintf("%.0f", milliseconds)
	case milliseconds >= 9.995:
		return fmt.Sprintf("%.1f", milliseconds)
	default:
		return fmt.Sprintf("%.2f", milliseconds)
	}
}

// table writes Markdown whose columns line up: words to the left, numbers to the right.
func table(rows [][]string) string {
	widths := make([]int, len(rows[0]))
	words := make([]bool, len(rows[0]))
	for n, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell), 3)
			first, _ := utf8.DecodeRuneInString(cell)
			words[i] = words[i] || n > 0 && unicode.IsLetter(first)
		}
	}
	var out strings.Builder
	for n, row := range rows {
		for i, cell := range row {
			padding := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if words[i] {
				cell += padding
			} else {
				cell = padding + cell
			}
			out.WriteString("| " + cell + " ")
		}
		out.WriteString("|\n")
		if n > 0 {
			continue
		}
		for i, width := range widths {
			rule := strings.Repeat("-", width)
			if !words[i] {
				rule = rule[1:] + ":"
			}
			out.WriteString("| " + rule + " ")
		}
		out.WriteString("|\n")
	}
	return out.String()
}
