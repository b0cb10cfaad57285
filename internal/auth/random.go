package auth

import "crypto/rand"

// base62 is the order of digits of the checksum, too.
const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// random gives n characters of base62, each equally likely (5.95 bits).
func random(n int) string {
	// The largest multiple of 62 in a byte: what lies above would favour the first digits.
	const fair = 256 / len(base62) * len(base62)
	out := make([]byte, 0, n)
	buf := make([]byte, n+n/4+8)
	for len(out) < n {
		// Never fails: the process ends when the system has no randomness.
		_, _ = rand.Read(buf)
		for _, b := range buf {
			if int(b) < fair && len(out) < n {
				out = append(out, base62[int(b)%len(base62)])
			}
		}
	}
	return string(out)
}
