package report

import (
	"fmt"
	"slices"
)

// differ is said where ratios mean less than they seem to.
const differ = "The two runs are of different machines or lengths, so their ratios tell little.\n\n"

// find returns the scenario of that name, if the system has it.
func (s *System) find(name string) (Scenario, bool) {
	i := slices.IndexFunc(s.Scenarios, func(scenario Scenario) bool { return scenario.Name == name })
	if i < 0 {
		return Scenario{}, false
	}
	return s.Scenarios[i], true
}

// sideBySide shows the systems of one run, and how many times as much each does as the first. It is "" where there are no two that have a scenario in common.
func (r *Report) sideBySide() string {
	systems := slices.DeleteFunc(slices.Clone(r.Systems), func(s System) bool { return len(s.Scenarios) == 0 })
	names := common(systems)
	if len(names) == 0 {
		return ""
	}
	head := []string{"load", "clients"}
	for i, system := range systems {
		head = append(head, system.Name+" per second", "p50 ms", "p99 ms", "CPU ms")
		if i > 0 {
			head = append(head, "rate ÷ "+systems[0].Name, "CPU ÷ "+systems[0].Name)
		}
	}
	rows := [][]string{head}
	for _, name := range names {
		first, _ := systems[0].find(name)
		row := []string{first.Title, fmt.Sprint(first.Clients)}
		for i, system := range systems {
			s, found := system.find(name)
			row = append(row, either(found, rate(s.Rate)), either(found, latency(s.P50)), either(found, latency(s.P99)), cost(s))
			if i > 0 {
				row = append(row, either(found, ratio(s.Rate, first.Rate)), either(s.Cost() > 0, ratio(s.Cost(), first.Cost())))
			}
		}
		rows = append(rows, row)
	}
	return table(rows)
}

// common lists the scenarios that the first system and another one have, in their order.
func common(systems []System) []string {
	var names []string
	if len(systems) < 2 {
		return nil
	}
	for _, s := range systems[0].Scenarios {
		if slices.ContainsFunc(systems[1:], func(other System) bool { _, found := other.find(s.Name); return found }) {
			names = append(names, s.Name)
		}
	}
	return names
}

// Compare shows how many times as much this run measured as an earlier one. Systems are matched by name; a single one on each side is matched whatever its name.
func (r *Report) Compare(earlier *Report) string {
	rows := [][]string{{"system", "load", "clients", "per second before", "now", "ratio", "p50 before", "now", "ratio", "p99 before", "now", "ratio", "CPU ms before", "now", "ratio"}}
	for _, system := range r.Systems {
		i := slices.IndexFunc(earlier.Systems, func(s System) bool { return s.Name == system.Name })
		if i < 0 && len(r.Systems) == 1 && len(earlier.Systems) == 1 {
			i = 0
		}
		if i < 0 {
			continue
		}
		for _, now := range system.Scenarios {
			before, found := earlier.Systems[i].find(now.Name)
			if !found {
				continue
			}
			rows = append(rows, []string{
				system.Name, now.Title, fmt.Sprint(now.Clients),
				rate(before.Rate), rate(now.Rate), ratio(now.Rate, before.Rate),
				latency(before.P50), latency(now.P50), ratio(now.P50, before.P50),
				latency(before.P99), latency(now.P99), ratio(now.P99, before.P99),
				cost(before), cost(now), ratio(now.Cost(), before.Cost()),
			})
		}
	}
	if len(rows) == 1 {
		return "Nothing in the two runs can be compared: they have no scenario of one system in common.\n"
	}
	note := ""
	if a, b := earlier.Machine, r.Machine; a.Cores != b.Cores || a.Model != b.Model || earlier.Measured != r.Measured {
		note = differ
	}
	return note + table(rows)
}

func ratio(now, before float64) string {
	if before == 0 {
		return none
	}
	return fmt.Sprintf("%.2f", now/before)
}
