// Command mutants breaks the code on purpose and asks the tests whether they notice.
//
// Owns: the list mutants.yaml, and the verdict on each mutant in it.
// Does not own: the tests; a mutant that survives is a test that is missing.
// May touch: temporary files only, laid over the checkout by the -overlay flag of the go command.
// Always true: the checkout is never changed, and a mutant that no longer fits the code is a failure.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"time"

	"go.yaml.in/yaml/v3"
)

func main() {
	root := flag.String("root", ".", "folder of the checkout")
	only := flag.String("only", "", "run the mutants whose name fits this regular expression")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *root, *only); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, root, only string) error {
	root, err := filepath.Abs(root)
	if err != nil {
		return fmt.Errorf("find the checkout: %w", err)
	}
	text, err := os.ReadFile(filepath.Join(root, "tools", "mutants", "mutants.yaml"))
	if err != nil {
		return fmt.Errorf("read the list: %w", err)
	}
	pick, err := regexp.Compile(only)
	if err != nil {
		return fmt.Errorf("read -only: %w", err)
	}
	var list []Mutant
	if err := yaml.Unmarshal(text, &list); err != nil {
		return fmt.Errorf("read the list: %w", err)
	}
	passed, failed := 0, 0
	for _, m := range list {
		if !pick.MatchString(m.Name) {
			continue
		}
		from := time.Now()
		verdict := m.Try(ctx, root)
		fmt.Printf("%-9s %6.1f s  %s\n", verdict.Word, time.Since(from).Seconds(), m.Name)
		if verdict.Word == Killed {
			passed++
			continue
		}
		failed++
		fmt.Println(verdict.Text)
	}
	fmt.Printf("killed %d of %d mutants\n%d passed, %d failed\n", passed, passed+failed, passed, failed)
	if passed+failed == 0 {
		return errors.New("no mutant of that name is on the list")
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d mutants were not noticed by a test", failed, passed+failed)
	}
	return nil
}
