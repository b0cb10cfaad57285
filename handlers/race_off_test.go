//go:build !race

package handlers_test

const slowness = 1
