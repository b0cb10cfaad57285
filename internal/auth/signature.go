package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"strings"
	"unicode/utf8"
)

// signatureChars is the length of 32 bytes in padded base64.
const signatureChars = 44

// What encodeURIComponent of JavaScript leaves alone and url.QueryEscape does not, and the other way round.
var uriComponent = strings.NewReplacer("+", "%20", "%21", "!", "%27", "'", "%28", "(", "%29", ")", "%2A", "*")

// SignCookie gives a cookie's value as Better Auth makes it: token, a dot, the padded base64 of
// HMAC-SHA256 over the token with the secret's bytes as the key; all of it percent-encoded.
func SignCookie(token, secret string) string {
	signed := token + "." + base64.StdEncoding.EncodeToString(sign(token, secret))
	return uriComponent.Replace(url.QueryEscape(signed))
}

// VerifyCookie gives the token inside a cookie's raw value when one of secrets signed it, in constant
// time for each secret. Like Better Auth it takes values quoted and values not percent-encoded.
func VerifyCookie(value string, secrets ...string) (token string, ok bool) {
	value = decodeCookie(value)
	dot := strings.LastIndexByte(value, '.')
	if dot < 1 {
		return "", false
	}
	token, signature := value[:dot], value[dot+1:]
	if len(signature) != signatureChars || signature[signatureChars-1] != '=' {
		return "", false
	}
	given, err := base64.StdEncoding.DecodeString(signature)
	if err != nil {
		return "", false
	}
	for _, secret := range secrets {
		if hmac.Equal(given, sign(token, secret)) {
			return token, true
		}
	}
	return "", false
}

func decodeCookie(value string) string {
	if len(value) >= 2 && strings.HasPrefix(value, `"`) && strings.HasSuffix(value, `"`) {
		value = value[1 : len(value)-1]
	}
	// A value that cannot be decoded counts as it is, and so fails on its signature.
	decoded, err := url.PathUnescape(value)
	if err != nil || !utf8.ValidString(decoded) {
		return value
	}
	return decoded
}

func sign(token, secret string) []byte {
	mac := hmac.New(sha256.New, []byte(secret))
	_, _ = mac.Write([]byte(token))
	return mac.Sum(nil)
}
