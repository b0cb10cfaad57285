package handlers_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/eggapi/eggapi/internal/apitest"
)

// TestMain fails the package when something that the contract declares of answers was produced by none of its tests.
func TestMain(m *testing.M) {
	code := m.Run()
	if partial := flag.Lookup("test.run"); code == 0 && (partial == nil || partial.Value.String() == "") {
		declared, missing := apitest.Coverage()
		for _, what := range []string{"status", "code", "header", "body"} {
			all, none := about(declared, what), about(missing, what)
			fmt.Printf("contract coverage: %s: %d of %d declared produced\n", what, len(all)-len(none), len(all))
		}
		fmt.Println("contract coverage: broken gates noticed:", gateMutantsNoticed)
		for _, line := range byOperation(about(declared, "status")) {
			fmt.Println("contract coverage:", line)
		}
		for _, line := range byOperation(missing) {
			operation, what, _ := strings.Cut(line, " ")
			fmt.Printf("contract coverage: MISSING %s: write tests in handlers/%s_test.go that are answered %s\n", operation, tagOf(operation), what)
			code = 1
		}
		for _, line := range apitest.UntrueMessages() {
			fmt.Println("contract coverage: MISSING openapi/responses.yaml:", line, "- nobody is answered so")
			code = 1
		}
	}
	os.Exit(code)
}

// tagOf gives the tag of an operation, which is the name of its files.
func tagOf(operationID string) string {
	for _, item := range apitest.Contract().Paths.Map() {
		for _, op := range item.Operations() {
			if op.OperationID == operationID {
				return op.Tags[0]
			}
		}
	}
	return ""
}

// about picks the lines on one subject; those on a status alone have two words.
func about(lines []string, what string) []string {
	var picked []string
	for _, line := range lines {
		words := strings.SplitN(line, " ", 4)
		if len(words) == 2 && what == "status" || len(words) > 2 && words[2] == what {
			picked = append(picked, line)
		}
	}
	return picked
}

// byOperation writes sorted pairs as one line an operation.
func byOperation(pairs []string) []string {
	var lines []string
	for _, pair := range pairs {
		operation, status, _ := strings.Cut(pair, " ")
		if last := len(lines) - 1; last >= 0 && strings.HasPrefix(lines[last], operation+" ") {
			lines[last] += ", " + status
			continue
		}
		lines = append(lines, pair)
	}
	return lines
}
