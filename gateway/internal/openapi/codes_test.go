package openapi

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// repository is where all modules are.
const repository = "../../.."

// The table in the description is the one list of problem codes: it, the codes in the programs, the schema, and the examples agree.
func TestProblemCodesAgree(t *testing.T) {
	_, model := parse(t)
	table := codeTable(model.Info.Description)
	listed := slices.Sorted(maps.Keys(table))

	if inCode := codesOf(t, repository); !slices.Equal(inCode, listed) {
		t.Errorf("the programs have the codes\n%s\nand the description's table lists\n%s", strings.Join(inCode, " "), strings.Join(listed, " "))
	}
	var inSchema []string
	for _, node := range model.Components.Schemas.GetOrZero("ProblemCode").Schema().Enum {
		inSchema = append(inSchema, node.Value)
	}
	slices.Sort(inSchema)
	if !slices.Equal(inSchema, listed) {
		t.Errorf("the schema ProblemCode has\n%s\nand the table lists\n%s", strings.Join(inSchema, " "), strings.Join(listed, " "))
	}
	shown := make(map[string]bool)
	for _, d := range everything(t, model) {
		for name, value := range d.examples {
			problem, isProblem := value.(map[string]any)
			code, _ := problem["code"].(string)
			if !isProblem || code == "" {
				continue
			}
			shown[code] = true
			if name != code || problem["status"] != table[code] {
				t.Errorf("%s: the example %s is a %v with the code %s; by the table that is a %d", d.name, name, problem["status"], code, table[code])
			}
			if words := strings.Fields(d.name); len(words) == 4 && words[2] != strconv.Itoa(table[code]) {
				t.Errorf("%s has an example of %s, which is a %d", d.name, code, table[code])
			}
		}
	}
	if got := slices.Sorted(maps.Keys(shown)); !slices.Equal(got, listed) {
		t.Errorf("there are examples of\n%s\nand the table lists\n%s", strings.Join(got, " "), strings.Join(listed, " "))
	}
}

// codeTable reads the codes and their statuses from the rows that tell what a code means and what to do.
func codeTable(text string) map[string]int {
	table := make(map[string]int)
	for _, row := range regexp.MustCompile("(?m)^\\| ([0-9]{3}) \\| `([a-z_]+)` \\| [^|]+\\. \\| [^|]+\\. \\|$").FindAllStringSubmatch(text, -1) {
		table[row[2]], _ = strconv.Atoi(row[1]) // three digits
	}
	return table
}

// codesOf returns the values of all constants named code… or Code… in the folder's programs. They are the only problem codes: no call of problem.New may have a text in their place.
func codesOf(t *testing.T, folder string) []string {
	t.Helper()
	codes := make(map[string]bool)
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && strings.HasPrefix(entry.Name(), ".") && entry.Name() != "." && path != folder {
			return fs.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		if file.Name.Name != "problem" && !slices.ContainsFunc(file.Imports, func(i *ast.ImportSpec) bool { return strings.HasSuffix(i.Path.Value, `/shared-kit/problem"`) }) {
			return nil
		}
		ast.Inspect(file, func(node ast.Node) bool {
			switch node := node.(type) {
			case *ast.ValueSpec:
				addCodes(codes, node)
			case *ast.CallExpr:
				if callsNew(file, node) && isText(node.Args[1]) {
					t.Errorf("%s: a problem has a code that is no constant", path)
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return slices.Sorted(maps.Keys(codes))
}

func addCodes(codes map[string]bool, spec *ast.ValueSpec) {
	for i, name := range spec.Names {
		if !strings.HasPrefix(strings.ToLower(name.Name), "code") || i >= len(spec.Values) || !isText(spec.Values[i]) {
			continue
		}
		if code, err := strconv.Unquote(spec.Values[i].(*ast.BasicLit).Value); err == nil { //nolint:forcetypeassert // isText looked
			codes[code] = true
		}
	}
}

func callsNew(file *ast.File, call *ast.CallExpr) bool {
	if len(call.Args) != 3 {
		return false
	}
	switch function := call.Fun.(type) {
	case *ast.SelectorExpr:
		of, isName := function.X.(*ast.Ident)
		return isName && of.Name == "problem" && function.Sel.Name == "New"
	case *ast.Ident:
		return file.Name.Name == "problem" && function.Name == "New"
	}
	return false
}

func isText(e ast.Expr) bool {
	literal, isLiteral := e.(*ast.BasicLit)
	return isLiteral && literal.Kind == token.STRING
}
