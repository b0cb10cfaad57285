package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
)

// library renders the interactive reference. docs/decisions/0016 says why this one.
const library = "swagger-ui-dist"

var sourceMap = regexp.MustCompile(`(?m)\n?(//# sourceMappingURL=\S+|/\*# sourceMappingURL=\S+ ?\*/)\s*$`)

func libraryFile(version, ending string) string {
	return assets + "swagger-ui-" + version + ending
}

// libraryVersion reads which version web/package.json pins.
func libraryVersion(root string) (string, error) {
	text, err := os.ReadFile(filepath.Join(root, "web", "package.json"))
	if err != nil {
		return "", fmt.Errorf("read the version of the library: %w", err)
	}
	var pins struct {
		Dependencies    map[string]string `json:"dependencies"`
		DevDependencies map[string]string `json:"devDependencies"`
	}
	if err := json.Unmarshal(text, &pins); err != nil {
		return "", fmt.Errorf("read web/package.json: %w", err)
	}
	version := pins.Dependencies[library] + pins.DevDependencies[library]
	if version == "" {
		return "", fmt.Errorf("web/package.json does not name %s", library)
	}
	return version, nil
}

// readLibrary gives the library's files as they are shipped: without references to source maps, which are not, and
// with its conditions beside it.
func readLibrary(root string) (map[string][]byte, error) {
	version, err := libraryVersion(root)
	if err != nil {
		return nil, err
	}
	folder := filepath.Join(root, "web", "node_modules", library)
	var bodies [5][]byte
	for i, name := range []string{
		"swagger-ui-bundle.js", "swagger-ui.css", "LICENSE", "NOTICE", "swagger-ui-bundle.js.LICENSE.txt",
	} {
		if bodies[i], err = os.ReadFile(filepath.Join(folder, name)); err != nil {
			return nil, fmt.Errorf("read the library of the reference (`make node-web` brings it): %w", err)
		}
	}
	return map[string][]byte{
		libraryFile(version, ".js"):          sourceMap.ReplaceAll(bodies[0], nil),
		libraryFile(version, ".css"):         sourceMap.ReplaceAll(bodies[1], nil),
		libraryFile(version, ".LICENSE.txt"): bytes.Join(bodies[2:], []byte("\n\n")),
	}, nil
}
