package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"sync"

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

// readJSON reads the one value of a body: nil, bool, string, json.Number, []any or map[string]any. It refuses what a
// lenient decoder would let through: trailing data, duplicate names, bad UTF-8, NUL characters (which PostgreSQL
// cannot store) and deep nesting.
func readJSON(body []byte) (any, error) {
	r, _ := jsonReaders.Get().(*jsonReader)
	defer r.release()
	r.text = *bytes.NewBuffer(body) // the decoder parses a bytes.Buffer in place
	// The map that an object becomes tells of a name that comes twice.
	r.tokens.Reset(&r.text, jsontext.AllowDuplicateNames(true))
	token, err := r.next()
	if err != nil {
		return nil, err
	}
	value, err := r.value(token)
	if err != nil {
		return nil, err
	}
	if len(bytes.TrimSpace(body[r.tokens.InputOffset():])) > 0 {
		return nil, errTrailing
	}
	if _, err := r.tokens.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, errJSON.Because(err) // a space that is not one of JSON's
	}
	return value, nil
}

// jsonReader reads one body. Readers are used again: a decoder has much to set up.
type jsonReader struct {
	tokens jsontext.Decoder
	text   bytes.Buffer
}

var jsonReaders = sync.Pool{New: func() any { return new(jsonReader) }}

// release lets go of the body before somebody else gets the reader.
func (r *jsonReader) release() {
	r.text = bytes.Buffer{}
	r.tokens.Reset(&r.text)
	jsonReaders.Put(r)
}

// next reads a token, which is good until the next is read.
func (r *jsonReader) next() (jsontext.Token, error) {
	token, err := r.tokens.ReadToken()
	if err != nil {
		return jsontext.Token{}, errJSON.Because(err)
	}
	if r.tokens.StackDepth() > maxJSONDepth {
		return jsontext.Token{}, errDepth
	}
	return token, nil
}

// value reads the value that begins with token.
func (r *jsonReader) value(token jsontext.Token) (any, error) {
	switch token.Kind() {
	case jsontext.KindString:
		return textOf(token)
	case jsontext.KindNumber:
		return json.Number(token.String()), nil
	case jsontext.KindTrue, jsontext.KindFalse:
		return token.Bool(), nil
	case jsontext.KindBeginObject:
		return r.object()
	case jsontext.KindBeginArray:
		return r.array()
	case jsontext.KindNull:
		return nil, nil
	case jsontext.KindInvalid, jsontext.KindEndObject, jsontext.KindEndArray:
	}
	return nil, errJSON // the decoder gives none of these where a value must be
}

func (r *jsonReader) object() (any, error) {
	members := map[string]any{}
	for {
		token, err := r.next()
		if err != nil {
			return nil, err
		}
		if token.Kind() == jsontext.KindEndObject {
			return members, nil
		}
		name, err := textOf(token)
		if err != nil {
			return nil, err
		}
		if _, twice := members[name]; twice {
			return nil, errDuplicate
		}
		if token, err = r.next(); err != nil {
			return nil, err
		}
		if members[name], err = r.value(token); err != nil {
			return nil, err
		}
	}
}

func (r *jsonReader) array() (any, error) {
	items := []any{}
	for {
		token, err := r.next()
		if err != nil {
			return nil, err
		}
		if token.Kind() == jsontext.KindEndArray {
			return items, nil
		}
		item, err := r.value(token)
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
}

// textOf gives the text of a string or of a name.
func textOf(token jsontext.Token) (string, error) {
	text := token.String()
	if strings.IndexByte(text, 0) >= 0 {
		return "", errNUL
	}
	return text, nil
}
