// Package show writes an audit's report for people and for programs.
package show

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/steadfast-shop/steadfast/auditor/audit"
)

// most is how many cases of a finding are shown, unless all are asked for.
const most = 10

// JSON writes the report as one JSON document.
func JSON(out io.Writer, report audit.Report) error {
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(report)
}

// Text writes the report for people.
func Text(out io.Writer, report audit.Report, all bool) error {
	var text strings.Builder
	c := report.Counts
	fmt.Fprintf(&text, "looked at %d SKUs, %d adjustments, %d orders (%d placed), %d reservations, %d events, %d mails in %s\n",
		c.SKUs, c.Adjustments, c.Orders, c.Placed, c.Reservations, c.Events, c.Mails, report.Duration.Round(time.Millisecond))
	fmt.Fprintf(&text, "journal: %d in flight, the oldest for %s\n", c.Journal, c.JournalOldest.Round(time.Millisecond))
	for _, note := range []struct {
		count int64
		text  string
	}{
		{c.Waiting, "placed orders wait for their event or mail, or are dead letters"},
		{c.Retrying, "mails wait for another try"},
		{c.DeadLetters, "dead letters are kept; notification-service shows and redrives them"},
		{c.NotEvents, "records of order-placed are no events"},
		{c.Young, "orders are too young to be compared with their reservations"},
		{c.EventsExpired, "placed orders are older than what order-placed keeps: their events were not checked"},
	} {
		if note.count > 0 {
			fmt.Fprintf(&text, "note: %d %s\n", note.count, note.text)
		}
	}
	for _, finding := range report.Findings {
		fmt.Fprintf(&text, "\n%s: %d\n  %s.\n  What to do: %s.\n", finding.Kind, finding.Count, finding.Meaning, finding.Advice)
		cases := finding.Cases
		if !all && len(cases) > most {
			cases = cases[:most]
		}
		for _, found := range cases {
			fmt.Fprintf(&text, "  - %q: %s\n", found.ID, found.Detail)
		}
		if rest := finding.Count - int64(len(cases)); rest > 0 {
			fmt.Fprintf(&text, "  and %d more; --all lists them\n", rest)
		}
	}
	if report.Clean() {
		text.WriteString("\neverything adds up\n")
	} else {
		fmt.Fprintf(&text, "\n%d kinds of differences\n", len(report.Findings))
	}
	_, err := io.WriteString(out, text.String())
	return err
}
