package main

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/pb33f/libopenapi-validator/config"
	"github.com/pb33f/libopenapi-validator/content"
	validation "github.com/pb33f/libopenapi-validator/errors"
	"github.com/pb33f/libopenapi-validator/router"
	v3 "github.com/pb33f/libopenapi/datamodel/high/v3"
)

// Judge holds exchanges against a contract with libopenapi-validator.
type Judge struct {
	validator validator.Validator
	router    router.Router
}

// NewJudge reads a contract from a file.
func NewJudge(path string) (*Judge, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the contract: %w", err)
	}
	document, err := libopenapi.NewDocument(text)
	if err != nil {
		return nil, fmt.Errorf("parse the contract: %w", err)
	}
	model, err := document.BuildV3Model()
	if err != nil {
		return nil, fmt.Errorf("read the contract: %w", err)
	}
	v, errs := validator.NewValidator(document,
		config.WithFormatAssertions(),
		config.WithRejectUndeclaredRequestBody(),
		config.WithRejectUnsupportedBodyContent(),
		// The contract promises YAML as text.
		config.WithBodyDecoder("application/yaml", content.TextDecoder()),
		// Whether a credential is good only the server knows.
		config.WithoutSecurityValidation(),
	)
	if len(errs) > 0 {
		return nil, fmt.Errorf("prepare the validator: %w", errs[0])
	}
	return &Judge{validator: v, router: router.NewRouter(&model.Model, router.WithPathOnlyMatching())}, nil
}

// Operation gives what an exchange is about, nil when the contract does not know it.
func (j *Judge) Operation(e Exchange) *v3.Operation {
	r, err := e.Request()
	if err != nil {
		return nil
	}
	route, err := j.router.FindRoute(r)
	if err != nil {
		return nil
	}
	return route.Operation
}

// Kind says who thinks what.
type Kind string

// The ways to disagree.
const (
	Accepted Kind = "accepted" // the server let a request through that the second opinion calls invalid
	Refused  Kind = "refused"  // the server called a request invalid that is valid by the second opinion
	Answer   Kind = "answer"   // the answer is not what the contract declares
	Outside  Kind = "outside"  // something else than a refusal came for what the contract does not know
)

// Disagreement is one difference between the server and the second opinion.
type Disagreement struct {
	Operation string // empty outside of the contract
	Kind      Kind
	Rule      string // what was broken, in the words of the side that objects
	Exchange  Exchange
	// Undeclared says that the query has a parameter that the operation does not declare.
	Undeclared bool
}

// Opinion lists what the second opinion has against an exchange.
func (j *Judge) Opinion(e Exchange) ([]Disagreement, error) {
	op := j.Operation(e)
	if op == nil {
		return outside(e), nil
	}
	r, err := e.Request()
	if err != nil {
		return nil, err
	}
	var found []Disagreement
	add := func(kind Kind, rule string) {
		found = append(found, Disagreement{
			Operation: op.OperationId, Kind: kind, Rule: rule, Exchange: e, Undeclared: hasUndeclared(op, r),
		})
	}
	door, rule := readDoor(e, len(op.Security) == 0)
	valid, problems := j.validator.ValidateHttpRequestSync(r)
	if door == passed && !valid {
		add(Accepted, rules(problems))
	}
	if door == refused && valid {
		add(Refused, rule)
	}
	if r, err = e.Request(); err != nil {
		return nil, err
	}
	answer := e.Response()
	defer func() { _ = answer.Body.Close() }()
	if ok, problems := j.validator.ValidateHttpResponse(r, answer); !ok {
		add(Answer, fmt.Sprintf("%d %s", e.Status, rules(problems)))
	}
	return found, nil
}

func hasUndeclared(op *v3.Operation, r *http.Request) bool {
	for name := range r.URL.Query() {
		if !slices.ContainsFunc(op.Parameters, func(p *v3.Parameter) bool { return p.In == "query" && p.Name == name }) {
			return true
		}
	}
	return false
}

// outside expects that what the contract does not know is refused, but for the preflight of a browser.
func outside(e Exchange) []Disagreement {
	switch {
	case e.Status == http.StatusNotFound, e.Status == http.StatusMethodNotAllowed, e.Status == http.StatusTooManyRequests:
		return nil
	case e.Method == http.MethodOptions && e.Status == http.StatusNoContent:
		return nil
	}
	path, _, _ := strings.Cut(e.URL, "?")
	return []Disagreement{{Kind: Outside, Rule: fmt.Sprintf("%s %s %d", e.Method, path, e.Status), Exchange: e}}
}

// rules names what a request or an answer breaks, without the values.
func rules(problems []*validation.ValidationError) string {
	var names []string
	for _, p := range problems {
		where := strings.TrimSpace(p.ValidationType + " " + p.ValidationSubType + " " + p.ParameterName)
		if len(p.SchemaValidationErrors) == 0 {
			names = append(names, where+": "+p.Message)
		}
		for _, s := range p.SchemaValidationErrors {
			names = append(names, fmt.Sprintf("%s: %s %s", where, s.FieldPath, s.KeywordLocation))
		}
	}
	return strings.Join(names, "; ")
}
