package main

import (
	"regexp"
	"strconv"
	"strings"
	"unicode"
)

// document is a Markdown file, as far as it is checked.
type document struct {
	path    string
	lines   []string // with code blocks made empty
	links   []mention
	code    []mention // what stands in backticks within text
	labels  map[string]bool
	anchors map[string]bool
}

// mention is a piece of a document.
type mention struct {
	text string
	line int
}

var (
	inlineLink    = regexp.MustCompile(`\[[^\[\]]*\]\(\s*<?([^()\s<>]*(?:\([^()\s]*\)[^()\s<>]*)*)>?(?:\s+"[^"]*")?\s*\)`)
	labelledLink  = regexp.MustCompile(`\[[^\[\]]+\]\[([^\[\]]+)\]`)
	labelLine     = regexp.MustCompile(`(?m)^ {0,3}\[([^\[\]]+)\]:\s+<?(\S+?)>?(?:\s+"[^"]*")?\s*$`)
	autolink      = regexp.MustCompile(`<([a-z][a-z0-9+.-]*:[^\s<>]+)>`)
	htmlLink      = regexp.MustCompile(`(?:href|src)="([^"]*)"`)
	htmlAnchor    = regexp.MustCompile(`<a\s+(?:id|name)="([^"]+)"`)
	heading       = regexp.MustCompile(`^ {0,3}#{1,6}\s+(.*?)\s*#*\s*$`)
	fence         = regexp.MustCompile("^ {0,3}(?:[-*] +)?(```+|~~~+)")
	linkInHeading = regexp.MustCompile(`\[([^\[\]]*)\]\([^)]*\)`)
)

// parse reads a document. It knows the Markdown of this repository, not all of it: no headings that are underlined, and no code block that is indented within a list.
func parse(path, text string) *document {
	d := &document{path: path, lines: blankBlocks(strings.Split(text, "\n")), labels: make(map[string]bool), anchors: make(map[string]bool)}
	for start := 0; start < len(d.lines); start++ {
		end := start
		for end < len(d.lines) && strings.TrimSpace(d.lines[end]) != "" {
			end++
		}
		d.readText(strings.Join(d.lines[start:end], "\n"), start+1)
		start = end
	}
	d.readAnchors()
	return d
}

// blankBlocks makes the lines of code blocks empty, so that line numbers stay.
func blankBlocks(lines []string) []string {
	text := make([]string, len(lines))
	open, afterBlank := "", true
	for i, line := range lines {
		isIndented := strings.HasPrefix(line, "    ") || strings.HasPrefix(line, "\t")
		mark := fence.FindStringSubmatch(line)
		switch {
		case open != "":
			if mark != nil && strings.HasPrefix(mark[1], open) && strings.Trim(line, " "+open[:1]) == "" {
				open = ""
			}
		case mark != nil && !isIndented:
			open = mark[1]
		case isIndented && afterBlank: // and so is what follows it
		default:
			text[i] = line
		}
		afterBlank = strings.TrimSpace(text[i]) == ""
	}
	return text
}

// readText takes in a paragraph, list or table that begins at the given line.
func (d *document) readText(text string, line int) {
	prose := []byte(text)
	at := func(offset int) int { return line + strings.Count(text[:offset], "\n") }
	for i := 0; i < len(text); {
		if text[i] != '`' {
			i++
			continue
		}
		run := text[i : i+len(text[i:])-len(strings.TrimLeft(text[i:], "`"))]
		rest := text[i+len(run):]
		length := closing(rest, run)
		if length < 0 {
			i += len(run)
			continue
		}
		d.code = append(d.code, mention{strings.TrimSpace(rest[:length]), at(i)})
		for end := i + len(run) + length + len(run); i < end; i++ {
			if prose[i] != '\n' {
				prose[i] = ' '
			}
		}
	}
	for _, pattern := range []*regexp.Regexp{inlineLink, autolink, htmlLink} {
		for _, m := range pattern.FindAllSubmatchIndex(prose, -1) {
			d.links = append(d.links, mention{string(prose[m[2]:m[3]]), at(m[0])})
		}
	}
	for _, m := range labelLine.FindAllSubmatchIndex(prose, -1) {
		d.labels[strings.ToLower(string(prose[m[2]:m[3]]))] = true
		d.links = append(d.links, mention{string(prose[m[4]:m[5]]), at(m[2])})
	}
	for _, m := range htmlAnchor.FindAllSubmatch(prose, -1) {
		d.anchors[string(m[1])] = true
	}
}

// closing returns where in text the code that a run of backticks opened ends, or -1.
func closing(text, run string) int {
	for from := 0; ; {
		i := strings.Index(text[from:], run)
		if i < 0 {
			return -1
		}
		i += from
		end := i + len(run)
		if end == len(text) || text[end] != '`' {
			return i
		}
		from = end + len(text[end:]) - len(strings.TrimLeft(text[end:], "`"))
	}
}

// readAnchors makes the anchors of the headings, as GitHub does.
func (d *document) readAnchors() {
	used := make(map[string]int)
	for _, line := range d.lines {
		m := heading.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		anchor := anchorOf(linkInHeading.ReplaceAllString(m[1], "$1"))
		if n := used[anchor]; n > 0 {
			d.anchors[anchor+"-"+strconv.Itoa(n)] = true
		} else {
			d.anchors[anchor] = true
		}
		used[anchor]++
	}
}

func anchorOf(title string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-', r == '_', unicode.IsLetter(r), unicode.IsDigit(r):
			return unicode.ToLower(r)
		}
		return -1
	}, title)
}

// row is a line of a table.
type row struct {
	cells []string
	line  int
}

// table returns the rows of all tables below the heading with the title, down to the next heading of the same or a higher level.
func (d *document) table(title string) []row {
	var rows []row
	level := 0
	for i, line := range d.lines {
		if m := heading.FindStringSubmatch(line); m != nil {
			depth := len(line) - len(strings.TrimLeft(line, "#"))
			switch {
			case m[1] == title:
				level = depth
			case depth <= level:
				level = 0
			}
			continue
		}
		if level == 0 || !strings.HasPrefix(line, "|") {
			continue
		}
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for j := range cells {
			cells[j] = strings.TrimSpace(cells[j])
		}
		rows = append(rows, row{cells, i + 1})
	}
	return rows
}
