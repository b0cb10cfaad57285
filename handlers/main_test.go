package handlers_test

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"github.com/eggapi/eggapi/internal/apitest"
)

// TestMain fails the package when a declared pair of operation and status was produced by none of its tests.
func TestMain(m *testing.M) {
	code := m.Run()
	if partial := flag.Lookup("test.run"); code == 0 && (partial == nil || partial.Value.String() == "") {
		declared, missing := apitest.Coverage()
		fmt.Printf("contract coverage: %d of %d declared answers produced\n", len(declared)-len(missing), len(declared))
		for _, pair := range declared {
			fmt.Println("  declared", pair)
		}
		for _, pair := range missing {
			fmt.Println("  MISSING ", pair)
			code = 1
		}
	}
	os.Exit(code)
}
