// Package sql holds the schema of the database.
//
// Owns: the migrations, numbered without gaps and never changed once merged.
// Does not own: River's tables, which River migrates itself, and running anything (internal/pg does).
// May touch: nothing.
// Always true: every constraint has a name, so that code can say which one was broken.
package sql

import "embed"

// Files holds the goose migrations.
//
//go:embed *.sql
var Files embed.FS
