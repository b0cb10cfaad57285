// Package gen embeds what is derived and shipped: the bundled contract, the built pages and the documentation.
//
// Owns: the bytes of gen/openapi.yaml, gen/web and gen/docs.
// Does not own: how they are made; make generate does.
// May touch: nothing.
// Always true: nothing below this folder but this file is edited by hand.
package gen

import "embed"

// Contract is the bundled OpenAPI document.
//
//go:embed openapi.yaml
var Contract []byte

// Web holds the built pages under web/.
//
//go:embed all:web
var Web embed.FS

// Docs holds the rendered documentation under docs/.
//
//go:embed all:docs
var Docs embed.FS
