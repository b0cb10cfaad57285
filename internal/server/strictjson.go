package server

import (
	"bytes"
	"errors"
	"io"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/eggapi/eggapi/internal/fault"
)

const maxJSONDepth = 64

var (
	errJSON      = fault.New(fault.BadRequest, "request body is not valid JSON")
	errDuplicate = fault.New(fault.BadRequest, "request body names a member twice")
	errNUL       = fault.New(fault.BadRequest, "request body holds a NUL character")
	errDepth     = fault.New(fault.BadRequest, "request body is nested too deeply")
	errTrailing  = fault.New(fault.BadRequest, "request body holds more than one JSON value")
)

// checkJSON refuses what a lenient decoder would let through: trailing data, duplicate names, bad
// UTF-8, NUL characters (which PostgreSQL cannot store) and deep nesting.
func checkJSON(body []byte) error {
	d := jsontext.NewDecoder(bytes.NewReader(body))
	for first := true; ; first = false {
		token, err := d.ReadToken()
		switch {
		case errors.Is(err, io.EOF) && !first:
			return nil
		case errors.Is(err, jsontext.ErrDuplicateName):
			return errDuplicate.Because(err)
		case err != nil:
			return errJSON.Because(err)
		case d.StackDepth() > maxJSONDepth:
			return errDepth
		case token.Kind() == '"' && strings.ContainsRune(token.String(), 0):
			return errNUL
		}
		if d.StackDepth() == 0 && len(bytes.TrimSpace(body[d.InputOffset():])) > 0 {
			return errTrailing
		}
	}
}
