package lint

import (
	"strings"

	"github.com/eggapi/eggapi/tools/contract/source"
)

var listRules = []Rule{
	{"list-parameters", "All lists are paged the same way.", eachOperation(listParameters)},
	{"list-answer", "All lists are read the same way: items, and where in the whole they are.", eachOperation(listAnswer)},
}

// isPaged tells lists from what is named a list and answers with all there is, as a bare array.
func isPaged(op *Operation) bool {
	return strings.HasPrefix(op.ID, "list") && !op.BetterAuth && listData(op).Get("type").Text() != "array"
}

func listParameters(_ *Contract, op *Operation) []Finding {
	if !isPaged(op) {
		return nil
	}
	has := map[string]bool{}
	for _, p := range op.Parameters {
		has[p.Get("name").Text()] = p.Get("in").Text() == "query"
	}
	var all []Finding
	for _, name := range []string{"page", "per_page"} {
		if !has[name] {
			all = append(all, found(op.Node.Place(), "%s has no query parameter %s; refer to it in openapi/parameters.yaml, or answer with a bare array", op.title(), name))
		}
	}
	return all
}

func listAnswer(_ *Contract, op *Operation) []Finding {
	if !isPaged(op) {
		return nil
	}
	data := listData(op)
	if data.IsZero() {
		return []Finding{found(op.Node.Place(), "%s has no data in its 200; answer with data.items and data.pagination", op.title())}
	}
	var all []Finding
	if data.Down("properties", "items", "type").Text() != "array" {
		all = append(all, found(data.Place(), "%s has no list called items in its data; add it", op.title()))
	}
	pagination := data.Down("properties", "pagination")
	for _, name := range []string{"page", "per_page", "total", "total_pages"} {
		if pagination.Down("properties", name, "type").Text() != "integer" {
			all = append(all, found(data.Place(), "%s has no integer data.pagination.%s; refer to Pagination in openapi/schemas/errors.yaml", op.title(), name))
		}
	}
	return all
}

func listData(op *Operation) source.Node {
	return op.Node.Down("responses", "200", "content", "application/json", "schema", "properties", "data")
}
