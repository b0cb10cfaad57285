package money

import (
	"math"
	"testing"
)

func TestSpellings_AreThoseOfThePublicService(t *testing.T) {
	for _, tc := range []struct {
		micros         int64
		dollars, plain string
	}{
		{0, "$0.00", "0.000000"},
		{10_000, "$0.0100", "0.010000"},
		{16_000, "$0.0160", "0.016000"},
		{1_000_000_000, "$1000.0000", "1000.000000"},
		{-10_000, "-$0.0100", "-0.010000"},
		{1, "$0.000001", "0.000001"},
		{12_345_678, "$12.345678", "12.345678"},
		{math.MinInt64, "-$9223372036854.775808", "-9223372036854.775808"},
	} {
		if got := Dollars(tc.micros); got != tc.dollars {
			t.Errorf("Dollars(%d) = %s, want %s", tc.micros, got, tc.dollars)
		}
		if got := Plain(tc.micros); got != tc.plain {
			t.Errorf("Plain(%d) = %s, want %s", tc.micros, got, tc.plain)
		}
	}
}
