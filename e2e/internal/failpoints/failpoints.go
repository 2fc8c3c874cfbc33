// Package failpoints builds the services with their fail points compiled in, lists these points, and sees to it that no effect on the outside is without them.
//
// A fail point is a comment of gofail in the product, which costs nothing in an ordinary build:
//
//	// gofail: var journalInsertBefore struct{}
//
// There are two kinds. A kill point marks the moment before or after an effect: its name ends in Before or After. A fault, whose name begins with "fault", breaks a rule of the product
// when it is switched on, by the code that follows in its comment; checkers must find it.
package failpoints

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"go.etcd.io/gofail/code"
)

// Services lists the modules that have fail points.
func Services() []string {
	return []string{"inventory-service", "notification-service", "order-service"}
}

// Point is one fail point.
type Point struct {
	// Service is the module, Package its folder there ("" for its root).
	Service, Package string
	Name             string
}

// IsFault tells a point that breaks a rule from one that marks a moment.
func (p Point) IsFault() bool { return strings.HasPrefix(p.Name, "fault") }

func (p Point) String() string { return path.Join(p.Service, p.Package) + " " + p.Name }

// Build builds all programs into dir as system.Build does, but with the fail points of the services compiled in, and returns these. Nothing in the repository is changed: the compiler is
// given other files in the place of those with points.
func Build(ctx context.Context, repository, dir string) ([]Point, error) {
	for _, path := range []*string{&repository, &dir} { // the compiler takes them from another folder
		absolute, err := filepath.Abs(*path)
		if err != nil {
			return nil, fmt.Errorf("find the folder: %w", err)
		}
		*path = absolute
	}
	work, err := os.MkdirTemp("", "steadfast-failpoints-")
	if err != nil {
		return nil, fmt.Errorf("make a folder: %w", err)
	}
	defer os.RemoveAll(work) //nolint:errcheck // nothing to be done
	overlay := overlay{dir: work, Replace: map[string]string{}}
	points, err := visit(repository, overlay.enable)
	if err != nil {
		return nil, err
	}
	list := filepath.Join(work, "overlay.json")
	data, err := json.Marshal(overlay)
	if err != nil {
		return nil, fmt.Errorf("encode the list of files: %w", err)
	}
	if err := os.WriteFile(list, data, 0o600); err != nil {
		return nil, fmt.Errorf("write the list of files: %w", err)
	}
	for _, service := range Services() {
		command := exec.CommandContext(ctx, "go", "build", "-C", repository, "-overlay", list, "-o", filepath.Join(dir, service), "./"+service)
		if output, err := command.CombinedOutput(); err != nil {
			return nil, errors.Join(fmt.Errorf("build %s: %w", service, err), errors.New(string(output)))
		}
	}
	return points, nil
}

// List returns the fail points of all services, in the order of their files.
func List(repository string) ([]Point, error) {
	return visit(repository, func(string, *bytes.Buffer, []*code.Failpoint) error { return nil })
}

// visit calls each for every file that has points, with the file as gofail makes it.
func visit(repository string, each func(file string, enabled *bytes.Buffer, points []*code.Failpoint) error) ([]Point, error) {
	var all []Point
	for _, service := range Services() {
		root := filepath.Join(repository, service)
		err := filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
				return err
			}
			source, err := os.ReadFile(file)
			if err != nil || !bytes.Contains(source, []byte("// gofail:")) {
				return err
			}
			var enabled bytes.Buffer
			points, err := code.ToFailpoints(&enabled, bufio.NewReader(bytes.NewReader(source)))
			if err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
			folder, err := filepath.Rel(root, filepath.Dir(file))
			if err != nil {
				return err
			}
			for _, p := range points {
				all = append(all, Point{Service: service, Package: strings.TrimPrefix(filepath.ToSlash(folder), "."), Name: p.Name()})
			}
			return each(file, &enabled, points)
		})
		if err != nil {
			return nil, fmt.Errorf("look for fail points: %w", err)
		}
	}
	return all, checkNames(all)
}

// checkNames wants every name once in its service, for the points of a process share one list, and of one of the two kinds.
func checkNames(points []Point) error {
	var errs []error
	for i, p := range points {
		if !p.IsFault() && kindOf(p.Name) == "" {
			errs = append(errs, fmt.Errorf("%s: the name must end in Before or After, or begin with fault", p))
		}
		if slices.ContainsFunc(points[:i], func(other Point) bool { return other.Service == p.Service && other.Name == p.Name }) {
			errs = append(errs, fmt.Errorf("%s: the name is there twice", p))
		}
	}
	return errors.Join(errs...)
}

func kindOf(name string) string {
	for _, kind := range []string{"Before", "After"} {
		if strings.HasSuffix(name, kind) {
			return kind
		}
	}
	return ""
}

// overlay is what go build's -overlay reads.
type overlay struct {
	dir     string
	Replace map[string]string
}

// enable puts the file as gofail made it in the place of the file, and beside it the file that declares its points.
func (o overlay) enable(file string, enabled *bytes.Buffer, points []*code.Failpoint) error {
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.PackageClauseOnly)
	if err != nil {
		return fmt.Errorf("read the package's name: %w", err)
	}
	var binding bytes.Buffer
	if err := code.NewBinding(parsed.Name.Name, points).Write(&binding); err != nil {
		return fmt.Errorf("write the points: %w", err)
	}
	for name, content := range map[string]*bytes.Buffer{file: enabled, strings.TrimSuffix(file, ".go") + "_fail.go": &binding} {
		replacement := filepath.Join(o.dir, fmt.Sprintf("%d.go", len(o.Replace)))
		if err := os.WriteFile(replacement, content.Bytes(), 0o600); err != nil {
			return fmt.Errorf("write a file for the compiler: %w", err)
		}
		o.Replace[name] = replacement
	}
	return nil
}
