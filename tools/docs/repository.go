package main

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
)

// repository is what documents may speak of.
type repository struct {
	files     fs.FS
	documents []*document
	byPath    map[string]*document
	entries   map[string]bool // files and folders, with slashes; folders are true
	names     map[string]bool // base names of files
	tests     map[string]bool // names of test functions
}

var testFunction = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark)[A-Z]\w*)\(`)

// openRepository reads the names of all files, the documents, and the names of the tests. What is built, fetched or hidden is no part of the repository.
func openRepository(root string) (*repository, error) {
	r := &repository{
		files: os.DirFS(root), byPath: make(map[string]*document), entries: make(map[string]bool), names: make(map[string]bool), tests: make(map[string]bool),
	}
	err := fs.WalkDir(r.files, ".", func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if entry.IsDir() && file != "." && (strings.HasPrefix(name, ".") || isMade(name)) {
			return fs.SkipDir
		}
		return r.add(file, entry)
	})
	if err != nil {
		return nil, fmt.Errorf("read the repository: %w", err)
	}
	if len(r.documents) == 0 {
		return nil, fmt.Errorf("%s holds no Markdown file; give the repository's folder", root)
	}
	return r, nil
}

// isMade tells the folders that are built or fetched.
func isMade(name string) bool { return name == "bin" || name == "node_modules" }

func (r *repository) add(file string, entry fs.DirEntry) error {
	r.entries[file] = entry.IsDir()
	if entry.IsDir() {
		return nil
	}
	r.names[path.Base(file)] = true
	isTest := strings.HasSuffix(file, "_test.go")
	if !isTest && path.Ext(file) != ".md" {
		return nil
	}
	data, err := fs.ReadFile(r.files, file)
	if err != nil {
		return err
	}
	if isTest {
		for _, m := range testFunction.FindAllSubmatch(data, -1) {
			r.tests[string(m[1])] = true
		}
		return nil
	}
	d := parse(file, string(data))
	r.documents = append(r.documents, d)
	r.byPath[file] = d
	return nil
}

// exists tells whether there is such a file or folder, also among what is hidden.
func (r *repository) exists(file string) bool {
	if _, known := r.entries[file]; known {
		return true
	}
	_, err := fs.Stat(r.files, file)
	return err == nil
}

// above returns the folder of a file and all that hold it, up to the repository's own, ".".
func above(file string) []string {
	var folders []string
	for folder := path.Dir(file); ; folder = path.Dir(folder) {
		folders = append(folders, folder)
		if folder == "." {
			return folders
		}
	}
}

const (
	decisions     = "docs/adr"
	decisionIndex = decisions + "/README.md"
)

// checkDecisions wants every decision in the index.
func (r *repository) checkDecisions() []fault {
	index := r.byPath[decisionIndex]
	if index == nil {
		return []fault{{decisionIndex, 1, "is missing; it lists the decisions"}}
	}
	var faults []fault
	for _, d := range r.documents {
		name, found := strings.CutPrefix(d.path, decisions+"/")
		if found && d != index && !slices.ContainsFunc(index.links, func(l mention) bool { return l.text == name }) {
			faults = append(faults, fault{decisionIndex, 1, "does not link to " + name})
		}
	}
	return faults
}
