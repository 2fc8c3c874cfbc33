package faultreport

import (
	_ "embed"
	"fmt"
	"html/template"
	"os"
	"strings"
	"time"

	"github.com/steadfast-shop/steadfast/e2e/internal/chaos"
	"github.com/steadfast-shop/steadfast/e2e/internal/check"
	"github.com/steadfast-shop/steadfast/e2e/internal/faults"
)

//go:embed page.html
var pageText string

// page is what the page shows.
type page struct {
	Title, Verdict string
	Held           bool
	Facts          []fact
	Charts         []chart
	Strip          strip
	Ticks          []tick
	Legend         []string
	Tables         []namedTable
	Broken         []check.Broken
	Notes          []string
}

// fact is a figure with its name.
type fact struct{ Figure, Name string }

// namedTable is a table with a heading.
type namedTable struct {
	Name, Note string
	Head       []string
	Rows       [][]string
}

// WritePage writes the report as a page of its own, which needs nothing else.
func WritePage(path string, r *faults.Result) error {
	shown, err := template.New("page").Parse(pageText)
	if err != nil {
		return fmt.Errorf("read the page's template: %w", err)
	}
	var out strings.Builder
	if err := shown.Execute(&out, newPage(r)); err != nil {
		return fmt.Errorf("make the page: %w", err)
	}
	if err := os.WriteFile(path, []byte(out.String()), 0o644); err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	return nil
}

func newPage(r *faults.Result) page {
	v := r.Verdict
	promises := promiseRows(r)
	p := page{
		Title: fmt.Sprintf("Steadfast under fire, seed %d", r.Seed), Held: len(v.Broken) == 0,
		Verdict: fmt.Sprintf("All %d promises held", len(check.Promises())),
		Facts: []fact{
			{fmt.Sprint(v.Placed), "orders placed, none lost"},
			{fmt.Sprint(v.NotPlaced), "orders refused or given up"},
			{fmt.Sprint(len(begun(r.Faults))), "faults"},
			{fmt.Sprint(v.Repeated), "mails that came again"},
			{fmt.Sprintf("%.1f s", r.Settled.Seconds()), "to settle at the end"},
			{fmt.Sprintf("%.0f/s", r.Normal), "orders when all is well"},
		},
		Broken: v.Broken, Notes: r.Notes, Legend: groups(),
	}
	if !p.Held {
		p.Verdict = "BROKEN: " + strings.Join(v.Names(), ", ")
		p.Facts[0].Name = "orders placed"
	}
	if len(v.Undecided) > 0 {
		p.Notes = append(p.Notes, "Undecided: whether the reads of "+strings.Join(v.Undecided, ", ")+" fit an order was not found out in time.")
	}
	p.draw(r)
	p.Tables = []namedTable{
		newTable("Promises", "What clients were told, against what the databases, the topics and the inbox hold at the end.", promises),
		newTable("Faults by kind", "Recovered: from the fault's end to the first two seconds in which orders are placed at 60 % of their normal rate, or more. Where no fault of the kind was alone until then, the times are upper bounds, for others were on meanwhile.", faultRows(r)),
		newTable("Answers", "", answerRows(r)),
		newTable("Every fault", "The numbers are those below the charts.", everyFault(r)),
	}
	return p
}

func newTable(name, note string, rows [][]string) namedTable {
	return namedTable{Name: name, Note: note, Head: rows[0], Rows: rows[1:]}
}

// begun returns the faults that were brought about.
func begun(all []chaos.Fault) []chaos.Fault {
	var found []chaos.Fault
	for _, fault := range all {
		if fault.Began > 0 {
			found = append(found, fault)
		}
	}
	return found
}

func everyFault(r *faults.Result) [][]string {
	rows := [][]string{{"", "fault", "on", "from", "to"}}
	for i, fault := range begun(r.Faults) {
		rows = append(rows, []string{fmt.Sprint(i + 1), string(fault.Kind), fault.Target, clock(fault.Began), clock(fault.Ended)})
	}
	return rows
}

// clock is a time since the run began.
func clock(at time.Duration) string {
	return fmt.Sprintf("%d:%04.1f", int(at.Minutes()), (at - at.Truncate(time.Minute)).Seconds())
}
