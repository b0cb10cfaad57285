package providertest

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// answers are 200 replies without a picture, by scenario.
var answers = map[string]string{
	// The prompt was blocked.
	"block": `{"promptFeedback":{"blockReason":"PROHIBITED_CONTENT"},
		"usageMetadata":{"promptTokenCount":9,"totalTokenCount":9}}`,
	// The picture was blocked.
	"moderation": `{"candidates":[{"content":{},"finishReason":"IMAGE_SAFETY",
		"finishMessage":"Unable to show the generated image.","index":0}]}`,
	"noimage": `{"candidates":[{"content":{"role":"model"},"finishReason":"NO_IMAGE","index":0}]}`,
	"text": `{"candidates":[{"content":{"role":"model","parts":[{"text":"I would rather not."}]},
		"finishReason":"STOP","index":0}]}`,
	"nullparts": `{"candidates":[{"content":{"role":"model","parts":null},"finishReason":"STOP"}]}`,
	"nothing":   `{}`,
	"unknown":   `{"candidates":[{"finishReason":"SOMETHING_NEW"}]}`,
}

// refusals gives the error reply of a scenario:
//
//	[[429]]      per-minute quota, RetryInfo 22s; [[429:2s]] names the delay
//	[[429day]]   daily quota          [[429plain]] without details
//	[[429zero]]  quota of nothing     [[429prepay]] credit used up
//	[[auth]]     400 API_KEY_INVALID  [[403]] PERMISSION_DENIED   [[401]] UNAUTHENTICATED
//	[[billing]]  400 FAILED_PRECONDITION
//	[[invalid]]  400 INVALID_ARGUMENT [[413]] too large
//	[[model]]    404                  [[500]] [[503]] [[504]]
func refusals(scenario, argument string) (refusal, bool) {
	const exhausted = "RESOURCE_EXHAUSTED"
	switch scenario {
	case "429":
		delay := durationOr(argument, 22*time.Second)
		details := quota("GenerateRequestsPerMinutePerProjectPerModel", "10")
		return refusal{
			429, exhausted, "You exceeded your current quota.",
			fmt.Sprintf(`[%s,{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"%gs"}]`,
				details, delay.Seconds()),
		}, true
	case "429day":
		return refusal{
			429, exhausted, "You exceeded your current quota.",
			"[" + quota("GenerateRequestsPerDayPerProjectPerModel-FreeTier", "250") + "]",
		}, true
	}
	no, ok := map[string]refusal{
		"429plain":  {429, exhausted, "Resource has been exhausted.", ""},
		"429zero":   {429, exhausted, "Quota exceeded for metric: images, limit: 0, model: x", ""},
		"429prepay": {429, exhausted, "Your prepayment credits are depleted.", ""},
		"auth":      badKey,
		"401":       {http.StatusUnauthorized, "UNAUTHENTICATED", "Request had invalid credentials.", ""},
		"403":       {http.StatusForbidden, "PERMISSION_DENIED", "The caller does not have permission.", ""},
		"billing": {
			http.StatusBadRequest, "FAILED_PRECONDITION",
			"User location is not supported for the API use.", "",
		},
		"invalid": invalid("Request contains an invalid argument."),
		"413":     {http.StatusRequestEntityTooLarge, "INVALID_ARGUMENT", "Request payload is too large.", ""},
		"model":   {http.StatusNotFound, "NOT_FOUND", "model is not found for API version v1beta", ""},
		"500":     {http.StatusInternalServerError, "INTERNAL", "An internal error has occurred.", ""},
		"503":     {http.StatusServiceUnavailable, "UNAVAILABLE", "The model is overloaded.", ""},
		"504":     {http.StatusGatewayTimeout, "DEADLINE_EXCEEDED", "Deadline expired.", ""},
	}[scenario]
	return no, ok
}

func quota(id, value string) string {
	return fmt.Sprintf(`{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{
		"quotaMetric":"generativelanguage.googleapis.com/generate_requests","quotaId":%q,
		"quotaDimensions":{"model":"x","location":"global"},"quotaValue":%q}]}`, id, value)
}

// success gives a whole 200 reply with a picture in it.
func (g *Gemini) success(call Call, scenario string) string {
	parts := []string{`{"text":"Here is your picture."}`}
	if scenario == "thought" {
		parts = append(parts,
			part(call, "picture before", `"thoughtSignature":"c2ln"`),
			part(call, "picture", ""),
			part(call, "draft", `"thought":true`))
	} else {
		parts = append(parts, picturePart(call, scenario))
	}
	return fmt.Sprintf(`{"candidates":[{"content":{"role":"model","parts":[%s]},"finishReason":"STOP","index":0}],
		"usageMetadata":{"promptTokenCount":615,"candidatesTokenCount":1120,"totalTokenCount":1735,
		"candidatesTokensDetails":[{"modality":"IMAGE","tokenCount":1120}]},
		"modelVersion":%q,"responseId":"resp-%d"}`, strings.Join(parts, ","), call.Model, g.Calls())
}

// part gives an inline picture; extra is a further JSON member, or "".
func part(call Call, salt, extra string) string {
	if extra != "" {
		extra = "," + extra
	}
	data := base64.StdEncoding.EncodeToString(Picture(call.Prompt+salt, call.AspectRatio, call.ImageSize))
	return `{"inlineData":{"mimeType":"image/png","data":"` + data + `"}` + extra + `}`
}

func picturePart(call Call, scenario string) string {
	switch scenario {
	case "jpeg":
		data := base64.StdEncoding.EncodeToString(JPEG(call.Prompt, call.AspectRatio, call.ImageSize))
		return `{"inlineData":{"mimeType":"image/png","data":"` + data + `"}}`
	case "badimage":
		return `{"inlineData":{"mimeType":"image/png","data":"PGh0bWw+"}}`
	case "badbase64":
		return `{"inlineData":{"mimeType":"image/png","data":"%%%%"}}`
	default:
		return part(call, "", "")
	}
}
