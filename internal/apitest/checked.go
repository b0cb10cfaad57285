package apitest

import (
	"bytes"
	"io"
	"net/http"
	"slices"
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
	sent, err := keepBody(r)
	if err != nil {
		return nil, err
	}
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
	record(r, sent, response, body)
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
	return checkStrictly(route.Operation, response, body)
}

// checkStrictly holds an answer against what the contract says beyond its schemas.
func checkStrictly(op *openapi3.Operation, response *http.Response, body []byte) string {
	declared := op.Responses.Status(response.StatusCode).Value
	if name := undeclaredHeader(declared.Headers, response.Header); name != "" {
		return "it has the header " + name + ", which is not declared"
	}
	var value any
	if isJSON(response.Header) && len(body) > 0 {
		var err error
		if value, err = decode(body); err != nil {
			return "its body is not JSON: " + err.Error()
		}
		if problem := undeclaredMember(declared.Content.Get("application/json").Schema, value, "body"); problem != "" {
			return problem
		}
	}
	if code, _ := refusal(value); response.StatusCode >= http.StatusBadRequest && !slices.Contains(declaredCodes(declared), code) {
		return "its error code " + code + " is not declared for this status"
	}
	saw(op, response.StatusCode, response.Header, value)
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
