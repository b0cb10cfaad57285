// Command docs renders the documentation that ships with the binary.
//
// Owns: gen/docs, made from docs/site and the files that its pages show; their look.
// Does not own: what the pages say, and serving them (internal/app does).
// May touch: the files of the checkout; web/node_modules for the library behind the reference.
// Always true: the same sources give the same bytes; no link leads nowhere; no page asks anybody but its own server.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

const out = "gen/docs"

func main() {
	root := flag.String("root", ".", "folder of the checkout")
	flag.Parse()
	if err := run(*root); err != nil {
		fmt.Fprintln(os.Stderr, "docs:", err)
		os.Exit(1)
	}
}

func run(root string) error {
	site, err := Build(root)
	if err != nil {
		return err
	}
	faults := Check(site)
	for _, f := range faults {
		fmt.Println(f)
	}
	if len(faults) > 0 {
		return fmt.Errorf("%d faults; nothing was written", len(faults))
	}
	library, err := readLibrary(root)
	if err != nil {
		return err
	}
	for name, body := range library {
		site.Files[name] = body
	}
	return mirror(site.Files, filepath.Join(root, filepath.FromSlash(out)))
}
