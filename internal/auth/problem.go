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

// Refusals that the door gives itself.
var (
	ProblemUnauthorized = &Problem{401, "UNAUTHORIZED", "Unauthorized"}
	ProblemBanned       = &Problem{403, "BANNED_USER", "You have been banned from this application. Please contact support if you believe this is an error."}
)

// The texts are those of Better Auth 1.7.25, but for the last.
var (
	problemCredentials    = &Problem{401, "INVALID_EMAIL_OR_PASSWORD", "Invalid email or password"}
	problemUserExists     = &Problem{422, "USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL", "User already exists. Use another email."}
	problemEmail          = &Problem{400, "INVALID_EMAIL", "Invalid email"}
	problemEmailSchema    = &Problem{400, "VALIDATION_ERROR", "[body.email] Invalid email address"}
	problemNewEmailSchema = &Problem{400, "VALIDATION_ERROR", "[body.newEmail] Invalid email address"}
	problemPasswordShort  = &Problem{400, "PASSWORD_TOO_SHORT", "Password too short"}
	problemPasswordLong   = &Problem{400, "PASSWORD_TOO_LONG", "Password too long"}
	problemPasswordWrong  = &Problem{400, "INVALID_PASSWORD", "Invalid password"}
	problemNoCredential   = &Problem{400, "CREDENTIAL_ACCOUNT_NOT_FOUND", "Credential account not found"}
	problemNotFresh       = &Problem{403, "SESSION_NOT_FRESH", "Session is not fresh"}
	problemSessionOld     = &Problem{400, "SESSION_EXPIRED", "Session expired. Re-authenticate to perform this action."}
	problemCallback       = &Problem{403, "INVALID_CALLBACK_URL", "Invalid callbackURL"}
	problemRedirect       = &Problem{403, "INVALID_REDIRECT_URL", "Invalid redirectURL"}
	problemToken          = &Problem{400, "INVALID_TOKEN", "Invalid token"}
	problemTokenRefused   = &Problem{401, "INVALID_TOKEN", "Invalid token"}
	problemTokenUnknown   = &Problem{404, "INVALID_TOKEN", "Invalid token"}
	problemTokenExpired   = &Problem{401, "TOKEN_EXPIRED", "Token expired"}
	problemUserUnknown    = &Problem{401, "USER_NOT_FOUND", "User not found"}
	problemUserOther      = &Problem{401, "INVALID_USER", "Invalid user"}
	problemMismatch       = &Problem{400, "EMAIL_MISMATCH", "Email mismatch"}
	problemVerified       = &Problem{400, "EMAIL_ALREADY_VERIFIED", "Email is already verified"}
	problemSameEmail      = &Problem{400, "EMAIL_IS_THE_SAME", "Email is the same"}
	problemEmailFixed     = &Problem{400, "EMAIL_CAN_NOT_BE_UPDATED", "Email can not be updated"}
	problemNothing        = &Problem{400, "NO_FIELDS_TO_UPDATE", "No fields to update"}
	problemTasksOpen      = &Problem{400, "TASKS_UNDER_WAY", "Tasks are under way. Try again when they have ended."}
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
