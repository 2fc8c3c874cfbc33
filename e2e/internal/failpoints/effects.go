package failpoints

import (
	"errors"
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/tools/go/packages"
)

// outside lists the types through which a service acts on the outside, each with those of its methods that change nothing there. All others are effects, so that a new one is seen.
func outside() map[string][]string {
	const (
		mongo        = "go.mongodb.org/mongo-driver/v2/mongo"
		sarama       = "github.com/IBM/sarama"
		proto        = "github.com/steadfast-shop/steadfast/shared-proto/inventory/v1"
		notification = "github.com/steadfast-shop/steadfast/notification-service"
	)
	return map[string][]string{
		notification + ".mailer":                  {"MessageID"},
		notification + ".syncProducer":            {},
		mongo + ".Collection":                     {"Find", "FindOne", "Indexes", "Name", "Database", "CountDocuments"},
		mongo + ".IndexView":                      {"CreateMany", "CreateOne", "List"}, // an index that is missing is made at the next start
		proto + ".InventoryServiceClient":         {},
		sarama + ".SyncProducer":                  {"Close"},
		sarama + ".AsyncProducer":                 {"Close", "AsyncClose", "Errors", "Successes"},
		sarama + ".ConsumerGroupSession":          {"Claims", "MemberID", "GenerationID", "Context", "MarkMessage", "MarkOffset"},
		"github.com/wneessen/go-mail/smtp.Client": {"Close", "Hello", "Extension", "Noop", "StartTLS", "TLSConnectionState", "Auth", "SetDSNMailReturnOption", "HasConnection", "UpdateDeadline", "GetTLSConnectionState", "Mail", "Rcpt", "Data", "Reset", "Quit"},
		"github.com/jackc/pgx/v5/pgxpool.Pool":    {"Close", "Ping", "Config", "Acquire", "Stat"},
		"gorm.io/gorm.DB":                         {"WithContext", "Select", "Where", "Find", "Take", "First", "Model", "Order", "Limit", "Session", "DB"},
	}
}

// checkEffects returns an error for each effect that has no kill point right before and right after its statement, with one name: xBefore and xAfter.
func checkEffects(repository string) (effects int, err error) {
	var errs []error
	for _, service := range Services() {
		n, err := checkService(filepath.Join(repository, service))
		effects += n
		errs = append(errs, err)
	}
	return effects, errors.Join(errs...)
}

func checkService(dir string) (effects int, err error) {
	loaded, err := packages.Load(&packages.Config{Mode: packages.LoadSyntax, Dir: dir}, "./...")
	if err != nil {
		return 0, fmt.Errorf("load %s: %w", dir, err)
	}
	var errs []error
	for _, p := range loaded {
		for _, e := range p.Errors {
			errs = append(errs, e)
		}
		for _, file := range p.Syntax {
			c := checker{pkg: p, points: pointsOf(file)}
			ast.Inspect(file, c.visit)
			effects, errs = effects+c.effects, append(errs, c.errs...)
		}
	}
	return effects, errors.Join(errs...)
}

// comment is a fail point's place.
type comment struct {
	pos  token.Pos
	name string
}

func pointsOf(file *ast.File) (points []comment) {
	for _, group := range file.Comments {
		for _, c := range group.List {
			if fields := strings.Fields(c.Text); len(fields) == 5 && fields[1] == "gofail:" {
				points = append(points, comment{c.Pos(), fields[3]})
			}
		}
	}
	return points
}

type checker struct {
	pkg     *packages.Package
	points  []comment
	effects int
	errs    []error
}

// visit looks at every list of statements for those that hold an effect themselves, not within a list of their own.
func (c *checker) visit(n ast.Node) bool {
	block, ok := n.(*ast.BlockStmt)
	if !ok {
		return true
	}
	c.look(block.List, block.Lbrace, block.Rbrace)
	for i, statement := range block.List { // of a switch or a select: comments behind a clause's last statement are not within it
		end := block.Rbrace
		if i+1 < len(block.List) {
			end = block.List[i+1].Pos()
		}
		switch clause := statement.(type) {
		case *ast.CaseClause:
			c.look(clause.Body, clause.Colon, end)
		case *ast.CommClause:
			c.look(clause.Body, clause.Colon, end)
		}
	}
	return true
}

// look wants a point right before each effect of the list, and one behind it: not always at once, for rows may follow.
func (c *checker) look(list []ast.Stmt, start, end token.Pos) {
	for i, statement := range list {
		effect := c.effectIn(statement)
		if effect == "" {
			continue
		}
		c.effects++
		from := start
		if i > 0 {
			from = list[i-1].End()
		}
		before := c.between(from, statement.Pos(), func(name string) bool { return kindOf(name) == "Before" })
		name := strings.TrimSuffix(before, "Before")
		after := c.between(statement.End(), end, func(found string) bool { return found == name+"After" })
		if before == "" || after == "" {
			c.errs = append(c.errs, fmt.Errorf("%s: %s acts on the outside: put fail points of one name before and after it, // gofail: var xBefore struct{} and xAfter (there: %q, %q)",
				c.pkg.Fset.Position(statement.Pos()), effect, before, after))
		}
	}
}

// between returns the first fitting point between two places, or "".
func (c *checker) between(from, to token.Pos, fits func(name string) bool) string {
	for _, p := range c.points {
		if p.pos > from && p.pos < to && fits(p.name) {
			return p.name
		}
	}
	return ""
}

// effectIn returns the effect that the statement itself has, or "".
func (c *checker) effectIn(statement ast.Stmt) (name string) {
	ast.Inspect(statement, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BlockStmt, *ast.CaseClause, *ast.CommClause:
			return false // has a list of its own
		case *ast.CallExpr:
			if found := c.effect(n); found != "" {
				name = found
			}
		}
		return true
	})
	return name
}

// effect returns the called method's name if it changes something outside.
func (c *checker) effect(call *ast.CallExpr) string {
	selector, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	selection := c.pkg.TypesInfo.Selections[selector]
	if selection == nil || selection.Kind() != types.MethodVal {
		return ""
	}
	receiver := selection.Recv()
	if pointer, ok := receiver.(*types.Pointer); ok {
		receiver = pointer.Elem()
	}
	named, ok := receiver.(*types.Named)
	if !ok || named.Obj().Pkg() == nil {
		return ""
	}
	typeName := named.Obj().Pkg().Path() + "." + named.Obj().Name()
	harmless, known := outside()[typeName]
	method := selector.Sel.Name
	if !known || slices.Contains(harmless, method) || isSelect(call) {
		return ""
	}
	return typeName + "." + method
}

// isSelect tells a query that only reads: its text is a literal that begins with SELECT.
func isSelect(call *ast.CallExpr) bool {
	return slices.ContainsFunc(call.Args, func(e ast.Expr) bool {
		literal, ok := e.(*ast.BasicLit)
		return ok && strings.HasPrefix(strings.Trim(literal.Value, "`\""), "SELECT ")
	})
}
