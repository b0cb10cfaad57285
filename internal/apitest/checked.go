package apitest

import (
	"bytes"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"

	"github.com/eggapi/eggapi/gen"
)

// contract is the document that answers are held against, read once for all tests.
var contract = sync.OnceValues(func() (routers.Router, *openapi3.T) {
	doc, err := openapi3.NewLoader().LoadFromData(gen.Contract)
	if err != nil {
		panic(err)
	}
	router, err := gorillamux.NewRouter(doc)
	if err != nil {
		panic(err)
	}
	// The contract promises YAML as text; kin-openapi would read it and compare what is in it.
	openapi3filter.RegisterBodyDecoder("application/yaml", openapi3filter.FileBodyDecoder)
	return router, doc
})

// Contract gives the parsed contract.
func Contract() *openapi3.T {
	_, doc := contract()
	return doc
}

// Checked gives an HTTP client that fails the test on any answer the contract does not declare.
func Checked(t testing.TB) *http.Client {
	return &http.Client{
		Transport: &checkedTransport{t: t, next: &http.Transport{DisableKeepAlives: true}}, Timeout: 30 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

type checkedTransport struct {
	t    testing.TB
	next http.RoundTripper
}

func (c *checkedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := c.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if err != nil {
		return nil, err
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	if problem := check(r, response, body); problem != "" {
		c.t.Errorf("%s %s answered %d against the contract: %s\n%s", r.Method, r.URL.Path, response.StatusCode, problem, body)
	}
	return response, nil
}

// check holds one answer against the contract. Paths outside of it must at least refuse in the envelope.
func check(r *http.Request, response *http.Response, body []byte) string {
	if response.Header.Get("X-Request-Id") == "" {
		return "it has no X-Request-Id"
	}
	router, doc := contract()
	route, params, err := router.FindRoute(r)
	if err != nil {
		return checkEnvelope(doc, response, body)
	}
	input := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: r, PathParams: params, Route: route},
		Status:                 response.StatusCode, Header: response.Header,
		Options: &openapi3filter.Options{IncludeResponseStatus: true, MultiError: true},
	}
	input.SetBodyBytes(body)
	if err := openapi3filter.ValidateResponse(r.Context(), input); err != nil {
		return err.Error()
	}
	saw(route.Operation.OperationID, response.StatusCode)
	return ""
}

func checkEnvelope(doc *openapi3.T, response *http.Response, body []byte) string {
	if response.StatusCode < http.StatusBadRequest || response.Request != nil && response.Request.Method == http.MethodHead {
		return ""
	}
	value, err := decode(body)
	if err != nil {
		return "its body is not JSON: " + err.Error()
	}
	if err := doc.Components.Schemas["ErrorEnvelope"].Value.VisitJSON(value); err != nil {
		return err.Error()
	}
	return ""
}

var seen = struct {
	sync.Mutex
	pairs map[string]bool
}{pairs: map[string]bool{}}

func saw(operationID string, status int) {
	seen.Lock()
	defer seen.Unlock()
	seen.pairs[operationID+" "+strconv.Itoa(status)] = true
}

// Coverage lists the declared pairs of operation and status, and those that no test has produced.
func Coverage() (declared, missing []string) {
	seen.Lock()
	defer seen.Unlock()
	for _, item := range Contract().Paths.Map() {
		for _, op := range item.Operations() {
			for status := range op.Responses.Map() {
				pair := op.OperationID + " " + status
				declared = append(declared, pair)
				if !seen.pairs[pair] {
					missing = append(missing, pair)
				}
			}
		}
	}
	slices.Sort(declared)
	slices.Sort(missing)
	return declared, missing
}
