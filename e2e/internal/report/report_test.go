package report

import (
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func sample() *Report {
	mail := 0.254
	return &Report{
		Began: time.Date(2026, 1, 2, 3, 4, 0, 0, time.UTC), WarmUp: 2, Measured: 5,
		Machine: Machine{Cores: 2, Model: "Some CPU", Memory: 8 << 30, System: "linux/amd64", Go: "go1.26", Commit: "abc"},
		Systems: []System{
			{
				Name:   "embedded",
				Starts: map[string][]float64{"gateway": {30, 10, 20}, "order-service": {10, 40}},
				Idle:   map[string]Memory{"gateway": {Resident: 20e6, Peak: 21e6}}, Memory: map[string]Memory{"gateway": {Resident: 30e6, Peak: 31e6}, "kafka": {Resident: 1e6, Peak: 2e6}},
				Scenarios: []Scenario{
					{
						Name: "orders-32", Title: "orders, 100 SKUs", Clients: 32, Rate: 1500.4, P50: 12.34, P95: 101.9, P99: 9.999, Most: 250, Samples: 7502, Requests: 9000, LastMail: &mail,
						CPU: map[string]float64{"gateway": 0.5, "order-service": 0.25, "generator": 0.1, "others": 0.7},
					},
					{Name: "stock-32", Title: "stock of one SKU", Clients: 32, Rate: 5000, P50: 1, P95: 2, P99: 3, Most: 4, Requests: 10, Errors: 2, Broken: "stock is gone"},
				},
			},
			{Name: "apache", Scenarios: []Scenario{{Name: "orders-32", Title: "orders, 100 SKUs", Clients: 32, Rate: 750.2, P50: 20, P95: 30, P99: 40, Most: 50}}},
			{Name: "none"}, // one that did not start
		},
	}
}

const want = `Some CPU, 2 cores, 8 GiB, linux/amd64; go1.26, commit abc, 2026-01-02 03:04 UTC; 5 s measured after 2 s

### embedded

| load                      | clients | per second | p50 ms | p95 ms | p99 ms | max ms | errors | last mail after |
| ------------------------- | ------: | ---------: | -----: | -----: | -----: | -----: | -----: | --------------: |
| orders, 100 SKUs          |      32 |       1500 |   12.3 |    102 |   10.0 |    250 |      0 |          0.25 s |
| stock of one SKU (BROKEN) |      32 |       5000 |   1.00 |   2.00 |   3.00 |   4.00 |      2 |               – |

Cores kept busy, and milliseconds of processor time for each answer (without generator and others):

| load             | clients | gateway | order | generator | others | CPU ms |
| ---------------- | ------: | ------: | ----: | --------: | -----: | -----: |
| orders, 100 SKUs |      32 |    0.50 |  0.25 |      0.10 |   0.70 |   0.50 |
| stock of one SKU |      32 |       – |     – |         – |      – |      – |

| process       | memory idle | after the loads | at most | ready after (median) |
| ------------- | ----------: | --------------: | ------: | -------------------: |
| gateway       |     20.0 MB |         30.0 MB | 31.0 MB |                20 ms |
| order-service |           – |               – |       – |                25 ms |
| kafka         |           – |          1.0 MB |  2.0 MB |                    – |

### apache

| load             | clients | per second | p50 ms | p95 ms | p99 ms | max ms | errors | last mail after |
| ---------------- | ------: | ---------: | -----: | -----: | -----: | -----: | -----: | --------------: |
| orders, 100 SKUs |      32 |        750 |   20.0 |   30.0 |   40.0 |   50.0 |      0 |               – |

### Beside each other

| load             | clients | embedded per second | p50 ms | p99 ms | CPU ms | apache per second | p50 ms | p99 ms | CPU ms | rate ÷ embedded | CPU ÷ embedded |
| ---------------- | ------: | ------------------: | -----: | -----: | -----: | ----------------: | -----: | -----: | -----: | --------------: | -------------: |
| orders, 100 SKUs |      32 |                1500 |   12.3 |   10.0 |   0.50 |               750 |   20.0 |   40.0 |      – |            0.50 |              – |
`

func TestMarkdown(t *testing.T) {
	r := sample()
	if got := r.Markdown(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestFileKeepsAll(t *testing.T) {
	r := sample()
	path := filepath.Join(t.TempDir(), "report.json")
	if err := r.Write(path); err != nil {
		t.Fatal(err)
	}
	got, err := Read(path)
	if err != nil || !reflect.DeepEqual(got, r) {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, err := Read(path + "x"); err == nil {
		t.Error("a file that is not there: no error")
	}
	if err := (&Report{}).Write(path); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(path); err == nil || !strings.Contains(err.Error(), "no report") {
		t.Errorf("a file without systems: got %v", err)
	}
}

func TestBroken(t *testing.T) {
	err := sample().Broken()
	if err == nil || !strings.Contains(err.Error(), "embedded, stock-32: stock is gone") || !strings.Contains(err.Error(), "2 of 10 requests failed") {
		t.Errorf("got %v", err)
	}
	r := sample()
	r.Systems[0].Scenarios = r.Systems[0].Scenarios[:1]
	if err := r.Broken(); err != nil {
		t.Errorf("a good run: got %v", err)
	}
}

func TestCompare(t *testing.T) {
	earlier, now := sample(), sample()
	now.Systems[0].Scenarios[0].Rate *= 2
	now.Systems[0].Scenarios[0].P99 = 5
	got := now.Compare(earlier)
	if !strings.Contains(got, "| embedded | orders, 100 SKUs |      32 |              1500 | 3001 |  2.00 |       12.3 | 12.3 |  1.00 |       10.0 | 5.00 |  0.50 |          0.50 | 0.25 |  0.50 |") {
		t.Errorf("got\n%s", got)
	}
	if strings.Contains(got, differ) {
		t.Error("runs of one machine and one length are told to differ")
	}
	now.Machine.Cores = 64
	if got := now.Compare(earlier); !strings.HasPrefix(got, differ) {
		t.Errorf("runs of two machines: got\n%s", got)
	}
	only := &Report{Systems: []System{{Name: "another", Scenarios: now.Systems[0].Scenarios}}}
	if got := only.Compare(earlier); !strings.Contains(got, "Nothing") {
		t.Errorf("runs without a common system: got\n%s", got)
	}
	one := &Report{Systems: earlier.Systems[:1]}
	if got := only.Compare(one); !strings.Contains(got, "| another | orders, 100 SKUs |") {
		t.Errorf("one system on each side: got\n%s", got)
	}
}

func TestMedian(t *testing.T) {
	mail := func(seconds float64) *float64 { return &seconds }
	got := Median([]Scenario{
		{Rate: 300, P50: 1, CPU: map[string]float64{"order": .3, Generator: .1}, Samples: 3, Requests: 4, LastMail: mail(1)},
		{Rate: 100, P50: 3, CPU: map[string]float64{"order": .1, Generator: .3}, Samples: 1, Requests: 2, Errors: 1, Faults: map[string]int{"503": 1}, LastMail: mail(3), Broken: "stock"},
		{Rate: 200, P50: 2, CPU: map[string]float64{"order": .2, Generator: .2}, Samples: 2, Requests: 3, Errors: 1, Faults: map[string]int{"503": 1}, LastMail: mail(2)},
	})
	if got.Rate != 200 || got.P50 != 2 || got.CPU["order"] != .2 || got.CPU[Generator] != .2 || *got.LastMail != 2 {
		t.Errorf("got %+v; want the medians", got)
	}
	if got.Samples != 6 || got.Requests != 9 || got.Errors != 2 || got.Faults["503"] != 2 || got.Broken != "stock" {
		t.Errorf("got %+v; want all samples and all that was wrong", got)
	}
	if got := Median([]Scenario{{LastMail: mail(1)}, {Rate: 1}}); got.Rate != .5 || got.LastMail != nil {
		t.Errorf("got %+v; want the mean of two, and no time of mails that one round has not", got)
	}
}
