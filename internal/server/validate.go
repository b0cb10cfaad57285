package server

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/labstack/echo/v4"

	"github.com/eggapi/eggapi/internal/fault"
)

var (
	errMalformed   = fault.New(fault.BadRequest, "request is malformed")
	errText        = fault.New(fault.BadRequest, "the path or query holds characters that are not allowed")
	errMediaType   = fault.New(fault.UnsupportedMediaType, "Content-Type must be application/json")
	errEncoding    = fault.New(fault.UnsupportedMediaType, "Content-Encoding is not supported")
	errTooLarge    = fault.New(fault.PayloadTooLarge, "request body is too large")
	errBodyRefused = fault.New(fault.BadRequest, "this operation takes no request body")
	errReadBody    = fault.New(fault.BadRequest, "request body could not be read")
)

// kin-openapi fills no defaults in: it would take an explicit null for an absent value.
var filterOptions = &openapi3filter.Options{MultiError: true, SkipSettingDefaults: true, KeepValidatedValue: true}

// validate holds a request against the contract. Handlers receive the very value that was validated.
func (s *server) validate(c echo.Context, op *operation) error {
	r := c.Request()
	query, err := checkQuery(r.URL.RawQuery, op)
	if err != nil {
		return err
	}
	if err := checkPath(c); err != nil {
		return err
	}
	body, err := s.readBody(r, op)
	if err != nil {
		return err
	}
	if op.shortcut.admits(c, query, body) {
		body.install(r)
		return nil
	}
	return judge(c, op, query, body)
}

// judge asks kin-openapi about all of a request.
func judge(c echo.Context, op *operation, query url.Values, body *heldBody) error {
	params, err := pathParams(c)
	if err != nil {
		return err
	}
	r := c.Request()
	if body != nil {
		r.Body = io.NopCloser(&body.Reader)
	}
	err = openapi3filter.ValidateRequest(r.Context(), &openapi3filter.RequestValidationInput{
		Request: r, PathParams: params, QueryParams: query, Route: op.route, Options: filterOptions,
	})
	if err != nil {
		return toRefusal(err)
	}
	return nil
}

// checkPath refuses parameters that cannot be stored.
func checkPath(c echo.Context) error {
	if c.Request().URL.RawPath != "" {
		_, err := pathParams(c)
		return err
	}
	for _, value := range c.ParamValues() {
		if !storable(value) {
			return errText
		}
	}
	return nil
}

// pathParams gives the parameters as the handler will get them. Echo leaves them escaped where the path was
// escaped in an unusual way.
func pathParams(c echo.Context) (map[string]string, error) {
	names := c.ParamNames()
	params := make(map[string]string, len(names))
	for _, name := range names {
		value := c.Param(name)
		if c.Request().URL.RawPath != "" {
			unescaped, err := url.PathUnescape(value)
			if err != nil {
				return nil, errMalformed.Because(err)
			}
			value = unescaped
		}
		if !storable(value) {
			return nil, errText
		}
		params[name] = value
	}
	return params, nil
}

// checkQuery refuses names the operation does not declare, and text that cannot be stored. It gives nil for no query.
func checkQuery(raw string, op *operation) (url.Values, error) {
	if raw == "" {
		return nil, nil
	}
	query, err := url.ParseQuery(raw)
	if err != nil {
		return nil, errMalformed.Because(err)
	}
	for name, values := range query {
		if !op.queryNames[name] {
			return nil, errMalformed.WithFields(fault.Field{In: "query", Name: safeName(name), Rule: "unknown", Message: "is not a parameter of this operation"})
		}
		for _, v := range values {
			if !storable(v) {
				return nil, errText
			}
		}
	}
	return query, nil
}

// readBody reads the whole body, which limitBody has capped, and checks all that the schema cannot say. It gives nil
// for no body.
func (s *server) readBody(r *http.Request, op *operation) (*heldBody, error) {
	if !op.hasBody {
		if r.ContentLength != 0 { // -1 when its length is not told
			return nil, errBodyRefused
		}
		return nil, nil
	}
	body, err := readAll(r)
	if err != nil {
		return nil, err
	}
	if len(body) == 0 {
		r.Body = io.NopCloser(bytes.NewReader(nil))
		return nil, nil
	}
	if !isJSON(r.Header.Get(echo.HeaderContentType)) {
		return nil, errMediaType
	}
	held := &heldBody{}
	held.Reset(body)
	held.value, err = readJSON(body)
	return held, err
}

// readAll is io.ReadAll into a buffer that fits when the body is as long as it says, and is short.
func readAll(r *http.Request) ([]byte, error) {
	const short = 8 << 10 // who says more has to send it first
	body := make([]byte, 0, max(min(r.ContentLength, short), 512)+1)
	for {
		n, err := r.Body.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		if errors.Is(err, io.EOF) {
			return body, nil
		}
		if err != nil {
			return nil, unreadable(err)
		}
		if len(body) == cap(body) {
			body = slices.Grow(body, len(body))
		}
	}
}

func unreadable(err error) error {
	if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
		return errTooLarge
	}
	return errReadBody.Because(err)
}

func isJSON(contentType string) bool {
	if contentType == echo.MIMEApplicationJSON {
		return true
	}
	mediaType, params, err := mime.ParseMediaType(contentType)
	return err == nil && mediaType == echo.MIMEApplicationJSON && strings.EqualFold(orUTF8(params["charset"]), "utf-8")
}

func orUTF8(charset string) string {
	if charset == "" {
		return "utf-8"
	}
	return charset
}

// storable tells whether PostgreSQL can hold s as text.
func storable(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }
