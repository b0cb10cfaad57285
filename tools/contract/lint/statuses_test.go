package lint_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/eggapi/eggapi/tools/contract/lint"
)

// named are net/http's names for the statuses that the server uses.
var named = map[string]int{
	"StatusBadRequest": 400, "StatusUnauthorized": 401, "StatusForbidden": 403, "StatusNotFound": 404,
	"StatusMethodNotAllowed": 405, "StatusConflict": 409, "StatusRequestEntityTooLarge": 413, "StatusUnsupportedMediaType": 415,
	"StatusUnprocessableEntity": 422, "StatusTooManyRequests": 429, "StatusInternalServerError": 500, "StatusBadGateway": 502,
	"StatusServiceUnavailable": 503,
}

func read(t *testing.T, pattern string) []*ast.File {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(checkout, pattern))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no file %s: %v", pattern, err)
	}
	var files []*ast.File
	for _, p := range paths {
		f, err := parser.ParseFile(token.NewFileSet(), p, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	return files
}

// textOf is the value of a literal.
func textOf(t *testing.T, e ast.Expr) string {
	t.Helper()
	literal, ok := e.(*ast.BasicLit)
	if !ok {
		t.Fatalf("%v is not a literal", e)
	}
	text, err := strconv.Unquote(literal.Value)
	if err != nil {
		return literal.Value
	}
	return text
}

// vocabulary is the codes of internal/fault by the names of their constants.
func vocabulary(t *testing.T) map[string]string {
	t.Helper()
	codes := map[string]string{}
	for _, f := range read(t, "internal/fault/*.go") {
		ast.Inspect(f, func(n ast.Node) bool {
			if v, ok := n.(*ast.ValueSpec); ok && len(v.Values) == 1 {
				if kind, ok := v.Type.(*ast.Ident); ok && kind.Name == "Code" {
					codes[v.Names[0].Name] = textOf(t, v.Values[0])
				}
			}
			return true
		})
	}
	return codes
}

// TestStatuses_AreTheServers reads the server's table of answers and Better Auth's problems.
func TestStatuses_AreTheServers(t *testing.T) {
	house, auth := map[string]int{}, map[string]int{}
	codes := vocabulary(t)
	ast.Inspect(read(t, "internal/server/errors.go")[0], func(n ast.Node) bool {
		row, ok := n.(*ast.KeyValueExpr)
		if !ok {
			return true
		}
		key, ok := row.Key.(*ast.SelectorExpr)
		cells, fits := row.Value.(*ast.CompositeLit)
		if !ok || !fits {
			return true
		}
		status := 0
		for _, cell := range cells.Elts {
			pair := cell.(*ast.KeyValueExpr)
			switch pair.Key.(*ast.Ident).Name {
			case "status":
				status = named[pair.Value.(*ast.SelectorExpr).Sel.Name]
				house[codes[key.Sel.Name]] = status
			case "betterAuth":
				auth[textOf(t, pair.Value)] = status
			}
		}
		return false
	})
	ast.Inspect(read(t, "internal/auth/problem.go")[0], func(n ast.Node) bool {
		if problem, ok := n.(*ast.CompositeLit); ok && len(problem.Elts) == 3 {
			status, err := strconv.Atoi(textOf(t, problem.Elts[0]))
			if err != nil {
				t.Fatal(err)
			}
			// Of several statuses of a name, those that are told of elsewhere are left out.
			if name := textOf(t, problem.Elts[1]); !slices.Contains(lint.OtherStatuses[name], status) {
				auth[name] = status
			}
		}
		return true
	})
	if len(house) < 10 || !maps.Equal(house, lint.Statuses) {
		t.Errorf("the server's table is\n%v\nthe rules have\n%v", house, lint.Statuses)
	}
	if len(auth) < 15 || !maps.Equal(auth, lint.AuthStatuses) {
		t.Errorf("Better Auth's names are\n%v\nthe rules have\n%v", auth, lint.AuthStatuses)
	}
}
