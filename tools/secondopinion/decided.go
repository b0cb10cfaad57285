package main

import (
	"encoding/json"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// Decided is a class of disagreement that is right as it is, with the reason.
type Decided struct {
	Name       string // as docs/conformance.md has it
	Kind       Kind
	Operations []string // empty = every operation
	Rule       *regexp.Regexp
	When       func(Disagreement) bool // what else must be so; nil = nothing
	Why        string
}

// decided is the table: what the door is stricter in than OpenAPI, then rules that no schema can say, then what the
// second opinion itself sees differently.
var decided = []Decided{
	{
		Name: "unknown-query-parameter", Kind: Refused, When: undeclaredQuery,
		Rule: regexp.MustCompile(`^BAD_REQUEST: (query .* unknown|request is malformed)$`),
		Why:  "A misspelt filter would silently not filter. OpenAPI has no word for it.",
	},
	{
		Name: "repeated-parameter", Kind: Refused, When: repeated,
		Rule: regexp.MustCompile(`^BAD_REQUEST: request is malformed$`),
		Why:  "Of two values of a parameter that takes one, neither is surely the one that was meant.",
	},
	{
		Name: "unreadable-query", Kind: Refused, When: unreadableQuery,
		Rule: regexp.MustCompile(`^BAD_REQUEST: request is malformed$`),
		Why:  "Semicolons and broken escapes are read differently by different readers.",
	},
	{
		Name: "nul-in-body", Kind: Refused,
		Rule: regexp.MustCompile(`^BAD_REQUEST: request body holds a NUL character$`),
		Why:  "PostgreSQL cannot store it, in names as little as in values.",
	},
	{
		Name: "nul-in-address", Kind: Refused,
		Rule: regexp.MustCompile(`^BAD_REQUEST: the path or query holds characters that are not allowed$`),
		Why:  "PostgreSQL cannot store NUL, nor what is not UTF-8.",
	},
	{
		Name: "name-twice", Kind: Refused,
		Rule: regexp.MustCompile(`^BAD_REQUEST: request body names a member twice$`),
		Why:  "Readers differ in which of the two they take, so a filter in front of the server could be led past.",
	},
	{
		Name: "text-that-is-no-text", Kind: Refused, When: lenientJSON,
		Rule: regexp.MustCompile(`^BAD_REQUEST: request body is not valid JSON$`),
		Why:  "Half of a surrogate pair is no character; most readers turn it into another one.",
	},
	{
		Name: "too-deep", Kind: Refused,
		Rule: regexp.MustCompile(`^BAD_REQUEST: request body is nested too deeply$`),
		Why:  "Nesting without end costs memory; the free-form bodies of Better Auth are the only ones that can be deep.",
	},
	{
		Name: "too-large", Kind: Refused,
		Rule: regexp.MustCompile(`^PAYLOAD_TOO_LARGE: `),
		Why:  "A schema counts characters and members, not bytes.",
	},
	{
		Name: "content-encoding", Kind: Refused,
		Rule: regexp.MustCompile(`^UNSUPPORTED_MEDIA_TYPE: Content-Encoding is not supported$`),
		Why:  "A compressed body can be a bomb, and no client needs one. OpenAPI has no word for it.",
	},
	{
		Name: "charset", Kind: Refused, When: otherCharset,
		Rule: regexp.MustCompile(`^UNSUPPORTED_MEDIA_TYPE: Content-Type must be application/json$`),
		Why:  "JSON is UTF-8; the second opinion does not look at the charset.",
	},
	{
		Name: "body-without-type", Kind: Refused, When: untypedBody, Operations: []string{"signOut", "revokeSessions", "revokeOtherSessions"},
		Rule: regexp.MustCompile(`^UNSUPPORTED_MEDIA_TYPE: Content-Type must be application/json$`),
		Why:  "Where a body is optional, the second opinion does not look at one without a type.",
	},
	{
		Name: "model-not-on-sale", Kind: Refused, Operations: []string{"generate"},
		Rule: regexp.MustCompile(`^VALIDATION_ERROR: body model enum$`),
		Why:  "What is on sale changes without the contract; listModels tells.",
	},
	{
		Name: "limits-of-a-model", Kind: Refused, Operations: []string{"generate"},
		Rule: regexp.MustCompile(`^VALIDATION_ERROR: body (num_outputs maximum|aspect_ratio enum|image_urls maxItems)$`),
		Why:  "A model may do less than the contract allows for all of them; listModels tells.",
	},
	{
		Name: "address-not-public", Kind: Refused, Operations: []string{"generate"},
		Rule: regexp.MustCompile(`^VALIDATION_ERROR: body (webhook_url|image_urls\[\d\]) uri(; body image_urls\[\d\] uri)*$`),
		Why:  "format: uri says nothing of scheme, host or credentials; the server calls public HTTPS addresses only.",
	},
	{
		Name: "expiry-in-the-past", Kind: Refused, Operations: []string{"createAPIKey", "updateAPIKey"},
		Rule: regexp.MustCompile(`^VALIDATION_ERROR: body expires_at future$`),
		Why:  "A schema knows no clock.",
	},
	{
		Name: "limits-of-a-key", Kind: Refused, Operations: []string{"createAPIKey", "updateAPIKey"},
		Rule: regexp.MustCompile(`^VALIDATION_ERROR: body limits\.(networks cidr|time_zone timeZone|spend_cap\.amount minimum)$`),
		Why:  "Networks, time zones and amounts are judged by what they mean.",
	},
	{
		Name: "environment-of-another-key", Kind: Refused, Operations: []string{"listTasks", "getTask"},
		Rule: regexp.MustCompile(`^BAD_REQUEST: query environment key$`),
		Why:  "A key has its own environment and may name no other.",
	},
	{
		Name: "email-of-better-auth", Kind: Refused,
		Operations: []string{"signUpEmail", "requestPasswordReset", "sendVerificationEmail", "changeEmail"},
		Rule:       regexp.MustCompile(`^VALIDATION_ERROR: \[body\.(email|newEmail)\] Invalid email address$`),
		Why:        "Better Auth judges the address by a pattern of its own, and answers with this text.",
	},
	{
		Name: "integer-with-a-fraction", Kind: Refused,
		Rule: regexp.MustCompile(`^BAD_REQUEST: (request is malformed|query (page|per_page) format)$`), When: fraction,
		Why: "1.0 is no integer by the JSON Schema that OpenAPI 3.0 builds on; the second opinion goes by a later one.",
	},
	{
		Name: "empty-header", Kind: Refused, When: emptyHeader,
		Rule: regexp.MustCompile(`^BAD_REQUEST: header (Idempotency-Key|If-None-Match) minLength$`),
		Why:  "The second opinion takes an empty header for an absent one; its minLength is 1.",
	},
	{
		Name: "empty-segment", Kind: Answer, When: emptySegment,
		Rule: regexp.MustCompile(`^404 .* '404' does not exist$`),
		Why:  "The second opinion reads /v1//tasks as /v1/tasks; here it is a path that does not exist.",
	},
	{
		Name: "link-too-long", Kind: Answer, Operations: []string{"verifyEmail", "resetPasswordCallback", "resetPassword"},
		Rule: regexp.MustCompile(`^431 .* '431' does not exist$`),
		Why:  "Go's server refuses a request line over 32 KiB before any operation is known.",
	},
	{
		Name: "files-and-pages", Kind: Outside,
		Rule: regexp.MustCompile(`^(GET|HEAD) /((assets|files|docs)(/.*)?|llms\.txt)? (200|206|301|304|416)$`),
		Why:  "Images and pages are for browsers; the contract is for programs.",
	},
}

func undeclaredQuery(d Disagreement) bool { return d.Undeclared }

func emptyHeader(d Disagreement) bool {
	for _, name := range []string{"Idempotency-Key", "If-None-Match"} {
		if values := d.Exchange.RequestHeaders[http.CanonicalHeaderKey(name)]; len(values) == 1 && values[0] == "" {
			return true
		}
	}
	return false
}

// repeated tells whether the query, or a header that is a parameter, gives two values where one is taken.
func repeated(d Disagreement) bool {
	for _, values := range query(d) {
		if len(values) > 1 {
			return true
		}
	}
	return len(d.Exchange.RequestHeaders["Idempotency-Key"]) > 1
}

func unreadableQuery(d Disagreement) bool {
	_, raw, _ := strings.Cut(d.Exchange.URL, "?")
	_, err := url.ParseQuery(raw)
	return err != nil
}

func query(d Disagreement) url.Values {
	_, raw, _ := strings.Cut(d.Exchange.URL, "?")
	values, _ := url.ParseQuery(raw) // what can be read of it
	return values
}

func untypedBody(d Disagreement) bool {
	return len(d.Exchange.RequestBody) > 0 && d.Exchange.RequestHeaders.Get("Content-Type") == ""
}

// lenientJSON tells whether encoding/json takes the body.
func lenientJSON(d Disagreement) bool { return json.Valid(d.Exchange.RequestBody) }

func otherCharset(d Disagreement) bool {
	mediaType, params, err := mime.ParseMediaType(d.Exchange.RequestHeaders.Get("Content-Type"))
	return err == nil && mediaType == "application/json" && params["charset"] != "" && !strings.EqualFold(params["charset"], "utf-8")
}

var withFraction = regexp.MustCompile(`[0-9]\.0*[^0-9]|[0-9][eE]|\.0+$`)

// fraction tells whether a number is written with a fraction of nothing, or with an exponent.
func fraction(d Disagreement) bool {
	_, raw, _ := strings.Cut(d.Exchange.URL, "?")
	return withFraction.MatchString(raw) || withFraction.Match(d.Exchange.RequestBody)
}

func emptySegment(d Disagreement) bool {
	path, _, _ := strings.Cut(d.Exchange.URL, "?")
	return slices.Contains(strings.Split(strings.TrimPrefix(path, "/"), "/"), "")
}
