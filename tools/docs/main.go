// Command docs checks the Markdown files of this repository against what they speak of: links lead somewhere, files and tests that are named exist, and docs/operations.md lists
// exactly the settings and metrics that the services have. Its argument is the repository's folder; it exits with 1 where something is wrong, and names each fault by file and line.
// It reads files only: external links are looked at, not followed.
package main

import (
	"cmp"
	"fmt"
	"os"
	"slices"
)

// fault is what is wrong, and where.
type fault struct {
	path string // from the repository's folder, with slashes
	line int
	text string
}

// String names the place as editors understand it.
func (f fault) String() string { return fmt.Sprintf("%s:%d: %s", f.path, f.line, f.text) }

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "docs: give the repository's folder")
		os.Exit(2)
	}
	documents, faults, err := check(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, "docs:", err)
		os.Exit(1)
	}
	for _, f := range faults {
		fmt.Fprintln(os.Stderr, f)
	}
	if len(faults) > 0 {
		os.Exit(1)
	}
	fmt.Printf("%d documents lead where they say, and name every setting and metric\n", documents)
}

// check returns how many documents there are, and what is wrong with them.
func check(root string) (documents int, faults []fault, err error) {
	repo, err := openRepository(root)
	if err != nil {
		return 0, nil, err
	}
	for _, d := range repo.documents {
		faults = append(faults, repo.checkLinks(d)...)
		faults = append(faults, repo.checkNames(d)...)
	}
	faults = append(faults, repo.checkDecisions()...)
	listed, err := repo.checkOperations()
	if err != nil {
		return 0, nil, err
	}
	faults = append(faults, listed...)
	slices.SortFunc(faults, func(a, b fault) int { return cmp.Or(cmp.Compare(a.path, b.path), cmp.Compare(a.line, b.line)) })
	return len(repo.documents), faults, nil
}
