package apitest

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
)

// What tests have seen, as lines that Coverage compares with what the contract declares.
var seen = struct {
	sync.Mutex
	lines    map[string]bool
	messages map[string]bool
}{lines: map[string]bool{}, messages: map[string]bool{}}

// saw notes an answer that fits the contract: its status, its error code, its headers, the shape of its body.
func saw(op *openapi3.Operation, status int, header http.Header, body any) {
	declared := op.Responses.Status(status).Value
	pair := op.OperationID + " " + strconv.Itoa(status)
	seen.Lock()
	defer seen.Unlock()
	seen.lines[pair] = true
	for name := range declared.Headers {
		if header.Get(name) != "" {
			seen.lines[pair+" header "+name] = true
		}
	}
	if code, message := refusal(body); code != "" && status >= http.StatusBadRequest {
		seen.lines[pair+" code "+code] = true
		seen.messages[code+": "+message] = true
		return
	}
	for _, line := range shape(body, "") {
		seen.lines[pair+" body "+line] = true
	}
}

// Coverage lists all that the contract declares of answers, and what of it no test has produced: each status of each
// operation, each of its error codes, each of its headers, and each member and kind of value that its examples show.
func Coverage() (declared, missing []string) {
	seen.Lock()
	defer seen.Unlock()
	for _, item := range Contract().Paths.Map() {
		for _, op := range item.Operations() {
			for status, response := range op.Responses.Map() {
				declared = append(declared, promises(op.OperationID+" "+status, response.Value)...)
			}
		}
	}
	slices.Sort(declared)
	declared = slices.Compact(declared)
	for _, line := range declared {
		if !seen.lines[line] {
			missing = append(missing, line)
		}
	}
	return declared, missing
}

// UntrueMessages lists the messages in the contract's examples of refusals that no test has seen word for word.
func UntrueMessages() []string {
	seen.Lock()
	defer seen.Unlock()
	var untrue []string
	for name, response := range Contract().Components.Responses {
		for code, example := range examples(response.Value) {
			if _, message := refusal(example); !seen.messages[code+": "+message] {
				untrue = append(untrue, fmt.Sprintf("%s: %s: %s", name, code, message))
			}
		}
	}
	slices.Sort(untrue)
	return untrue
}

func promises(pair string, r *openapi3.Response) []string {
	lines := []string{pair}
	for name := range r.Headers {
		lines = append(lines, pair+" header "+name)
	}
	codes := declaredCodes(r)
	for _, code := range codes {
		lines = append(lines, pair+" code "+code)
	}
	if len(codes) > 0 {
		return lines
	}
	for _, example := range examples(r) {
		for _, line := range shape(example, "") {
			lines = append(lines, pair+" body "+line)
		}
	}
	return lines
}

// examples gives the examples of a JSON response by their names.
func examples(r *openapi3.Response) map[string]any {
	values := map[string]any{}
	media := r.Content.Get("application/json")
	if media == nil || media.Schema.Value.Extensions["x-free-form"] == true {
		return values
	}
	for name, example := range media.Examples {
		values[name] = example.Value.Value
	}
	return values
}
