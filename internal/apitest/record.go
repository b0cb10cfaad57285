package apitest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"sync"
)

// recordTo names a file that gets every exchange as a line of JSON, for readers that are not this program.
const recordTo = "EGGAPI_RECORD"

// exchange is one line of the record. Bodies are base64, as encoding/json writes bytes.
type exchange struct {
	Method          string      `json:"method"`
	URL             string      `json:"url"` // path and query
	RequestHeaders  http.Header `json:"request_headers"`
	RequestBody     []byte      `json:"request_body"`
	Status          int         `json:"status"`
	ResponseHeaders http.Header `json:"response_headers"`
	ResponseBody    []byte      `json:"response_body"`
}

var recording sync.Mutex

func recordPath() string {
	return os.Getenv(recordTo) //nolint:forbidigo // a switch of the tests, no setting of the service
}

// record appends an exchange to the record, when one is asked for.
func record(r *http.Request, requestBody []byte, response *http.Response, body []byte) {
	path := recordPath()
	if path == "" {
		return
	}
	line, err := json.Marshal(exchange{
		Method: r.Method, URL: r.URL.RequestURI(), RequestHeaders: r.Header, RequestBody: requestBody,
		Status: response.StatusCode, ResponseHeaders: response.Header, ResponseBody: body,
	})
	if err != nil {
		panic(err) // headers and bytes can always be written
	}
	recording.Lock()
	defer recording.Unlock()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		panic("open the record of exchanges: " + err.Error())
	}
	defer func() { _ = f.Close() }()
	if _, err := f.Write(append(line, '\n')); err != nil {
		panic("write the record of exchanges: " + err.Error())
	}
}

// keepBody reads a request's body and puts it back.
func keepBody(r *http.Request) ([]byte, error) {
	if r.Body == nil || recordPath() == "" {
		return nil, nil
	}
	body, err := io.ReadAll(r.Body)
	_ = r.Body.Close()
	r.Body = io.NopCloser(bytes.NewReader(body))
	return body, err
}
