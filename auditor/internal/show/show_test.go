package show_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/steadfast-shop/steadfast/auditor/audit"
	"github.com/steadfast-shop/steadfast/auditor/internal/show"
)

func TestText(t *testing.T) {
	t.Parallel()
	finding := audit.Finding{Kind: audit.StockDiffers, Meaning: "the meaning", Advice: "the advice", Count: 30}
	for i := range 25 { // of 30, as the bound on cases leaves them
		finding.Cases = append(finding.Cases, audit.Case{ID: fmt.Sprintf("S%02d", i), Detail: "detail"})
	}
	report := audit.Report{Counts: audit.Counts{Placed: 7, EventsExpired: 3}, Findings: []audit.Finding{finding}}
	for name, test := range map[string]struct {
		report    audit.Report
		all       bool
		want, not []string
	}{
		"clean": {audit.Report{}, false, []string{"everything adds up"}, []string{"note:", "What to do"}},
		"few":   {report, false, []string{"(7 placed)", "note: 3 placed orders are older", "stock-differs: 30", "the meaning", "the advice", `"S09": detail`, "and 20 more"}, []string{"S10", "adds up"}},
		"all":   {report, true, []string{`"S24": detail`, "and 5 more"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out strings.Builder
			if err := show.Text(&out, test.report, test.all); err != nil {
				t.Fatal(err)
			}
			for _, want := range test.want {
				if !strings.Contains(out.String(), want) {
					t.Errorf("%q is not in\n%s", want, out.String())
				}
			}
			for _, not := range test.not {
				if strings.Contains(out.String(), not) {
					t.Errorf("%q is in\n%s", not, out.String())
				}
			}
		})
	}
}
