package lint_test

import (
	"strings"
	"testing"
	"testing/fstest"
)

// A plant is a fault put into a copy of the contract: in a file, the first old after the anchor becomes new. The one
// rule it breaks is found at the first line after the anchor that holds at, in the same file.
type plant struct {
	rule     string
	file     string
	anchor   string
	old, new string
	at       string
	says     string // part of the finding's text
	as       string // another file where it is found
}

const (
	generation = "openapi/paths/generation.yaml"
	tasks      = "openapi/paths/tasks.yaml"
	account    = "openapi/paths/account.yaml"
	keys       = "openapi/paths/api_keys.yaml"
	system     = "openapi/paths/system.yaml"
	responses  = "openapi/responses.yaml"
	parameters = "openapi/parameters.yaml"
	root       = "openapi/openapi.yaml"
	schemas    = "openapi/schemas/"
)

var plants = []plant{
	{rule: "operation-id", file: account, anchor: "balance:", old: "operationId: getBalance\n", new: "operationId: get_balance\n", at: "operationId: get_balance", says: "lowerCamelCase"},
	{rule: "operation-id", file: account, anchor: "balance:", old: "operationId: getBalance\n", new: "operationId: balanceGet\n", at: "operationId: balanceGet", says: "no verb"},
	{rule: "operation-tag", file: tasks, anchor: "task:\n", old: "tags: [tasks]", new: "tags: [tasks, usage]", at: "tags:", says: "2 tags"},
	{rule: "operation-tag", file: tasks, anchor: "task:\n", old: "tags: [tasks]", new: "tags: [jobs]", at: "tags:", says: "not declared"},
	{rule: "operation-tag", file: tasks, anchor: "task:\n", old: "    tags: [tasks]\n", at: "get:", says: "0 tags"},
	{rule: "operation-summary", file: tasks, anchor: "task:\n", old: "    summary: Get a task\n", at: "get:", says: "no summary"},
	{rule: "operation-summary", file: tasks, anchor: "task:\n", old: "Get a task\n", new: "Get a task.\n", at: "summary:", says: "full stop"},
	{rule: "operation-summary", file: tasks, anchor: "task:\n", old: "Get a task\n", new: "Get a task" + strings.Repeat(" once more", 6) + "\n", at: "summary:", says: "70 characters"},
	{rule: "operation-description", file: tasks, anchor: "task:\n", old: "description: One task. A failed task is a 200 too; see `status` and `error`.\n", new: "description: \" \"\n", at: "get:"},
	{rule: "operation-security", file: tasks, anchor: "task:\n", old: "    security:\n      - apiKey: []\n      - session: []\n", at: "get:"},
	{rule: "request-example", file: keys, anchor: "  patch:", old: "examples:", new: "x-none:", at: "application/json:", says: "updateAPIKey: the body"},
	{rule: "response-example", file: tasks, anchor: "task:\n", old: "            examples:", new: "            x-none:", at: "application/json:", says: "getTask: the answer 200"},
	{rule: "error-codes", file: responses, anchor: "TaskNotFound:", old: "[NOT_FOUND]", new: "[]", at: "TaskNotFound:", says: "the response TaskNotFound lists no codes"},
	{rule: "error-codes", file: responses, anchor: "TaskNotFound:", old: "[NOT_FOUND]", new: "[NOT_FOUND, GONE]", at: "x-error-codes", says: "GONE is not in the list of ErrorCode"},
	{rule: "error-codes", file: responses, anchor: "TaskNotFound:", old: "[NOT_FOUND]", new: "[NOT_FOUND, NOT_FOUND]", at: "x-error-codes", says: "twice"},
	{rule: "error-codes", file: responses, anchor: "UserExists:", old: "[USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL]", new: "[USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL, NOT_READY]", at: "x-error-codes", says: "AuthErrorCode"},
	{rule: "error-status", file: tasks, anchor: "task:\n", old: "\"404\":", new: "\"410\":", at: "\"410\":", says: "NOT_FOUND goes out with 404, not with 410"},
	{rule: "error-status", file: "openapi/paths/session.yaml", anchor: "signUp:", old: "\"422\":", new: "\"409\":", at: "\"409\":", says: "goes out with 422"},
	{rule: "error-example", file: responses, anchor: "TaskNotFound:", old: "error: {code: NOT_FOUND", new: "error: {code: CONFLICT", at: "error: {code: CONFLICT", says: `error.code is "CONFLICT"`},
	{rule: "error-example", file: responses, anchor: "ForbiddenOrUnpaid:", old: "        INSUFFICIENT_BALANCE:\n", new: "        POOR:\n", at: "code: INSUFFICIENT_BALANCE", says: "name it by the code"},
	{rule: "error-example", file: responses, anchor: "UserExists:", old: "code: USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL}", new: "code: BANNED_USER}", at: "code: BANNED_USER", says: `code is "BANNED_USER"`},
	{rule: "error-body", file: responses, anchor: "TaskNotFound:", old: "schemas/errors.yaml#/ErrorEnvelope", new: "schemas/errors.yaml#/ErrorBody", at: "TaskNotFound:", says: "ErrorEnvelope"},
	{rule: "header-request-id", file: tasks, anchor: "task:\n", old: "          X-Request-Id: {$ref: ../headers.yaml#/XRequestId}\n", at: "\"200\":", says: "the status 200 does not declare X-Request-Id"},
	{rule: "header-request-id", file: responses, anchor: "TaskNotFound:", old: "    X-Request-Id: {$ref: headers.yaml#/XRequestId}\n", at: "TaskNotFound:", says: "the response TaskNotFound"},
	{rule: "header-retry-after", file: responses, anchor: "\nRateLimited:", old: "    Retry-After: {$ref: headers.yaml#/RetryAfter}\n", at: "RateLimited:"},
	{rule: "header-retry-after", file: responses, anchor: "\nNotReady:", old: "    Retry-After: {$ref: headers.yaml#/RetryAfter}\n", at: "NotReady:"},
	{rule: "header-rate-limit", file: tasks, anchor: "task:\n", old: "          RateLimit: {$ref: ../headers.yaml#/RateLimit}\n", at: "\"200\":", says: "declare RateLimit;"},
	{rule: "header-rate-limit", file: system, anchor: "healthz:", old: "    x-no-ip-limit: true\n", at: "\"200\":"},
	{rule: "header-authenticate", file: responses, anchor: "\nUnauthorized:", old: "    WWW-Authenticate: {$ref: headers.yaml#/WWWAuthenticate}\n", at: "Unauthorized:"},
	{rule: "string-bound", file: schemas + "tasks.yaml", anchor: "Task:\n", old: "      maxLength: 1000\n", at: "error:", says: "Task.error is a string of any length"},
	{rule: "string-bound", file: parameters, anchor: "ModelFilter:", old: ", maxLength: 100", at: "schema:", says: "the shared model is a string"},
	{rule: "array-bound", file: schemas + "tasks.yaml", anchor: "TaskOutput:", old: "      maxItems: 4\n", at: "urls:", says: "TaskOutput.urls"},
	{rule: "number-bound", file: schemas + "errors.yaml", anchor: "Pagination:", old: ", maximum: 100, ex", new: ", ex", at: "per_page: {", says: "Pagination.per_page"},
	{rule: "request-closed", file: schemas + "generation.yaml", anchor: "GenerateRequest:", old: "  additionalProperties: false\n", at: "GenerateRequest:", says: "does not say"},
	{rule: "request-closed", file: schemas + "generation.yaml", anchor: "GenerateRequest:", old: "additionalProperties: false", new: "additionalProperties: true", at: "GenerateRequest:", says: "only Better Auth's"},
	{rule: "answer-open", file: schemas + "tasks.yaml", anchor: "Task:\n", old: "  type: object\n", new: "  type: object\n  additionalProperties: false\n", at: "Task:"},
	{rule: "answer-open", file: schemas + "system.yaml", anchor: "Contract:", old: "  x-free-form: true\n", at: "Contract:"},
	{rule: "map-bound", file: schemas + "system.yaml", anchor: "Readiness:", old: "      maxProperties: 20\n", at: "checks:"},
	{rule: "enum-open", file: schemas + "tasks.yaml", anchor: "TaskType:", old: "x-extensible-enum: [", new: "enum: [", at: "TaskType:"},
	{rule: "enum-open", file: schemas + "generation.yaml", anchor: "WebhookPayload:", old: "x-extensible-enum: [", new: "enum: [", at: "event:", says: "WebhookPayload.event"},
	{rule: "enum-values", file: schemas + "tasks.yaml", anchor: "TaskType:", old: "  x-extensible-enum:", new: "  enum: [image_generate]\n  x-closed-enum: true\n  x-extensible-enum:", at: "TaskType:", says: "both"},
	{rule: "enum-values", file: schemas + "tasks.yaml", anchor: "TaskType:", old: "[image_generate, image_edit]", new: "[]", at: "TaskType:", says: "empty"},
	{rule: "enum-values", file: schemas + "tasks.yaml", anchor: "TaskType:", old: "[image_generate, image_edit]", new: "[image_edit, image_edit]", at: "TaskType:", says: "twice"},
	{rule: "enum-values", file: schemas + "tasks.yaml", anchor: "TaskType:", old: "  maxLength: 64\n", new: "  maxLength: 64\n  x-closed-enum: true\n", at: "TaskType:", says: "no enum"},
	{rule: "list-parameters", file: tasks, anchor: "tasks:\n", old: "      - $ref: ../parameters.yaml#/PerPage\n", at: "get:", says: "per_page"},
	{rule: "list-answer", file: schemas + "tasks.yaml", anchor: "TaskList:", old: "    items:\n", new: "    entries:\n", at: "TaskList:", says: "called items"},
	{rule: "list-answer", file: schemas + "errors.yaml", anchor: "Pagination:", old: "total_pages: {type: integer, format: int64", new: "total_pages: {type: number", at: "TaskList:", says: "total_pages", as: schemas + "tasks.yaml"},
	{rule: "name-property", file: schemas + "tasks.yaml", anchor: "Task:\n", old: "    failure:\n", new: "    failureCause:\n", at: "failureCause:", says: "snake_case"},
	{rule: "name-property", file: schemas + "session.yaml", anchor: "AuthUser:", old: "    updatedAt: {", new: "    updated_at: {", at: "updated_at: {", says: "camelCase"},
	{rule: "name-parameter", file: parameters, anchor: "ModelFilter:", old: "name: model", new: "name: modelName", at: "name: modelName", says: "snake_case"},
	{rule: "name-parameter", file: parameters, anchor: "IfNoneMatch:", old: "name: If-None-Match", new: "name: if-none-match", at: "name: if-none-match", says: "Train-Case"},
	{rule: "name-header", file: system, anchor: "contractYAML:", old: "Repr-Digest:", new: "repr-digest:", at: "repr-digest:"},
	{rule: "name-path", file: root, anchor: "paths:", old: "/v1/api-keys/{id}:", new: "/v1/apiKeys/{id}:", at: "/v1/apiKeys/{id}:"},
	{rule: "name-path", file: root, anchor: "paths:", old: "/v1/tasks/{id}:", new: "/v1/tasks/{taskId}:", at: "/v1/tasks/{taskId}:"},
	{rule: "name-schema", file: schemas + "tasks.yaml", anchor: "TaskFailure:", old: "TaskFailure:", new: "task_failure:", at: "task_failure:"},
	{rule: "known-extension", file: tasks, anchor: "task:\n", old: "    summary: Get", new: "    x-eror-codes: [NOT_FOUND]\n    summary: Get", at: "x-eror-codes"},
	{rule: "deprecation-marks", file: tasks, anchor: "task:\n", old: "    summary: Get", new: "    deprecated: true\n    x-deprecated-at: 2026-12-01\n    summary: Get", at: "deprecated: true", says: "no x-sunset"},
	{rule: "deprecation-marks", file: tasks, anchor: "task:\n", old: "    summary: Get", new: "    x-deprecated-at: 2026-12-01\n    summary: Get", at: "x-deprecated-at", says: "not deprecated"},
	{rule: "deprecation-marks", file: tasks, anchor: "task:\n", old: "    summary: Get", new: "    deprecated: true\n    x-deprecated-at: 2026-12-01\n    x-sunset: next summer\n    summary: Get", at: "x-sunset", says: "no date"},
	{rule: "deprecation-marks", file: tasks, anchor: "task:\n", old: "    summary: Get", new: "    x-deprecation-link: /docs/moved\n    summary: Get", at: "x-deprecation-link", says: "not deprecated"},
	{rule: "deprecation-time", file: tasks, anchor: "task:\n", old: "    summary: Get", new: "    deprecated: true\n    x-deprecated-at: 2026-12-01\n    x-sunset: 2027-05-29\n    summary: Get", at: "x-sunset", says: "not before 2027-05-30"},
	{rule: "deprecation-place", file: schemas + "tasks.yaml", anchor: "Task:\n", old: "    error:\n", new: "    error:\n      x-sunset: 2027-06-01\n", at: "x-sunset"},
	{rule: "link", file: generation, anchor: "links:", old: "operationId: getTask", new: "operationId: getJob", at: "operationId: getJob", says: "no operation"},
	{rule: "link", file: generation, anchor: "links:", old: "parameters: {id:", new: "parameters: {task:", at: "parameters: {task:", says: "no parameter task"},
}

// apply puts the fault in, and says where it has to be found.
func (p plant) apply(t *testing.T, files fstest.MapFS) (file string, line int) {
	t.Helper()
	text := string(files[p.file].Data)
	from := strings.Index(text, p.anchor)
	if from < 0 || !strings.Contains(text[from:], p.old) {
		t.Fatalf("%s has no %q after %q: plant the fault elsewhere", p.file, p.old, p.anchor)
	}
	text = text[:from] + strings.Replace(text[from:], p.old, p.new, 1)
	if p.rule == "name-schema" {
		text = strings.Replace(text, "#/"+strings.TrimSuffix(p.old, ":"), "#/"+strings.TrimSuffix(p.new, ":"), 1)
	}
	files[p.file] = &fstest.MapFile{Data: []byte(text)}
	if file = p.file; p.as != "" {
		file, from = p.as, 0
		text = string(files[file].Data)
	}
	at := strings.Index(text[from:], p.at)
	if at < 0 {
		t.Fatalf("%s has no %q", file, p.at)
	}
	return file, 1 + strings.Count(text[:from+at], "\n")
}

func TestRun_FindsEachPlantedFaultWhereItIs(t *testing.T) {
	for _, p := range plants {
		t.Run(p.rule+" "+p.at, func(t *testing.T) {
			files := sources(t)
			file, line := p.apply(t, files)
			got := run(t, files)
			hit := false
			for _, f := range got {
				if f.Rule != p.rule && !brings(p, f.Rule) {
					t.Errorf("also found: %s", f)
				}
				hit = hit || f.Rule == p.rule && f.Place.File == file && f.Place.Line == line && strings.Contains(f.Text, p.says)
			}
			if !hit {
				t.Errorf("want %s:%d: %s: … %s\ngot %v", file, line, p.rule, p.says, got)
			}
		})
	}
}

// brings tells which other rules a planted fault breaks as well, by its nature.
func brings(p plant, other string) bool {
	switch p.rule {
	case "error-codes":
		return other == "error-example"
	case "request-example", "response-example":
		return other == "known-extension"
	}
	return false
}
