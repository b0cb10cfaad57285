package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"
	"time"
)

// The headers of a delivery: EggAPI's own two, and the three of Standard Webhooks 1.0.
const (
	HeaderTimestamp         = "X-EggAPI-Timestamp"
	HeaderSignature         = "X-EggAPI-Signature"
	HeaderStandardID        = "webhook-id"
	HeaderStandardTimestamp = "webhook-timestamp"
	HeaderStandardSignature = "webhook-signature"
)

const (
	secretPrefix    = "whsec_"
	signaturePrefix = "sha256="
	standardVersion = "v1,"
)

// What Verify gives for a request that must not be believed.
var (
	// ErrSignature says that a signature is missing or does not belong to the id, time and body.
	ErrSignature = errors.New("webhook signature does not match")
	// ErrTimestamp says that a timestamp is missing, unreadable or too far from now.
	ErrTimestamp = errors.New("webhook timestamp is missing or out of tolerance")
)

// Sign gives the five headers of a delivery made at a time, to whole seconds. Both signatures are HMAC-SHA256:
// EggAPI's over "{timestamp}.{body}" keyed with the whole secret, Standard Webhooks' over
// "{id}.{timestamp}.{body}" keyed with the decoded part after whsec_. A secret without such a part
// gets no Standard Webhooks signature.
func Sign(secret, eventID string, at time.Time, body []byte) map[string]string {
	timestamp := strconv.FormatInt(at.Unix(), 10)
	headers := map[string]string{
		HeaderTimestamp:         timestamp,
		HeaderSignature:         signEgg(secret, timestamp, body),
		HeaderStandardID:        eventID,
		HeaderStandardTimestamp: timestamp,
	}
	if signature := signStandard(secret, eventID, timestamp, body); signature != "" {
		headers[HeaderStandardSignature] = signature
	}
	return headers
}

// Verify tells whether a request was signed with the secret, by both schemes, at most tolerance away from now.
// headers gives the value of a header, or "". The error matches ErrSignature or ErrTimestamp.
func Verify(secret string, headers func(name string) string, body []byte, now time.Time, tolerance time.Duration) error {
	for _, name := range []string{HeaderTimestamp, HeaderStandardTimestamp} {
		if !fresh(headers(name), now, tolerance) {
			return ErrTimestamp
		}
	}
	if !equal(headers(HeaderSignature), signEgg(secret, headers(HeaderTimestamp), body)) {
		return ErrSignature
	}
	want := signStandard(secret, headers(HeaderStandardID), headers(HeaderStandardTimestamp), body)
	// A sender that is changing its secret lists one signature for each.
	for _, got := range strings.Fields(headers(HeaderStandardSignature)) {
		if equal(got, want) {
			return nil
		}
	}
	return ErrSignature
}

func signEgg(secret, timestamp string, body []byte) string {
	return signaturePrefix + hex.EncodeToString(mac([]byte(secret), timestamp+".", body))
}

// signStandard gives "" for a secret that holds no key.
func signStandard(secret, eventID, timestamp string, body []byte) string {
	encoded, found := strings.CutPrefix(secret, secretPrefix)
	key, err := base64.StdEncoding.DecodeString(encoded)
	if !found || err != nil || len(key) == 0 {
		return ""
	}
	return standardVersion + base64.StdEncoding.EncodeToString(mac(key, eventID+"."+timestamp+".", body))
}

func mac(key []byte, head string, body []byte) []byte {
	h := hmac.New(sha256.New, key)
	_, _ = h.Write([]byte(head)) // a hash takes every write
	_, _ = h.Write(body)
	return h.Sum(nil)
}

func equal(got, want string) bool {
	return want != "" && hmac.Equal([]byte(got), []byte(want))
}

func fresh(timestamp string, now time.Time, tolerance time.Duration) bool {
	// Twelve digits reach the year 33658 and stay far from overflow.
	if timestamp == "" || len(timestamp) > 12 || strings.Trim(timestamp, "0123456789") != "" {
		return false
	}
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil {
		return false
	}
	age := now.Sub(time.Unix(seconds, 0))
	return age <= tolerance && age >= -tolerance
}
