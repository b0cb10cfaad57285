package mock_test

import (
	"fmt"
	"net/http"
	"strings"
)

const generatePath = "/v1/generate"

func generationStory() []step {
	ask := func(name, more, header string) step {
		return post(name, generatePath, `{"model":"nanobanana","prompt":"a fox"`+more+`}`, header)
	}
	const once = testKey + "\nIdempotency-Key: once"
	return []step{
		ask("test", "", testKey).keeping("task", "data.id"),
		get("test, ended", "/v1/tasks/{task}", testKey).untilEnd(),
		get("its image", "/files/images/{task}/0.png", ""),
		{name: "its image, twice", method: http.MethodHead, path: "/files/images/{task}/0.png"},
		get("no image", "/files/images/{task}/1.png", ""),
		ask("live", `,"num_outputs":2,"resolution":"1k"`, liveKey).keeping("liveTask", "data.id"),
		get("live, ended", "/v1/tasks/{liveTask}", liveKey).untilEnd(),
		get("live, seen from the page", "/v1/tasks/{liveTask}", fromPage),
		get("live, hidden from a test key", "/v1/tasks/{liveTask}", testKey),
		ask("from the page", `,"model":"nanobanana-pro"`, fromPage),
		post("pro in 4k from the page", generatePath, `{"model":"nanobanana-pro","prompt":"a [[fallback]] fox","resolution":"4k"}`, fromPage).keeping("failed", "data.id"),
		get("failed and free", "/v1/tasks/{failed}", fromPage).untilEnd(),
		get("balance after it", "/v1/account/balance", fromPage),
		get("transactions after it", "/v1/account/transactions", fromPage),
		ask("from the page without Origin", "", "Cookie: {ada}"),
		ask("first with a key", "", once),
		ask("replay", "", once),
		ask("replay that spells the defaults out", `,"aspect_ratio":"16:9","num_outputs":1`, once),
		ask("another request with it", `,"num_outputs":2`, once),
		ask("the same key in live", "", liveKey+"\nIdempotency-Key: once"),
		ask("a key that is too long", "", testKey+"\nIdempotency-Key: "+strings.Repeat("k", 300)),
		ask("an edit of its own image", `,"image_urls":["{origin}/files/images/{task}/0.png"]`, testKey).keeping("edit", "data.id"),
		get("edit, ended", "/v1/tasks/{edit}", testKey).untilEnd(),
		ask("an edit of nothing", `,"image_urls":["{origin}/files/images/{task}/7.png"]`, testKey).keeping("lost", "data.id"),
		get("edit of nothing, ended", "/v1/tasks/{lost}", testKey).untilEnd(),
		ask("a webhook to nobody", `,"webhook_url":"{origin}/nowhere"`, testKey).keeping("hooked", "data.id"),
		get("with a webhook, ended", "/v1/tasks/{hooked}", testKey).untilEnd(),
	}
}

// refusalStory has what generate refuses, and what everything does.
func refusalStory() []step {
	var steps []step
	for name, body := range map[string]string{
		"empty":              ``,
		"no object":          `[]`,
		"no JSON":            `{"model":`,
		"two values":         `{"model":"nanobanana","prompt":"a"} {}`,
		"a name twice":       `{"model":"nanobanana","model":"nanobanana","prompt":"a"}`,
		"nothing in it":      `{}`,
		"empty prompt":       `{"model":"nanobanana","prompt":""}`,
		"long prompt":        `{"model":"nanobanana","prompt":"` + strings.Repeat("p", 2001) + `"}`,
		"unknown model":      `{"model":"veo3.1","prompt":"a"}`,
		"unknown ratio":      `{"model":"nanobanana","prompt":"a","aspect_ratio":"1:1"}`,
		"unknown resolution": `{"model":"nanobanana","prompt":"a","resolution":"8k"}`,
		"five outputs":       `{"model":"nanobanana","prompt":"a","num_outputs":5}`,
		"half an output":     `{"model":"nanobanana","prompt":"a","num_outputs":1.5}`,
		"ten images":         `{"model":"nanobanana","prompt":"a","image_urls":[` + strings.Repeat(`"https://example.com/a.png",`, 9) + `"https://example.com/a.png"]}`,
		"null for a prompt":  `{"model":"nanobanana","prompt":null}`,
		"unknown member":     `{"model":"nanobanana","prompt":"a","seed":1}`,
		"plain http":         `{"model":"nanobanana","prompt":"a","webhook_url":"http://example.com/hook"}`,
		"private network":    `{"model":"nanobanana","prompt":"a","webhook_url":"https://10.0.0.1/hook"}`,
		"odd port":           `{"model":"nanobanana","prompt":"a","image_urls":["https://example.com:22/a.png"]}`,
		"no URL":             `{"model":"nanobanana","prompt":"a","webhook_url":"hook"}`,
	} {
		steps = append(steps, post(name, generatePath, body, testKey))
	}
	for name, header := range map[string]string{
		"nothing":         "",
		"Basic":           "Authorization: Basic QWRhOnNlY3JldA==",
		"no token":        "Authorization: Bearer",
		"two headers":     testKey + "\n" + testKey,
		"no key":          "Authorization: Bearer key",
		"wrong checksum":  "Authorization: Bearer egg_test_00000000000000000000000000000000000000",
		"unknown live":    "Authorization: Bearer egg_live_ZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZ00000",
		"session expired": "Cookie: better-auth.session_token=x.y",
	} {
		for _, path := range []string{"/v1/tasks", "/v1/usage", "/v1/account"} {
			steps = append(steps, get(name+" for "+path, path, header))
		}
	}
	return append(
		steps,
		post("wrong type of content", generatePath, `{}`, testKey+"\nContent-Type: text/plain"),
		post("packed", generatePath, `{}`, testKey+"\nContent-Encoding: gzip"),
		post("too large", generatePath, strings.Repeat(" ", 1<<20+1), testKey),
		get("unknown path", "/v1/nothing", testKey),
		step{name: "wrong method", method: http.MethodPut, path: "/v1/tasks", header: testKey},
		step{name: "a body for nothing", method: http.MethodGet, path: "/v1/tasks", body: "{}", header: testKey},
	)
}

func taskStory() []step {
	steps := []step{get("unknown", "/v1/tasks/gen_x", testKey), get("too long an id", "/v1/tasks/"+strings.Repeat("x", 129), testKey)}
	for i, prompt := range []string{
		"[[invalid]]", "[[429]]", "[[500:once]]", "[[auth]]", "[[billing]]", "[[model]]", "[[fallback]]", "[[ambiguous]]", "[[ambiguous:once]]",
		"[[moderation]]", "[[noimage]]", "[[noimage:once]]", "[[partial:2]]", "[[partial:0]]", "[[slow:200ms]]", "[[slow:100ms]] [[moderation]]",
	} {
		variable := fmt.Sprintf("token%d", i)
		steps = append(
			steps,
			post(prompt, generatePath, `{"model":"nanobanana","prompt":"`+prompt+`","num_outputs":3}`, testKey).keeping(variable, "data.id"),
			get(prompt+", ended", "/v1/tasks/{"+variable+"}", testKey).untilEnd(),
		)
	}
	for _, query := range []string{
		"", "?page=2&per_page=3", "?page=99", "?status=failed", "?status=completed&type=image_edit", "?model=nanobanana", "?model=none",
		"?created_after=2099-01-01T00:00:00Z", "?created_before=2099-01-01T00:00:00Z&per_page=1", "?status=lost", "?page=0", "?per_page=101",
		"?page=x", "?created_after=yesterday", "?colour=red", "?type=video", "?page=1&page=2",
	} {
		steps = append(steps, get("list "+query, "/v1/tasks"+query, testKey))
	}
	return append(steps, get("list by the page", "/v1/tasks", fromPage))
}

func usageStory() []step {
	var steps []step
	for _, query := range []string{"", "?page=2&per_page=2", "?model=none", "?created_after=2099-01-01T00:00:00Z", "?created_before=2099-01-01T00:00:00Z", "?per_page=0", "?x=1"} {
		for _, key := range []string{testKey, liveKey} {
			steps = append(steps, get("list "+query, "/v1/usage"+query, key))
		}
	}
	for _, query := range []string{"", "?model=nanobanana", "?model=none", "?created_after=2099-01-01T00:00:00Z", "?page=1"} {
		for _, key := range []string{testKey, liveKey} {
			steps = append(steps, get("summary "+query, "/v1/usage/summary"+query, key))
		}
	}
	return append(steps, get("by the page", "/v1/usage", fromPage))
}

func modelStory() []step {
	return []step{get("catalogue", "/v1/models", ""), get("with a wrong key", "/v1/models", "Authorization: Bearer x"), get("parameter", "/v1/models?x=1", "")}
}

func systemStory() []step {
	return []step{
		get("alive", "/healthz", ""), get("ready", "/readyz", ""), get("contract", "/openapi.yaml", ""), get("contract in JSON", "/openapi.json", ""),
		get("alive with a parameter", "/healthz?x=1", ""), get("with an id", "/healthz", "X-Request-Id: mine"),
	}
}

// farewellStory ends the session of the stories before, and looks at what is left of it.
func farewellStory() []step {
	return []step{
		post("sign in over a session", signInPath, `{"email":"ada@example.com","password":"correct horse 1"}`, "User-Agent: parity\nCookie: {ada}\nOrigin: {origin}").keepingCookie("new"),
		get("the session before", "/v1/account", "Cookie: {ada}"),
		get("the session now", "/v1/account", "Cookie: {new}"),
		post("sign out", "/api/auth/sign-out", "{}", "Cookie: {new}\nOrigin: {origin}"),
		get("after it", "/v1/account", "Cookie: {new}"),
	}
}
