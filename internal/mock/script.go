package mock

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/eggapi/eggapi/gen"
	"github.com/eggapi/eggapi/internal/auth"
	"github.com/eggapi/eggapi/internal/fault"
)

// The headers of a request that script its answer.
const (
	HeaderFail  = "EggAPI-Mock-Fail"  // a status or an error code the operation declares, as in `RATE_LIMITED; retry-after=2`
	HeaderDelay = "EggAPI-Mock-Delay" // a duration, as in `1500ms`; at most 60 s
)

const (
	maxDelay       = time.Minute
	maxRetrySecond = 3600
)

var errDelay = fault.New(fault.BadRequest, HeaderDelay+" must be given once, as a duration from 0s to 60s such as 1500ms")

// refusal is one an operation declares, in the words of the contract's example.
type refusal struct {
	status  int
	code    string
	message string
	fields  []fault.Field
	waits   bool // the answer has Retry-After
}

// play acts out what a request's headers ask for. The gate has let the request through, so what is wrong with its
// credential or its body comes first, as with the service.
func (m *Mock) play(operationID string, r *http.Request) error {
	if delays := r.Header.Values(HeaderDelay); len(delays) > 0 {
		delay, err := time.ParseDuration(delays[0])
		if err != nil || len(delays) > 1 || delay < 0 || delay > maxDelay {
			return errDelay
		}
		if !pause(r.Context(), delay) {
			return r.Context().Err()
		}
	}
	wishes := r.Header.Values(HeaderFail)
	if len(wishes) == 0 {
		return nil
	}
	all, err := declared()
	if err != nil {
		return err
	}
	op := all[operationID]
	wish, wait, ok := op.find(wishes)
	if !ok {
		return op.unheard()
	}
	return op.refuse(r.Context(), wish, wait)
}

// refusals is what an operation can be made to refuse with.
type refusals struct {
	list       []refusal // by status, then as the contract lists them
	betterAuth bool
}

// find gives the refusal that a header asks for, and how long the caller is to wait.
func (o refusals) find(wishes []string) (found refusal, wait time.Duration, ok bool) {
	name, rest, more := strings.Cut(wishes[0], ";")
	name = strings.TrimSpace(name)
	i := slices.IndexFunc(o.list, func(r refusal) bool { return r.code == name || strconv.Itoa(r.status) == name })
	if i < 0 || len(wishes) > 1 {
		return refusal{}, 0, false
	}
	found = o.list[i]
	if !more {
		return found, 0, true
	}
	text, named := strings.CutPrefix(strings.TrimSpace(rest), "retry-after=")
	seconds, err := strconv.Atoi(text)
	return found, time.Duration(seconds) * time.Second, named && err == nil && seconds >= 1 && seconds <= maxRetrySecond && found.waits
}

// unheard explains what could have been asked for.
func (o refusals) unheard() error {
	names := make([]string, len(o.list))
	for i, r := range o.list {
		names[i] = fmt.Sprintf("%d %s", r.status, r.code)
	}
	return fault.New(fault.BadRequest, HeaderFail+" must be given once, as a status or a code that this operation declares ("+
		strings.Join(names, ", ")+"), with ; retry-after= and 1 to 3600 seconds where the answer has Retry-After")
}

// refuse gives the error that goes out as the refusal.
func (o refusals) refuse(ctx context.Context, r refusal, wait time.Duration) error {
	if r.waits {
		wait = max(wait, time.Second)
	}
	if !o.betterAuth {
		return fault.New(fault.Code(r.code), r.message).WithFields(r.fields...).After(wait)
	}
	if r.waits {
		answerHeader(ctx).Set("Retry-After", strconv.Itoa(int(wait.Seconds())))
	}
	return &auth.Problem{Status: r.status, Code: r.code, Message: r.message}
}

// declared gives the refusals of each operation. The contract is read for it when the first failure is asked for.
var declared = sync.OnceValues(func() (map[string]refusals, error) {
	doc, err := openapi3.NewLoader().LoadFromData(gen.Contract)
	if err != nil {
		return nil, fault.Wrap(err, "read the contract")
	}
	all := map[string]refusals{}
	for _, item := range doc.Paths.Map() {
		for _, op := range item.Operations() {
			all[op.OperationID] = refusalsOf(op)
		}
	}
	return all, nil
})

func refusalsOf(op *openapi3.Operation) refusals {
	result := refusals{betterAuth: op.Extensions["x-error-format"] == "better-auth"}
	for text, response := range op.Responses.Map() {
		status, err := strconv.Atoi(text)
		codes, _ := response.Value.Extensions["x-error-codes"].([]any)
		if err != nil || len(codes) == 0 {
			continue
		}
		for _, code := range codes {
			name, _ := code.(string)
			r := refusal{status: status, code: name, waits: response.Value.Headers["Retry-After"] != nil}
			r.read(response.Value.Content.Get("application/json"))
			result.list = append(result.list, r)
		}
	}
	slices.SortStableFunc(result.list, func(a, b refusal) int { return cmp.Compare(a.status, b.status) })
	return result
}

// read takes the words from the contract's example of the code.
func (r *refusal) read(content *openapi3.MediaType) {
	if content == nil || content.Examples[r.code] == nil {
		return
	}
	text, err := json.Marshal(content.Examples[r.code].Value.Value)
	if err != nil {
		return
	}
	type words struct {
		Message string        `json:"message"`
		Fields  []fault.Field `json:"fields"`
	}
	var example struct {
		words
		Error words `json:"error"`
	}
	if json.Unmarshal(text, &example) == nil {
		r.message = cmp.Or(example.Message, example.Error.Message)
		r.fields = example.Error.Fields
	}
}
