package handlers_test

import (
	"bytes"
	"strings"
	"sync"
)

// record is a log that can be read while it is written.
type record struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write adds to the record.
func (r *record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(p)
}

// String gives all of it.
func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

// line gives the line about a request, "" when there is none.
func (r *record) line(requestID string) string {
	for line := range strings.Lines(r.String()) {
		if strings.Contains(line, requestID) {
			return line
		}
	}
	return ""
}
