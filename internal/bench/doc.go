// Package bench measures what the service costs on top of what it is built on.
//
// Owns: the benchmark (build tag system), its load, its yardsticks, and the floors they are held to.
// Does not own: the code it measures; the full chain is the very node that the commands start.
// May touch: app, devdb, server, and the rooms that fill a database; imported by nobody.
// Always true: each figure is a ratio of two measurements made one right after the other, on a database with fsync on.
package bench
