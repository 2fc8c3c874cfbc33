package report

import (
	"maps"
	"slices"
)

// Median sums up several rounds of one load: of each figure its median, of what was wrong all of it, and the memory of the last round. There must be a round.
func Median(rounds []Scenario) Scenario {
	of := func(figure func(Scenario) float64) float64 {
		figures := make([]float64, len(rounds))
		for i, s := range rounds {
			figures[i] = figure(s)
		}
		return median(figures)
	}
	all := rounds[len(rounds)-1]
	all.Rate = of(func(s Scenario) float64 { return s.Rate })
	all.P50 = of(func(s Scenario) float64 { return s.P50 })
	all.P95 = of(func(s Scenario) float64 { return s.P95 })
	all.P99 = of(func(s Scenario) float64 { return s.P99 })
	all.Most = of(func(s Scenario) float64 { return s.Most })
	all.CPU = maps.Clone(all.CPU)
	for name := range all.CPU {
		all.CPU[name] = of(func(s Scenario) float64 { return s.CPU[name] })
	}
	if !slices.ContainsFunc(rounds, func(s Scenario) bool { return s.LastMail == nil }) {
		last := of(func(s Scenario) float64 { return *s.LastMail })
		all.LastMail = &last
	}
	all.Samples, all.Requests, all.Errors, all.Faults = 0, 0, 0, nil
	for _, s := range rounds {
		all.Samples, all.Requests, all.Errors = all.Samples+s.Samples, all.Requests+s.Requests, all.Errors+s.Errors
		for fault, n := range s.Faults {
			if all.Faults == nil {
				all.Faults = map[string]int{}
			}
			all.Faults[fault] += n
		}
		if all.Broken == "" {
			all.Broken = s.Broken
		}
	}
	return all
}
