package main

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

const (
	contractFile   = "gen/openapi.yaml"
	operationsMark = "<!-- operations -->"
	// A longer list of operations says no more than their number does.
	mostListed = 6
)

var givenByMark = regexp.MustCompile(`<!-- given by ([A-Z_]+) -->`)

// contract is what the pages want to know of the OpenAPI document.
type contract struct {
	operations   []operation // in its order
	errorCodes   []string
	failureCodes []string
}

type operation struct {
	ID          string                `yaml:"operationId"`
	Summary     string                `yaml:"summary"`
	Security    []map[string][]string `yaml:"security"`
	ErrorFormat string                `yaml:"x-error-format"`
	Responses   map[string]response   `yaml:"responses"`

	name  string              // POST /v1/generate
	codes map[string][]string // error codes by status
}

type response struct {
	Ref   string   `yaml:"$ref"`
	Codes []string `yaml:"x-error-codes"`
}

type schema struct {
	Known      []string          `yaml:"x-extensible-enum"`
	Properties map[string]schema `yaml:"properties"`
}

type document struct {
	Paths      yaml.Node `yaml:"paths"`
	Components struct {
		Schemas   map[string]yaml.Node `yaml:"schemas"`
		Responses map[string]response  `yaml:"responses"`
	} `yaml:"components"`
}

func readContract(root string) (contract, error) {
	var d document
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(contractFile)))
	if err != nil {
		return contract{}, fmt.Errorf("read the contract: %w", err)
	}
	if err := yaml.Unmarshal(text, &d); err != nil {
		return contract{}, fmt.Errorf("read %s: %w", contractFile, err)
	}
	var codes, failure schema
	code, task := d.Components.Schemas["ErrorCode"], d.Components.Schemas["TaskFailure"]
	if code.Decode(&codes) != nil || task.Decode(&failure) != nil || len(codes.Known) == 0 {
		return contract{}, fmt.Errorf("%s lists no error codes, or none of failures", contractFile)
	}
	c := contract{errorCodes: codes.Known, failureCodes: failure.Properties["code"].Known}
	c.operations, err = d.operations()
	return c, err
}

func (d document) operations() ([]operation, error) {
	var all []operation
	for i := 0; i+1 < len(d.Paths.Content); i += 2 {
		address, methods := d.Paths.Content[i].Value, d.Paths.Content[i+1]
		for j := 0; j+1 < len(methods.Content); j += 2 {
			method := methods.Content[j].Value
			if !slices.Contains([]string{"get", "post", "put", "patch", "delete"}, method) {
				continue
			}
			op := operation{name: strings.ToUpper(method) + " " + address, codes: map[string][]string{}}
			if err := methods.Content[j+1].Decode(&op); err != nil {
				return nil, fmt.Errorf("read %s: %w", op.name, err)
			}
			for status, r := range op.Responses {
				if r.Ref != "" {
					r = d.Components.Responses[path.Base(r.Ref)]
				}
				op.codes[status] = r.Codes
			}
			all = append(all, op)
		}
	}
	return all, nil
}

// table lists every operation, for readers without the interactive reference.
func (c contract) table() string {
	var b strings.Builder
	b.WriteString("| operation | what it does | takes |\n|---|---|---|\n")
	for _, op := range c.operations {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", op.name, op.Summary, op.takes())
	}
	return strings.TrimSpace(b.String())
}

func (o operation) takes() string {
	var all []string
	for _, alternative := range o.Security {
		names := make([]string, 0, len(alternative))
		for name := range alternative {
			names = append(names, credential(name))
		}
		slices.Sort(names)
		all = append(all, strings.Join(names, " and "))
	}
	if len(all) == 0 || slices.Contains(all, "") {
		return "nothing"
	}
	return strings.Join(all, " or ")
}

func credential(scheme string) string {
	if scheme == "apiKey" {
		return "an API key"
	}
	return "a " + scheme
}

// givenBy says which operations can give an error code.
func (c contract) givenBy(code string) string {
	var names []string
	total := 0
	for _, op := range c.operations {
		if op.ErrorFormat != "" {
			continue // it has names of its own for refusals
		}
		total++
		for _, codes := range op.codes {
			if slices.Contains(codes, code) {
				names = append(names, "`"+op.name+"`")
			}
		}
	}
	switch {
	case len(names) == 0:
		return "No operation gives it by itself: it answers what is not in the contract."
	case len(names) == total:
		return "Any operation can give it."
	case len(names) > mostListed:
		return fmt.Sprintf("%d of %d operations can give it; the [reference](%sreference) names them.", len(names), total, pageScheme)
	}
	return "Given by " + strings.Join(names, ", ") + "."
}

// fill puts in what a page wants to know of the contract.
func (c contract) fill(markdown string) string {
	markdown = strings.ReplaceAll(markdown, operationsMark, c.table())
	return givenByMark.ReplaceAllStringFunc(markdown, func(mark string) string {
		return c.givenBy(givenByMark.FindStringSubmatch(mark)[1])
	})
}
