package handlers_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/eggapi/eggapi/internal/apitest"
)

// TestMain fails the package when a declared pair of operation and status was produced by none of its tests.
func TestMain(m *testing.M) {
	code := m.Run()
	if partial := flag.Lookup("test.run"); code == 0 && (partial == nil || partial.Value.String() == "") {
		declared, missing := apitest.Coverage()
		fmt.Printf("contract coverage: %d of %d declared answers produced\n", len(declared)-len(missing), len(declared))
		for _, line := range byOperation(declared) {
			fmt.Println("contract coverage:", line)
		}
		for _, pair := range missing {
			fmt.Println("contract coverage: MISSING", pair)
			code = 1
		}
	}
	os.Exit(code)
}

// byOperation writes sorted pairs as one line an operation.
func byOperation(pairs []string) []string {
	var lines []string
	for _, pair := range pairs {
		operation, status, _ := strings.Cut(pair, " ")
		if last := len(lines) - 1; last >= 0 && strings.HasPrefix(lines[last], operation+" ") {
			lines[last] += " " + status
			continue
		}
		lines = append(lines, pair)
	}
	return lines
}
