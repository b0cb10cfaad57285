package auth

import (
	"crypto/sha256"
	"fmt"
	"hash/crc32"
	"strings"
)

const (
	livePrefix     = "egg_live_"
	testPrefix     = "egg_test_"
	randomChars    = 32 // 190 bits
	checksumChars  = 6
	secretChars    = len(livePrefix) + randomChars + checksumChars
	hintFirstChars = 4
	hintLastChars  = 4
)

// NewSecret makes an API key for "live" or "test", and fails for any other environment.
//
// A key is a prefix (egg_live_ or egg_test_), 32 random base62 characters and 6 base62 characters of
// checksum: CRC-32 (IEEE) over the ASCII bytes of the 41 characters before it, prefix included, as an
// unsigned number written with the digits 0-9A-Za-z, most significant first, filled with 0 on the left.
// The digest is SHA-256 over the 47 ASCII bytes of the whole key. The hint shows the prefix and the
// first and last 4 characters, which leaves more than 140 bits unknown.
func NewSecret(environment string) (secret string, digest [32]byte, hint string, err error) {
	var prefix string
	switch environment {
	case EnvironmentLive:
		prefix = livePrefix
	case EnvironmentTest:
		prefix = testPrefix
	default:
		return "", digest, "", fmt.Errorf("no API keys exist for the environment %q", environment)
	}
	body := prefix + random(randomChars)
	secret = body + checksum(body)
	hint = body[:len(prefix)+hintFirstChars] + "…" + secret[len(secret)-hintLastChars:]
	return secret, sha256.Sum256([]byte(secret)), hint, nil
}

// WellFormed tells whether secret could be a key of ours: ^egg_(live|test)_[0-9A-Za-z]{38}$ with a right
// checksum. It says nothing about whether such a key was ever given out.
func WellFormed(secret string) bool {
	if len(secret) != secretChars || !strings.HasPrefix(secret, livePrefix) && !strings.HasPrefix(secret, testPrefix) {
		return false
	}
	for i := len(livePrefix); i < len(secret); i++ {
		if !alphanumeric(secret[i]) {
			return false
		}
	}
	body, sum := secret[:secretChars-checksumChars], secret[secretChars-checksumChars:]
	return checksum(body) == sum
}

func checksum(body string) string {
	n := crc32.ChecksumIEEE([]byte(body))
	var digits [checksumChars]byte
	for i := checksumChars - 1; i >= 0; i-- {
		digits[i] = base62[n%uint32(len(base62))]
		n /= uint32(len(base62))
	}
	return string(digits[:])
}

func alphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
}
