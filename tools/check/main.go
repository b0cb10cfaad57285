// Command check holds the project to the laws that no linter knows.
//
// Owns: sizes, one file per tag, migration order, named constraints, package charters, names and documents.
// Does not own: style inside a Go file (golangci-lint), query rules (sqlc vet), the contract's wording (redocly).
// May touch: the files of the checkout and, to read what has landed, git.
// Always true: it only reads, and each fault it prints says where it is and what to do.
package main

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"slices"
)

// A Fault is one broken law.
type Fault struct {
	Path string
	Line int // 0 when the whole file is meant
	Text string
}

// A Check looks through the tree for one kind of fault. An error means that it could not look.
type Check struct {
	Name string
	Run  func(*Tree) ([]Fault, error)
}

var checks = []Check{
	{"sizes", checkSizes},
	{"tags", checkTags},
	{"methods", checkMethods},
	{"parts of the contract", checkParts},
	{"migrations", checkMigrations},
	{"constraints", checkConstraints},
	{"queries", checkQueries},
	{"owners", checkOwners},
	{"charters", checkCharters},
	{"names", checkNames},
	{"documents", checkDocuments},
}

func main() {
	root := flag.String("root", ".", "folder of the checkout")
	flag.Parse()
	count, err := run(*root)
	if err != nil {
		fmt.Fprintln(os.Stderr, "check:", err)
		os.Exit(2)
	}
	if count > 0 {
		fmt.Printf("%d faults\n", count)
		os.Exit(1)
	}
}

func run(root string) (int, error) {
	tree, err := ReadTree(root)
	if err != nil {
		return 0, err
	}
	count := 0
	for _, c := range checks {
		faults, err := c.Run(tree)
		if err != nil {
			return count, fmt.Errorf("%s: %w", c.Name, err)
		}
		slices.SortFunc(faults, func(a, b Fault) int {
			return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Text, b.Text))
		})
		for _, f := range faults {
			fmt.Println(f)
		}
		count += len(faults)
	}
	return count, nil
}

// String gives the fault as path:line: text.
func (f Fault) String() string {
	if f.Line == 0 {
		return f.Path + ": " + f.Text
	}
	return fmt.Sprintf("%s:%d: %s", f.Path, f.Line, f.Text)
}
