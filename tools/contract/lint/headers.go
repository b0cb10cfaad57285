package lint

import "net/http"

var headerRules = []Rule{
	{"header-request-id", "Whoever asks for help quotes it, so no answer may lack it.", eachOperation(headerRequestID)},
	{"header-retry-after", "A client that is told to come back must be told when.", eachOperation(headerRetryAfter)},
	{"header-rate-limit", "A client can slow down before it is refused only when a good answer says what is left.", eachOperation(headerRateLimit)},
	{"header-authenticate", "HTTP demands that a 401 says which scheme is asked for (RFC 9110, 15.5.2).", eachOperation(headerAuthenticate)},
}

func headerRequestID(_ *Contract, op *Operation) []Finding {
	return declare(op.Answers(), "X-Request-Id")
}

func headerRetryAfter(_ *Contract, op *Operation) []Finding {
	return declare(filter(op.Answers(), http.StatusTooManyRequests, http.StatusServiceUnavailable), "Retry-After")
}

func headerRateLimit(_ *Contract, op *Operation) []Finding {
	if op.Node.Get("x-no-ip-limit").Is() {
		return nil
	}
	var good []Response
	for _, r := range op.Answers() {
		if r.Status >= 200 && r.Status < 300 {
			good = append(good, r)
		}
	}
	return append(declare(good, "RateLimit"), declare(good, "RateLimit-Policy")...)
}

// headerAuthenticate leaves Better Auth's operations alone: there a 401 is a wrong password, and no header helps.
func headerAuthenticate(_ *Contract, op *Operation) []Finding {
	if op.BetterAuth {
		return nil
	}
	return declare(filter(op.Answers(), http.StatusUnauthorized), "WWW-Authenticate")
}

func declare(responses []Response, header string) []Finding {
	var all []Finding
	for _, r := range responses {
		if !r.Node.Get("headers").Has(header) {
			all = append(all, found(r.Node.Place(), "%s does not declare %s; add it to its headers", describe(r), header))
		}
	}
	return all
}

func filter(responses []Response, statuses ...int) []Response {
	var some []Response
	for _, r := range responses {
		for _, status := range statuses {
			if r.Status == status {
				some = append(some, r)
			}
		}
	}
	return some
}
