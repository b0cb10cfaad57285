package server

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"sort"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/routers"

	"github.com/eggapi/eggapi/internal/auth"
	"github.com/eggapi/eggapi/internal/fault"
)

// The names of the security schemes that have an authenticator.
const (
	schemeKey     = "apiKey"
	schemeSession = "session"
)

type contract struct {
	operations []*operation
	byRoute    map[route]*operation
}

// route is where echo finds an operation.
type route struct {
	method, path string
}

// operation is what the gate of one operation needs, worked out once at boot.
type operation struct {
	id           string
	method       string
	echoPath     string
	route        *routers.Route
	scopes       []string   // what a key must be allowed to do
	alternatives [][]string // OR of AND of scheme names; empty = open to everyone
	optional     bool       // an empty alternative: a credential is welcome, not needed
	hasBody      bool
	queryNames   map[string]bool
	cost         int
	betterAuth   bool // errors in Better Auth's format, and its Origin rules
	noIPLimit    bool
	narrow       string   // the narrow limit it has, one of the names there are, or ""
	bounded      bool     // its handler counts among those that run
	notices      []notice // of its deprecation
	shortcut     *shortcut
}

// name is how logs and metrics call an operation; nil is what the contract does not declare.
func (o *operation) name() string {
	if o == nil {
		return "none"
	}
	return o.id
}

var pathParameter = regexp.MustCompile(`\{([^}]+)\}`)

// compile reads the contract. It fails on what the gate could not enforce.
func compile(ctx context.Context, document []byte) (*contract, error) {
	doc, err := openapi3.NewLoader().LoadFromData(document)
	if err != nil {
		return nil, fault.Wrap(err, "read the contract")
	}
	if err := doc.Validate(ctx); err != nil {
		return nil, fault.Wrap(err, "check the contract")
	}
	if err := checkCodes(doc); err != nil {
		return nil, err
	}
	c := &contract{byRoute: map[route]*operation{}}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			o, err := compileOperation(doc, path, item, method, op)
			if err != nil {
				return nil, fmt.Errorf("operation %s %s: %w", method, path, err)
			}
			c.operations = append(c.operations, o)
			c.byRoute[route{o.method, o.echoPath}] = o
		}
	}
	sort.Slice(c.operations, func(i, j int) bool { return c.operations[i].id < c.operations[j].id })
	return c, nil
}

// readScopes fails unless an operation says what a key must be allowed to do, if it takes keys, and nothing if it does not.
func readScopes(op *openapi3.Operation) ([]string, error) {
	takesKeys := false
	for _, requirement := range *op.Security {
		if _, ok := requirement[schemeKey]; ok {
			takesKeys = true
		}
	}
	declared, stated := op.Extensions["x-scopes"]
	if stated != takesKeys {
		return nil, fmt.Errorf("x-scopes must be stated where keys are taken, and only there")
	}
	scopes := texts(declared)
	for _, scope := range scopes {
		if !slices.Contains(auth.Scopes(), scope) {
			return nil, fmt.Errorf("x-scopes: there is no scope %s", scope)
		}
	}
	return scopes, nil
}

// readNarrowLimit fails on a limit that there is not, and on one per user where a caller may be nobody.
func readNarrowLimit(op *openapi3.Operation) (string, error) {
	declared, stated := op.Extensions["x-narrow-limit"]
	name, _ := declared.(string)
	switch {
	case !stated || name == narrowSignIn:
		return name, nil
	case name == narrowNewKeys && len(*op.Security) > 0:
		return name, nil
	}
	return "", fmt.Errorf("x-narrow-limit: %v is no limit that can be kept here", declared)
}

func compileOperation(doc *openapi3.T, path string, item *openapi3.PathItem, method string, op *openapi3.Operation) (*operation, error) {
	if op.OperationID == "" || op.Security == nil {
		return nil, fmt.Errorf("operationId and security must be stated")
	}
	o := &operation{
		id: op.OperationID, method: method, echoPath: pathParameter.ReplaceAllString(path, ":$1"),
		hasBody: op.RequestBody != nil, queryNames: map[string]bool{}, cost: 1,
		betterAuth: op.Extensions["x-error-format"] == "better-auth",
		noIPLimit:  op.Extensions["x-no-ip-limit"] == true,
		// Probes tell whether the process lives, not whether it is busy; the contract itself costs nothing.
		bounded:  op.Extensions["x-no-ip-limit"] != true && op.Responses.Value("503") != nil,
		shortcut: newShortcut(doc, item, op),
	}
	if cost, ok := op.Extensions["x-rate-cost"].(float64); ok {
		o.cost = int(cost)
	}
	if err := checkOperationCodes(op, o.betterAuth); err != nil {
		return nil, err
	}
	var err error
	if o.narrow, err = readNarrowLimit(op); err != nil {
		return nil, err
	}
	if o.notices, err = readNotices(op); err != nil {
		return nil, err
	}
	if o.scopes, err = readScopes(op); err != nil {
		return nil, err
	}
	for _, requirement := range *op.Security {
		if len(requirement) == 0 {
			o.optional = true
			continue
		}
		var schemes []string
		for name := range requirement {
			if name != schemeKey && name != schemeSession {
				return nil, fmt.Errorf("no authenticator for security scheme %s", name)
			}
			schemes = append(schemes, name)
		}
		sort.Strings(schemes)
		o.alternatives = append(o.alternatives, schemes)
	}
	onlySession := len(o.alternatives) == 1 && slices.Equal(o.alternatives[0], []string{schemeSession})
	if o.betterAuth && len(*op.Security) > 0 && !onlySession {
		return nil, fmt.Errorf("an operation of Better Auth is open, welcomes a session, or needs one; nothing else")
	}
	for _, parameters := range []openapi3.Parameters{item.Parameters, op.Parameters} {
		for _, p := range parameters {
			if p.Value.In == openapi3.ParameterInQuery {
				o.queryNames[p.Value.Name] = true
			}
		}
	}
	// The gate authenticates by itself; kin-openapi would read the body first.
	open := *op
	open.Security = &openapi3.SecurityRequirements{}
	o.route = &routers.Route{Spec: doc, Path: path, PathItem: item, Method: method, Operation: &open}
	return o, nil
}
