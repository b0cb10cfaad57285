package handlers

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/eggapi/eggapi/internal/fault"
)

// Document is the contract in one spelling, with what HTTP says of it.
type Document struct {
	body    []byte
	etag    string
	digest  string // as in RFC 9530
	version string
}

// NewDocuments makes both spellings of the bundled contract. It fails when that is not YAML with an info.version.
func NewDocuments(bundle []byte) (asYAML, asJSON Document, err error) {
	var content map[string]any
	if err := yaml.Unmarshal(bundle, &content); err != nil {
		return Document{}, Document{}, fault.Wrap(err, "read the contract")
	}
	info, _ := content["info"].(map[string]any)
	version, ok := info["version"].(string)
	if !ok {
		return Document{}, Document{}, fault.New(fault.Internal, "the contract has no version")
	}
	text, err := json.Marshal(content)
	if err != nil {
		return Document{}, Document{}, fault.Wrap(err, "write the contract as JSON")
	}
	// The newline is what the generated server ends every JSON answer with.
	return newDocument(bundle, version), newDocument(append(text, '\n'), version), nil
}

func newDocument(body []byte, version string) Document {
	sum := sha256.Sum256(body)
	return Document{
		body: body, version: version, etag: `"` + hex.EncodeToString(sum[:16]) + `"`,
		digest: "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":",
	}
}

// fits tells whether an If-None-Match names the document as it is, by the weak comparison of RFC 9110.
func (d Document) fits(ifNoneMatch *string) bool {
	if ifNoneMatch == nil {
		return false
	}
	for tag := range strings.SplitSeq(*ifNoneMatch, ",") {
		tag = strings.TrimPrefix(strings.TrimSpace(tag), "W/")
		if tag == "*" || tag == d.etag {
			return true
		}
	}
	return false
}
