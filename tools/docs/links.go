package main

import (
	"fmt"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
)

// checkLinks returns the links of a document that lead nowhere.
func (r *repository) checkLinks(d *document) []fault {
	var faults []fault
	for _, link := range d.links {
		if wrong := r.checkLink(d, link.text); wrong != "" {
			faults = append(faults, fault{d.path, link.line, wrong})
		}
	}
	for i, line := range d.lines {
		for _, m := range labelledLink.FindAllStringSubmatch(withoutCode(line), -1) {
			if !d.labels[strings.ToLower(m[1])] {
				faults = append(faults, fault{d.path, i + 1, fmt.Sprintf("the link's label [%s] is not defined", m[1])})
			}
		}
	}
	return faults
}

var codeInLine = regexp.MustCompile("`[^`]*`")

func withoutCode(line string) string { return codeInLine.ReplaceAllString(line, " ") }

// checkLink returns what is wrong with a link's target, "" where nothing is.
func (r *repository) checkLink(d *document, target string) string {
	parsed, err := url.Parse(target)
	switch {
	case err != nil:
		return fmt.Sprintf("the link %q cannot be parsed", target)
	case target == "":
		return "a link leads nowhere; give it a target"
	case parsed.Scheme == "http" || parsed.Scheme == "https":
		if parsed.Hostname() == "" {
			return fmt.Sprintf("the link %s has no host", target)
		}
		return ""
	case parsed.Scheme == "mailto" && strings.Contains(parsed.Opaque, "@"):
		return ""
	case parsed.Scheme != "" || parsed.Host != "":
		return fmt.Sprintf("the link %s must begin with https://, or be a path in this repository", target)
	case strings.HasPrefix(parsed.Path, "/"):
		return fmt.Sprintf("the link %s must be relative to this file", target)
	}
	to := d
	if parsed.Path != "" {
		file := path.Join(path.Dir(d.path), parsed.Path)
		if file == ".." || strings.HasPrefix(file, "../") {
			return fmt.Sprintf("the link %s leads out of the repository", target)
		}
		if !r.exists(file) {
			return fmt.Sprintf("the link %s leads nowhere: there is no %s", target, file)
		}
		to = r.byPath[file]
	}
	switch {
	case parsed.Fragment == "":
		return ""
	case to == nil:
		return fmt.Sprintf("the link %s names an anchor of what is no Markdown file", target)
	case !to.anchors[parsed.Fragment]:
		return fmt.Sprintf("the link %s leads nowhere: %s has no heading for #%s", target, to.path, parsed.Fragment)
	}
	return ""
}

var (
	pathLike = regexp.MustCompile(`^(?:\./)?[A-Za-z0-9_][A-Za-z0-9_.-]*(?:/[A-Za-z0-9_.-]+)*/?$`)
	fileLike = regexp.MustCompile(`^[\w.-]+\.(?:go|md|proto|sql|ya?ml|mjs)$`)
	testLike = regexp.MustCompile(`^(?:Test|Fuzz|Benchmark)[A-Z]\w*$`)
)

// checkNames returns what stands in backticks, looks like a file or a test of this repository, and is none.
func (r *repository) checkNames(d *document) []fault {
	var faults []fault
	for _, code := range d.code {
		switch text := code.text; {
		case testLike.MatchString(text):
			if !r.tests[text] {
				faults = append(faults, fault{d.path, code.line, fmt.Sprintf("there is no test %s", text)})
			}
		case fileLike.MatchString(text):
			if !r.names[text] && !r.existsAbove(d, text) {
				faults = append(faults, fault{d.path, code.line, fmt.Sprintf("there is no file %s", text)})
			}
		case strings.Contains(text, "/") && pathLike.MatchString(text) && r.namesFolder(d, text):
			if !r.existsAbove(d, text) {
				faults = append(faults, fault{d.path, code.line, fmt.Sprintf("there is no %s, here or in a folder above", text)})
			}
		}
	}
	return faults
}

// namesFolder tells whether a text with slashes begins with a folder that is there, seen from the document's folder or one above it, or with one that code has everywhere,
// and is not about what is made.
func (r *repository) namesFolder(d *document, text string) bool {
	if slices.ContainsFunc(strings.Split(text, "/"), isMade) {
		return false
	}
	first, _, _ := strings.Cut(strings.TrimPrefix(text, "./"), "/")
	if first == "internal" {
		return true
	}
	for _, folder := range above(d.path) {
		if r.entries[path.Join(folder, first)] {
			return true
		}
	}
	return false
}

func (r *repository) existsAbove(d *document, text string) bool {
	for _, folder := range above(d.path) {
		if r.exists(path.Join(folder, text)) {
			return true
		}
	}
	return false
}
