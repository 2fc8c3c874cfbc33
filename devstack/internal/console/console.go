// Package console is what a person sees of the stack in the terminal.
package console

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/steadfast-shop/steadfast/devstack/internal/logfile"
	"github.com/steadfast-shop/steadfast/devstack/internal/stack"
	"github.com/steadfast-shop/steadfast/devstack/internal/supervise"
)

// nameWidth fits the longest name of a part.
const nameWidth = len(stack.Notification)

// Colours of the ANSI palette, which every terminal theme makes readable.
const (
	bold   = "1"
	faint  = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
)

// Console writes to the terminal, from many goroutines.
type Console struct {
	mu     sync.Mutex
	out    io.Writer
	colour bool
}

// New makes a console. Colours are used only if asked for.
func New(out io.Writer, colour bool) *Console {
	return &Console{out: out, colour: colour}
}

// WantsColour says whether colours are welcome on file: it is a terminal, and
// neither NO_COLOR (no-color.org) nor a dumb terminal asks for none.
func WantsColour(file *os.File, lookup func(string) string) bool {
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && lookup("NO_COLOR") == "" && lookup("TERM") != "dumb"
}

// Say writes a line.
func (c *Console) Say(format string, arguments ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, _ = fmt.Fprintf(c.out, format+"\n", arguments...) // a terminal that has gone is no reason to stop
}

// ShowEvent writes a line for a change that a person wants to know of.
func (c *Console) ShowEvent(event supervise.Event) {
	name := fmt.Sprintf("%-*s", nameWidth, event.Name)
	switch {
	case event.State == supervise.Starting && event.Detail != "":
		c.Say("  %s  %s", name, c.paint(faint, event.Detail))
	case event.State == supervise.Ready:
		c.Say("  %s  %s %s", name, c.paint(green, "ready  "), seconds(event.Took))
	case event.State == supervise.Restarting:
		c.Say("  %s  %s %s", name, c.paint(red, "crashed"), event.Detail)
	case event.State == supervise.Stopped:
		c.Say("  %s  %s %s%s", name, c.paint(yellow, "stopped"), seconds(event.Took), event.Detail)
	}
}

func seconds(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

// ShowFailure shows the last words of a part that did not start.
func (c *Console) ShowFailure(failure *supervise.StartError) {
	lines := logfile.LastLines(failure.Log, 20)
	if len(lines) == 0 {
		return
	}
	c.Say("\n%s The last lines of %s:", c.paint(red, failure.Part+" did not start."), shortPath(failure.Log))
	for _, line := range lines {
		c.Say("  %s", readable(line))
	}
}

// ShowLog writes one line of a part's log, shortened for people.
func (c *Console) ShowLog(part, line string) {
	if text := readable(line); text != "" {
		c.Say("%s %s", c.paint(faint, fmt.Sprintf("%-*s |", nameWidth, part)), text)
	}
}

// ShowTable writes what runs where.
func (c *Console) ShowTable(parts []stack.Part) {
	rows := [][]string{{"PART", "STATE", "ADDRESS", "PID", "LOG"}}
	for _, part := range parts {
		if part.State == stack.Left {
			continue
		}
		row := []string{part.Name, part.State, "", "-", "-"}
		if part.PID > 0 {
			row[3] = strconv.Itoa(part.PID)
		}
		if part.Log != "" {
			row[4] = shortPath(part.Log)
		}
		for i, address := range part.Addresses {
			if i > 0 {
				row = make([]string, 5)
			}
			row[2] = address
			rows = append(rows, row)
		}
	}
	widths := make([]int, 5)
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], len(cell))
		}
	}
	for i, row := range rows {
		line := "  "
		for column, cell := range row {
			line += fmt.Sprintf("%-*s  ", widths[column], cell)
		}
		line = strings.TrimRight(line, " ")
		if i == 0 {
			line = c.paint(bold, line)
		}
		c.Say("%s", line)
	}
}

// ShowWelcome writes the table, and what to do first.
func (c *Console) ShowWelcome(document stack.Document) {
	c.Say("\n%s\n", c.paint(bold, fmt.Sprintf("Steadfast is ready (%.1f s).", time.Since(document.StartedAt).Seconds())))
	c.ShowTable(document.Parts)
	runs := func(name string) bool {
		return slices.ContainsFunc(document.Parts, func(part stack.Part) bool { return part.Name == name && part.State != stack.Left })
	}
	if runs(stack.Gateway) {
		c.showFirstSteps(document)
	}
	if document.URLs.Inbox != "" && runs(stack.Inbox) {
		c.Say("Read the mail:  %s/", document.URLs.Inbox)
	}
	if document.URLs.Traces != "" {
		c.Say("See the traces: %s/", document.URLs.Traces)
	}
	c.Say("Ctrl-C stops everything; a second one kills it.\n")
}

func (c *Console) showFirstSteps(document stack.Document) {
	c.Say(strings.NewReplacer("{gateway}", document.URLs.Gateway).Replace(`
Try first:

  # create stock
  curl {gateway}/api/inventory -H 'Content-Type: application/json' \
    -d '{"skuCode":"SKU001","quantity":100}'
  # place an order
  curl {gateway}/api/order -H 'Content-Type: application/json' \
    -d '{"orderNumber":"ORD-001","skuCode":"SKU001","price":29.99,"quantity":2,"userDetails":{"userId":"user123","email":"user@example.com","firstName":"John","lastName":"Doe"}}'
  # list the orders of a user
  curl {gateway}/api/order/user123
`))
}

func (c *Console) paint(colour, text string) string {
	if !c.colour || text == "" {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

// shortPath is the path from here, where that is shorter.
func shortPath(path string) string {
	here, err := os.Getwd()
	if err != nil {
		return path
	}
	relative, err := filepath.Rel(here, path)
	if err != nil || len(relative) > len(path) || strings.HasPrefix(relative, "..") {
		return path
	}
	return relative
}
