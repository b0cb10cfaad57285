// Package chaos kills processes and the database while customers order, and then asks whether anything was lost.
//
// Owns: the drill (build tag system), its customers, its faults, and the list of what must hold afterwards.
// Does not own: any behaviour of the service; it is run as a stranger would run it, from the built binary.
// May touch: devdb, the fake upstream, and the rooms that read the database afterwards; imported by nobody.
// Always true: the same seed plans the same faults, and every promise broken is named with its task.
package chaos
