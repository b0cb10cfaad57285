package auth

import (
	"fmt"
	"strings"
	"time"
)

// Problem is a refusal in Better Auth's own words, which its official client knows.
type Problem struct {
	Status  int // of HTTP
	Code    string
	Message string
}

// Error gives the refusal for logs. It holds nothing of the caller's.
func (p *Problem) Error() string { return fmt.Sprintf("%d %s: %s", p.Status, p.Code, p.Message) }

// The texts are those of Better Auth 1.7.25.
var (
	problemCredentials   = &Problem{401, "INVALID_EMAIL_OR_PASSWORD", "Invalid email or password"}
	problemUserExists    = &Problem{422, "USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL", "User already exists. Use another email."}
	problemEmail         = &Problem{400, "INVALID_EMAIL", "Invalid email"}
	problemEmailSchema   = &Problem{400, "VALIDATION_ERROR", "[body.email] Invalid email address"}
	problemPasswordShort = &Problem{400, "PASSWORD_TOO_SHORT", "Password too short"}
	problemPasswordLong  = &Problem{400, "PASSWORD_TOO_LONG", "Password too long"}
	problemBanned        = &Problem{403, "BANNED_USER", "You have been banned from this application. Please contact support if you believe this is an error."}
)

// FormatTime writes a time as Better Auth's client expects it: UTC with exactly three digits after the
// second. With more its client reads another time.
func FormatTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// normalEmail gives an address in lower case, and is false for what Better Auth's validator (zod's
// e-mail pattern) refuses.
func normalEmail(email string) (string, bool) {
	local, domain, ok := strings.Cut(email, "@")
	if !ok || !validLocalPart(local) || !validDomain(domain) {
		return "", false
	}
	return strings.ToLower(email), true
}

func validLocalPart(s string) bool {
	if s == "" || s[0] == '.' || strings.Contains(s, "..") || strings.HasSuffix(s, ".") || strings.HasSuffix(s, "'") {
		return false
	}
	return only(s, "_'+-.")
}

func validDomain(s string) bool {
	labels := strings.Split(s, ".")
	top := labels[len(labels)-1]
	if len(labels) < 2 || len(top) < 2 || strings.ContainsAny(top, "0123456789") || !only(top, "") {
		return false
	}
	for _, label := range labels[:len(labels)-1] {
		if label == "" || label[0] == '-' || !only(label, "-") {
			return false
		}
	}
	return true
}

// only tells whether s has nothing but ASCII letters, digits and the bytes of others.
func only(s, others string) bool {
	for i := range len(s) {
		if !alphanumeric(s[i]) && strings.IndexByte(others, s[i]) < 0 {
			return false
		}
	}
	return true
}
