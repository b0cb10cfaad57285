package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
)

// Exchange is one request and its answer as they were on the wire: a line of a recording.
type Exchange struct {
	Method          string      `json:"method"`
	URL             string      `json:"url"` // path and query
	RequestHeaders  http.Header `json:"request_headers"`
	RequestBody     []byte      `json:"request_body"` // base64 in the file
	Status          int         `json:"status"`
	ResponseHeaders http.Header `json:"response_headers"`
	ResponseBody    []byte      `json:"response_body"` // base64 in the file
}

// each calls do with the lines of a recording, counted from 0. It stops at the first error.
func each(path string, do func(n int, e Exchange) error) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open a recording: %w", err)
	}
	defer func() { _ = f.Close() }()
	r := bufio.NewReaderSize(f, 1<<20)
	for n := 0; ; n++ {
		line, err := r.ReadBytes('\n')
		if len(line) > 0 {
			var e Exchange
			if err := json.Unmarshal(line, &e); err != nil {
				return fmt.Errorf("%s: read exchange %d: %w", path, n+1, err)
			}
			if err := do(n, e); err != nil {
				return fmt.Errorf("%s: exchange %d: %w", path, n+1, err)
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read a recording: %w", err)
		}
	}
}

// Request gives the request anew, with an unread body. It fails on an address that cannot be read.
func (e Exchange) Request() (*http.Request, error) {
	address, err := url.ParseRequestURI(e.URL)
	if err != nil {
		return nil, fmt.Errorf("read the address of an exchange: %w", err)
	}
	header := e.RequestHeaders.Clone()
	if header == nil {
		header = http.Header{}
	}
	r := &http.Request{
		Method: e.Method, URL: address, Header: header, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Body: http.NoBody, ContentLength: int64(len(e.RequestBody)),
	}
	if len(e.RequestBody) > 0 {
		r.Body = io.NopCloser(bytes.NewReader(e.RequestBody))
	}
	return r, nil
}

// Response gives the answer anew, with an unread body.
func (e Exchange) Response() *http.Response {
	return &http.Response{
		StatusCode: e.Status, Header: e.ResponseHeaders.Clone(), Body: io.NopCloser(bytes.NewReader(e.ResponseBody)),
		ContentLength: int64(len(e.ResponseBody)),
	}
}
