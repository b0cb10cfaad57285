//go:build race

package handlers_test

// slowness is how much longer computing takes under the race detector.
const slowness = 10
