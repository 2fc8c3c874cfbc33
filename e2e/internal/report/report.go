// Package report is what a benchmark has found, as JSON and as tables.
package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"
)

// Report is one run of the benchmark.
type Report struct {
	Began   time.Time `json:"began"`
	Machine Machine   `json:"machine"`
	// WarmUp and Measured are the times of each scenario, in seconds.
	WarmUp   float64  `json:"warmUpSeconds"`
	Measured float64  `json:"measuredSeconds"`
	Systems  []System `json:"systems"`
}

// Machine is where it ran.
type Machine struct {
	Cores  int    `json:"cores"`
	Model  string `json:"model"`
	Memory int64  `json:"memoryBytes"`
	System string `json:"system"` // linux/amd64, say
	// Go is the version that the measured programs were built with, and Commit where their sources stood; with + where these had been changed.
	Go     string `json:"go"`
	Commit string `json:"commit"`
}

// System is one system that was measured.
type System struct {
	Name string `json:"name"`
	// Starts are the times from a service's start until it was ready, in milliseconds, by service.
	Starts map[string][]float64 `json:"startMilliseconds,omitempty"`
	// Idle is the memory of each part before any load, Memory that after all of it.
	Idle      map[string]Memory `json:"idle,omitempty"`
	Memory    map[string]Memory `json:"memory,omitempty"`
	Scenarios []Scenario        `json:"scenarios"`
}

// Memory is resident, in bytes.
type Memory struct {
	Resident int64 `json:"residentBytes"`
	Peak     int64 `json:"peakBytes"`
}

// Scenario is what came of one load. Latencies are in milliseconds, CPU in cores: seconds of processor time for each second.
type Scenario struct {
	Name     string  `json:"name"`
	Title    string  `json:"title"`
	Clients  int     `json:"clients"`
	Rate     float64 `json:"rate"` // right answers a second
	P50      float64 `json:"p50"`
	P95      float64 `json:"p95"`
	P99      float64 `json:"p99"`
	Most     float64 `json:"max"`
	Samples  int     `json:"samples"`
	Requests int64   `json:"requests"` // with those that were not measured
	Errors   int64   `json:"errors"`   // among Requests
	// Faults counts the errors by what was wrong.
	Faults map[string]int     `json:"faults,omitempty"`
	CPU    map[string]float64 `json:"cpu,omitempty"`
	// Memory is that of each part when the load ended.
	Memory map[string]Memory `json:"memory,omitempty"`
	// LastMail is how many seconds after the last answer the last mail came; nil where none was due.
	LastMail *float64 `json:"lastMailSeconds,omitempty"`
	// Broken is the promise that was not kept, or "".
	Broken string `json:"broken,omitempty"`
	// Profiled is true where profiles were taken, which cost time.
	Profiled bool `json:"profiled,omitempty"`
}

// Summary is the scenario in one line.
func (s *Scenario) Summary() string {
	text := fmt.Sprintf("%.0f/s, p50 %.2f ms, p99 %.2f ms", s.Rate, s.P50, s.P99)
	if s.Errors > 0 {
		text += fmt.Sprintf(", %d of %d requests FAILED: %v", s.Errors, s.Requests, s.Faults)
	}
	if s.Broken != "" {
		text += ", BROKEN: " + s.Broken
	}
	return text
}

// Names in CPU that are no part of the measured system: the load generator, and whatever else the machine did.
const (
	Generator = "generator"
	Others    = "others"
)

// Cost returns the milliseconds of processor time that the whole system used for each right answer, behind the answer included; 0 where that is unknown. Other work on the machine
// changes it less than anything else.
func (s *Scenario) Cost() float64 {
	cores := 0.0
	for name, used := range s.CPU {
		if name != Generator && name != Others {
			cores += used
		}
	}
	if s.Rate == 0 {
		return 0
	}
	return cores / s.Rate * 1000
}

// Write writes the report to a file.
func (r *Report) Write(path string) error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the report: %w", err)
	}
	if err := os.WriteFile(path, append(data, '\n'), 0o644); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

// Read reads a report that Write wrote.
func Read(path string) (*Report, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the report: %w", err)
	}
	r := &Report{}
	if err := json.Unmarshal(data, r); err != nil {
		return nil, fmt.Errorf("%s is no report of this benchmark: %w", path, err)
	}
	if len(r.Systems) == 0 {
		return nil, fmt.Errorf("%s is no report of this benchmark: it has no systems", path)
	}
	return r, nil
}

// Broken returns an error for each scenario that broke a promise or was answered wrongly.
func (r *Report) Broken() error {
	var all []error
	for _, system := range r.Systems {
		for _, s := range system.Scenarios {
			if s.Broken != "" {
				all = append(all, fmt.Errorf("%s, %s: %s", system.Name, s.Name, s.Broken))
			}
			if s.Errors > 0 {
				all = append(all, fmt.Errorf("%s, %s: %d of %d requests failed", system.Name, s.Name, s.Errors, s.Requests))
			}
		}
	}
	return errors.Join(all...)
}
