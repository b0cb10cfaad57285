package main

import (
	"math/rand/v2"
	"slices"
)

// Sample says how many exchanges of a recording are judged: Size of them, but at least Floor of each kind that has as many.
type Sample struct {
	Size, Floor int
	Seed        uint64
}

// pick chooses lines evenly, given the kind of each, and gives their numbers in order.
func (s Sample) pick(kinds []string) []int {
	random := rand.New(rand.NewPCG(s.Seed, s.Seed)) //nolint:gosec // which lines are judged is no secret
	have := map[string]int{}
	var picked, rest []int
	for _, n := range random.Perm(len(kinds)) {
		if have[kinds[n]] < s.Floor {
			have[kinds[n]]++
			picked = append(picked, n)
		} else {
			rest = append(rest, n)
		}
	}
	more := min(max(0, s.Size-len(picked)), len(rest))
	picked = append(picked, rest[:more]...)
	slices.Sort(picked)
	return picked
}
