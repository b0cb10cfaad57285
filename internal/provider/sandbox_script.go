package provider

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

const (
	slowDefault = 2 * time.Second
	slowMax     = 10 * time.Minute
	restSandbox = 2 * time.Second
)

// script is what the tokens of a prompt ask the sandbox to play. Tokens may stand anywhere in the
// prompt; an unknown one is plain text.
//
// Refusals, answered by Submit:
//
//	[[invalid]]    UserInvalid
//	[[429]]        RateLimited, to be tried again after 2 s; [[429:10s]] names the wait
//	[[500]]        RetrySame
//	[[503]]        RetrySame
//	[[auth]]       RouteAuth
//	[[billing]]    RouteBilling
//	[[model]]      RouteModel
//	[[fallback]]   Fallback
//	[[ambiguous]]  Ambiguous, perhaps charged
//
// Outcomes, that come when the work is done:
//
//	[[moderation]] UserContent
//	[[noimage]]    NoImage
//	[[partial:k]]  k of the wanted pictures; 0 means NoImage
//
// Time:
//
//	[[slow]]       a job of 2 s; [[slow:30s]] names the time, 10 min at most
//	[[timeout]]    a job that never ends
//	[[hang]]       Submit does not return before its context ends
//
// Any of them may end in ":once", as in [[500:once]]: it then counts on a picture's first try only.
// Of several refusals, or several outcomes, the first in the prompt counts.
type script struct {
	refusal *Error
	outcome *Error
	slow    time.Duration
	never   bool
	hang    bool
	partial int // -1: not asked for
}

var tokenPattern = regexp.MustCompile(`(?i)\[\[([a-z0-9]{1,12})(?::([a-z0-9.]{1,12}))?\]\]`)

// sandboxRefusals and sandboxOutcomes hold failures by token. They are copied before use.
var (
	sandboxRefusals = map[string]Error{
		"invalid":   {Class: UserInvalid, HTTPStatus: 400, Code: "invalid_argument"},
		"429":       {Class: RateLimited, HTTPStatus: 429, Code: "rate_limited", RetryAfter: restSandbox},
		"500":       {Class: RetrySame, HTTPStatus: 500, Code: "internal"},
		"503":       {Class: RetrySame, HTTPStatus: 503, Code: "unavailable"},
		"auth":      {Class: RouteAuth, HTTPStatus: 401, Code: "unauthenticated"},
		"billing":   {Class: RouteBilling, HTTPStatus: 402, Code: "no_credit"},
		"model":     {Class: RouteModel, HTTPStatus: 404, Code: "model_not_found"},
		"fallback":  {Class: Fallback, HTTPStatus: 501, Code: "not_implemented"},
		"ambiguous": {Class: Ambiguous, Code: "connection_lost", MaybeCharged: true},
	}
	sandboxOutcomes = map[string]Error{
		"moderation": {Class: UserContent, HTTPStatus: 200, Code: "prohibited_content"},
		"noimage":    {Class: NoImage, HTTPStatus: 200, Code: "no_image"},
	}
)

func readScript(r Request) script {
	plan := script{partial: -1}
	for _, m := range tokenPattern.FindAllStringSubmatch(r.Prompt, -1) {
		name, argument := strings.ToLower(m[1]), strings.ToLower(m[2])
		if argument == "once" {
			if r.Try > 0 {
				continue
			}
			argument = ""
		}
		plan.read(name, argument)
	}
	return plan
}

func (p *script) read(name, argument string) {
	if e, ok := sandboxRefusals[name]; ok && p.refusal == nil {
		if e.Class == RateLimited {
			e.RetryAfter = boundedDuration(argument, restSandbox)
		}
		p.refusal = &e
	}
	if e, ok := sandboxOutcomes[name]; ok && p.outcome == nil {
		p.outcome = &e
	}
	switch name {
	case "slow":
		p.slow = boundedDuration(argument, slowDefault)
	case "timeout":
		p.never = true
	case "hang":
		p.hang = true
	case "partial":
		p.readPartial(argument)
	}
}

func (p *script) readPartial(argument string) {
	k, err := strconv.Atoi(argument)
	if err != nil || k < 0 || p.partial >= 0 {
		return
	}
	p.partial = k
	if k == 0 && p.outcome == nil {
		e := sandboxOutcomes["noimage"]
		p.outcome = &e
	}
}

// deliverable gives how many of count pictures are delivered.
func (p *script) deliverable(count int) int {
	if p.partial < 0 {
		return count
	}
	return min(count, p.partial)
}

// boundedDuration reads a duration such as 3s, and gives fallback for none or nonsense.
func boundedDuration(text string, fallback time.Duration) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return fallback
	}
	return min(d, slowMax)
}
