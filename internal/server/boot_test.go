package server_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/eggapi/eggapi/internal/ratelimit"
	"github.com/eggapi/eggapi/internal/server"
)

func TestNew_StartsOnTheContractAsItIs(t *testing.T) {
	t.Parallel()
	d, _ := deps()
	if _, err := server.New(t.Context(), d); err != nil {
		t.Error(err)
	}
	d, _ = deps()
	d.Contract = edited(t, func(*openapi3.T) {})
	if _, err := server.New(t.Context(), d); err != nil {
		t.Errorf("and written out again: %v", err)
	}
}

func TestNew_RefusesAContractItCouldNotEnforce(t *testing.T) {
	t.Parallel()
	tasks := func(doc *openapi3.T) *openapi3.Operation { return doc.Paths.Value("/v1/tasks").Get }
	codes := func(doc *openapi3.T) map[string]any { return doc.Components.Schemas["ErrorCode"].Value.Extensions }
	known := func(doc *openapi3.T) []any { return codes(doc)["x-extensible-enum"].([]any) }
	refusal := func(doc *openapi3.T, status string) map[string]any {
		return doc.Paths.Value("/v1/tasks/{id}").Get.Responses.Value(status).Value.Extensions
	}
	for name, tt := range map[string]struct {
		edit func(doc *openapi3.T)
		want string
	}{
		"security left out": {func(doc *openapi3.T) { tasks(doc).Security = nil }, "GET /v1/tasks: operationId and security must be stated"},
		"no operationId":    {func(doc *openapi3.T) { tasks(doc).OperationID = "" }, "GET /v1/tasks: operationId and security must be stated"},
		"a scheme nobody checks": {func(doc *openapi3.T) {
			doc.Components.SecuritySchemes["oauth"] = &openapi3.SecuritySchemeRef{Value: openapi3.NewJWTSecurityScheme()}
			tasks(doc).Security.With(openapi3.SecurityRequirement{"oauth": {}})
		}, "no authenticator for security scheme oauth"},
		"a scheme beside a known one": {func(doc *openapi3.T) {
			doc.Components.SecuritySchemes["oauth"] = &openapi3.SecuritySchemeRef{Value: openapi3.NewJWTSecurityScheme()}
			tasks(doc).Security = &openapi3.SecurityRequirements{{"apiKey": {}, "oauth": {}}}
		}, "no authenticator for security scheme oauth"},
		"keys are taken and no scope is stated": {
			func(doc *openapi3.T) { delete(tasks(doc).Extensions, "x-scopes") },
			"GET /v1/tasks: x-scopes must be stated where keys are taken, and only there",
		},
		"a scope where no key is taken": {func(doc *openapi3.T) {
			doc.Paths.Value("/v1/models").Get.Extensions = map[string]any{"x-scopes": []any{"generate"}}
		}, "GET /v1/models: x-scopes must be stated where keys are taken, and only there"},
		"a scope there is not": {
			func(doc *openapi3.T) { tasks(doc).Extensions["x-scopes"] = []any{"tasks:burn"} },
			"GET /v1/tasks: x-scopes: there is no scope tasks:burn",
		},
		"an operation without a route": {func(doc *openapi3.T) {
			extra := *tasks(doc)
			extra.OperationID = "listMore"
			doc.Paths.Set("/v1/more", &openapi3.PathItem{Get: &extra})
		}, "operation listMore has no route"},
		"a method without a route": {func(doc *openapi3.T) {
			extra := *tasks(doc)
			extra.OperationID = "putTasks"
			doc.Paths.Value("/v1/tasks").Put = &extra
		}, "operation putTasks has no route"},
		"a route without an operation": {func(doc *openapi3.T) { doc.Paths.Delete("/v1/models") }, "route GET /v1/models is not in the contract"},
		"one operationId twice":        {func(doc *openapi3.T) { tasks(doc).OperationID = "getTask" }, "getTask"},
		"an error code the contract lacks": {func(doc *openapi3.T) {
			codes(doc)["x-extensible-enum"] = slices.DeleteFunc(known(doc), func(v any) bool { return v == "UPSTREAM_ERROR" })
		}, "error code UPSTREAM_ERROR is not in the contract"},
		"an error code nobody gives": {func(doc *openapi3.T) { codes(doc)["x-extensible-enum"] = append(known(doc), "TEAPOT") }, "error codes the vocabulary lacks"},
		"a refusal without codes":    {func(doc *openapi3.T) { refusal(doc, "404")["x-error-codes"] = nil }, "response 404: x-error-codes must list the codes"},
		"a refusal with a code of another status": {func(doc *openapi3.T) {
			refusal(doc, "404")["x-error-codes"] = []any{"NOT_FOUND", "CONFLICT"}
		}, "response 404: error code CONFLICT has no row with this status"},
		"a default response": {func(doc *openapi3.T) { tasks(doc).Responses.Set("default", tasks(doc).Responses.Value("400")) }, "response default: name each status"},
		"a key that Better Auth needs": {func(doc *openapi3.T) {
			doc.Paths.Value("/api/auth/sign-out").Post.Security = &openapi3.SecurityRequirements{{"apiKey": {}}}
			doc.Paths.Value("/api/auth/sign-out").Post.Extensions["x-scopes"] = []any{}
		}, "an operation of Better Auth is open, welcomes a session, or needs one"},
		"a key beside a session that Better Auth needs": {func(doc *openapi3.T) {
			doc.Paths.Value("/api/auth/sign-out").Post.Security = &openapi3.SecurityRequirements{{"session": {}}, {"apiKey": {}}}
			doc.Paths.Value("/api/auth/sign-out").Post.Extensions["x-scopes"] = []any{}
		}, "an operation of Better Auth is open, welcomes a session, or needs one"},
		"deprecated without dates": {func(doc *openapi3.T) { tasks(doc).Deprecated = true }, "deprecated, x-deprecated-at and x-sunset go together"},
		"a sunset of what is not deprecated": {func(doc *openapi3.T) {
			tasks(doc).Extensions = map[string]any{"x-sunset": "2027-06-01"}
		}, "deprecated, x-deprecated-at and x-sunset go together"},
		"a sunset that is no date":        {func(doc *openapi3.T) { deprecate(tasks(doc), "2026-12-01", "soon") }, "x-sunset is not a date"},
		"a deprecation that is no date":   {func(doc *openapi3.T) { deprecate(tasks(doc), "now", "2027-06-01") }, "x-deprecated-at is not a date"},
		"a sunset before the deprecation": {func(doc *openapi3.T) { deprecate(tasks(doc), "2027-06-02", "2027-06-01") }, "x-sunset is before x-deprecated-at"},
		"no error codes":                  {func(doc *openapi3.T) { delete(doc.Components.Schemas, "ErrorCode") }, "ErrorCode"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, _ := deps()
			d.Contract = edited(t, tt.edit)
			if _, err := server.New(t.Context(), d); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("gave %v, want %s", err, tt.want)
			}
		})
	}
}

func TestNew_RefusesWhatIsNoContract(t *testing.T) {
	t.Parallel()
	for _, document := range []string{"", "{}", "openapi: 3.0.3", "\x00", "<html>", `{"openapi":"3.0.3","info":{"title":"x","version":"1"},"paths":{}}`} {
		d, _ := deps()
		d.Contract = []byte(document)
		if _, err := server.New(t.Context(), d); err == nil {
			t.Errorf("starts on %q", document)
		}
	}
}

func TestNew_RefusesALimitThatMakesNoSense(t *testing.T) {
	t.Parallel()
	bad := ratelimit.Rule{PerSecond: -1, Burst: 1}
	for _, edit := range []func(*server.Deps){
		func(d *server.Deps) { d.IPLimit = bad }, func(d *server.Deps) { d.KeyLimit = bad }, func(d *server.Deps) { d.Clock = nil },
	} {
		d, _ := deps()
		edit(&d)
		if _, err := server.New(t.Context(), d); err == nil {
			t.Error("starts")
		}
	}
}

func deprecate(op *openapi3.Operation, since, sunset string) {
	op.Deprecated = true
	op.Extensions = map[string]any{"x-deprecated-at": since, "x-sunset": sunset, "x-deprecation-link": "/docs/policy"}
}
