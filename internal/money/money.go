// Package money writes amounts for people and for programs.
//
// Owns: the two spellings of an amount.
// Does not own: balances and prices.
// May touch: the standard library.
// Always true: an amount is a whole number of micro-USD; no float ever holds one.
package money

import (
	"fmt"
	"strconv"
	"strings"
)

// PerDollar is the number of micro-USD in one USD.
const PerDollar = 1_000_000

// Dollars writes micros as the API does: $0.00 for nothing, else four decimals, six when four would lose some.
func Dollars(micros int64) string {
	if micros == 0 {
		return "$0.00"
	}
	sign, whole, rest := split(micros)
	if rest%100 == 0 {
		return fmt.Sprintf("%s$%d.%04d", sign, whole, rest/100)
	}
	return fmt.Sprintf("%s$%d.%06d", sign, whole, rest)
}

// Plain writes micros as webhooks do: six decimals and no currency sign.
func Plain(micros int64) string {
	sign, whole, rest := split(micros)
	return fmt.Sprintf("%s%d.%06d", sign, whole, rest)
}

// Parse reads what people write: a dollar sign, up to nine digits, and up to six decimals. It tells false for anything else.
func Parse(dollars string) (micros int64, ok bool) {
	whole, rest, point := strings.Cut(strings.TrimPrefix(dollars, "$"), ".")
	if !strings.HasPrefix(dollars, "$") || !digits(whole, 9) || point && !digits(rest, 6) {
		return 0, false
	}
	micros, err := strconv.ParseInt(whole+rest+"000000"[len(rest):], 10, 64)
	return micros, err == nil
}

func digits(s string, most int) bool {
	return s != "" && len(s) <= most && strings.Trim(s, "0123456789") == ""
}

func split(micros int64) (sign string, whole, rest uint64) {
	magnitude := uint64(micros) //nolint:gosec // two's complement is what the next line undoes
	if micros < 0 {
		sign, magnitude = "-", -magnitude
	}
	return sign, magnitude / PerDollar, magnitude % PerDollar
}
