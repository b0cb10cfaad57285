package source_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/eggapi/eggapi/tools/contract/source"
)

func TestOpen_NamesTheLineOfAReferenceThatLeadsNowhere(t *testing.T) {
	for name, tt := range map[string]struct{ parts, want string }{
		"no such part": {"other: {}\n", "openapi/openapi.yaml:2: parts.yaml#/path leads nowhere"},
		"no such file": {"", "openapi/openapi.yaml:2: parts.yaml#/path leads nowhere"},
		"fine":         {"path: {get: {}}\n", ""},
	} {
		disk := fstest.MapFS{source.Root: {Data: []byte("paths:\n  /v1/a: {$ref: 'parts.yaml#/path'}\n")}}
		if tt.parts != "" {
			disk["openapi/parts.yaml"] = &fstest.MapFile{Data: []byte(tt.parts)}
		}
		_, err := source.Open(disk)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
}

func TestNode_KnowsWhereItIsWrittenAndWhereItIsUsed(t *testing.T) {
	disk := fstest.MapFS{
		source.Root:          {Data: []byte("paths:\n  /v1/a: {$ref: 'parts.yaml#/path'}\n")},
		"openapi/parts.yaml": {Data: []byte("# Words.\npath:\n  get: {operationId: getA}\n")},
	}
	tree, err := source.Open(disk)
	if err != nil {
		t.Fatal(err)
	}
	n := tree.Contract().Down("paths", "/v1/a")
	if n.Place().String() != "openapi/parts.yaml:2" || n.Use().String() != "openapi/openapi.yaml:2" || n.Name != "/v1/a" || n.Part != "path" {
		t.Errorf("%s, used at %s, as %q, called %q", n.Place(), n.Use(), n.Name, n.Part)
	}
	if id := n.Down("get", "operationId"); id.Text() != "getA" || id.Place().String() != "openapi/parts.yaml:3" {
		t.Errorf("%q at %s", id.Text(), id.Place())
	}
}
