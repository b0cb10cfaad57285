package server

import (
	"strings"
	"testing"
	"time"

	"github.com/eggapi/eggapi/internal/id"
)

func TestNewRequestID_IsAnIDOfTheHouse(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 8, 12, 0, 0, 987_654_321, time.UTC)
	theirs, seen := id.New("req_", now), map[string]bool{}
	for range 1000 {
		ours := newRequestID(now)
		const stamp = len("req_") + 10 // the part that tells the time
		if len(ours) != len(theirs) || ours[:stamp] != theirs[:stamp] || strings.Trim(ours[stamp:], "0123456789abcdefghjkmnpqrstvwxyz") != "" {
			t.Fatalf("%s is not made like %s", ours, theirs)
		}
		if seen[ours] {
			t.Fatalf("%s came twice", ours)
		}
		seen[ours] = true
	}
	if later := newRequestID(now.Add(time.Millisecond)); later <= theirs {
		t.Errorf("%s is not after %s", later, theirs)
	}
}
