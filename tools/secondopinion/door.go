package main

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
)

// verdict is what the server's validation thought of a request, as far as its answer tells.
type verdict int

const (
	unknown verdict = iota // it never came to a validation
	passed
	refused
)

// refusal is an error of the envelope, or one of Better Auth.
type refusal struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Fields  []struct {
		In   string `json:"in"`
		Name string `json:"name"`
		Rule string `json:"rule"`
	} `json:"fields"`
}

// readDoor tells from an answer whether the request was valid for the server, and by which rule it was not.
// open says that the operation takes everybody, so that a 401 is its own answer.
func readDoor(e Exchange, open bool) (verdict, string) {
	for name := range e.RequestHeaders {
		if strings.HasPrefix(strings.ToLower(name), "eggapi-mock-") {
			return unknown, "" // `eggapi mock` was asked to play something, whatever the request
		}
	}
	if e.Status < http.StatusBadRequest {
		return passed, ""
	}
	r := readRefusal(e.ResponseBody)
	switch e.Status {
	case http.StatusBadRequest:
		if r.Code == "BAD_REQUEST" || r.Code == "VALIDATION_ERROR" {
			return refused, r.rule()
		}
		return passed, "" // a rule of Better Auth, which comes after the contract's
	case http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType:
		return refused, r.rule()
	case http.StatusConflict, http.StatusUnprocessableEntity:
		return passed, ""
	case http.StatusNotFound:
		if r.Message == "Not found" {
			return unknown, "" // no such path
		}
		return passed, ""
	case http.StatusUnauthorized:
		if open {
			return passed, ""
		}
	case http.StatusForbidden:
		if r.Code == "INSUFFICIENT_BALANCE" {
			return passed, ""
		}
	}
	return unknown, ""
}

func readRefusal(body []byte) refusal {
	var envelope struct {
		refusal
		Error *refusal `json:"error"`
	}
	_ = json.Unmarshal(body, &envelope) // what is no refusal has no code
	if envelope.Error != nil {
		return *envelope.Error
	}
	return envelope.refusal
}

// class names a refusal without the names that a request has made up.
func (r refusal) class() string {
	if len(r.Fields) == 0 {
		return r.Code + ": " + r.Message
	}
	var broken []string
	for _, f := range r.Fields {
		broken = append(broken, f.In+" "+f.Rule)
	}
	slices.Sort(broken)
	return r.Code + ": " + strings.Join(slices.Compact(broken), "; ")
}

// rule names a refusal by its fields or, without any, by its text.
func (r refusal) rule() string {
	if len(r.Fields) == 0 {
		return r.Code + ": " + r.Message
	}
	var names []string
	for _, f := range r.Fields {
		names = append(names, f.In+" "+f.Name+" "+f.Rule)
	}
	return r.Code + ": " + strings.Join(names, "; ")
}
