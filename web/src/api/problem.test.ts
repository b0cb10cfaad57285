import { describe, expect, test } from "vitest";
import { makeCalls } from "./calls";
import { Problem, problemFromAnswer, problemFromThrown } from "./problem";

const signal = () => new AbortController().signal;

/** Calls whose every request gets the answer, and the requests that were made. */
function callsGetting(answer: () => Response | Error) {
  const requests: Request[] = [];
  const calls = makeCalls({
    baseUrl: "http://localhost",
    fetch: async (request) => {
      requests.push(request);
      const given = answer();
      if (given instanceof Error) throw given;
      return given;
    },
  });
  return { calls, requests };
}

function json(status: number, body: unknown, headers: Record<string, string> = {}) {
  return new Response(JSON.stringify(body), { status, headers: { "Content-Type": "application/json", ...headers } });
}

function envelope(status: number, error: unknown, headers: Record<string, string> = {}) {
  return json(status, { data: null, error }, headers);
}

async function problemOf(call: Promise<unknown>): Promise<Problem> {
  const thrown = await call.then(
    () => expect.fail("the call should have failed"),
    (e: unknown) => e,
  );
  expect(thrown).toBeInstanceOf(Problem);
  return thrown as Problem;
}

describe("a refusal in the envelope", () => {
  test("keeps the code, the message, every field and the request id", async () => {
    const fields = [
      { in: "body", name: "prompt", rule: "minLength", message: "must be at least 1 character" },
      { in: "body", name: "num_outputs", rule: "maximum", message: "must be at most 4" },
    ];
    const error = { code: "VALIDATION_ERROR", message: "request validation failed", request_id: "req_1", fields };
    const { calls } = callsGetting(() => envelope(400, error));
    const problem = await problemOf(calls.generate({ model: "nanobanana", prompt: "" }, "k"));
    expect(problem).toMatchObject({ kind: "invalid", status: 400, code: "VALIDATION_ERROR", requestID: "req_1", fields });
    expect(problem.message).toBe("Request validation failed");
  });

  test("drops fields that are not what the contract says", async () => {
    const error = { code: "VALIDATION_ERROR", message: "m", fields: ["prompt", null, { name: "x" }] };
    expect(problemFromAnswer(envelope(400, error), { error }).fields).toEqual([]);
  });

  test.each([
    [400, "invalid", false],
    [401, "unauthorized", false],
    [403, "forbidden", false],
    [404, "missing", false],
    [409, "invalid", false],
    [413, "invalid", false],
    [422, "invalid", false],
    [429, "busy", true],
    [500, "broken", true],
    [502, "broken", true],
    [503, "busy", true],
  ])("with status %i is %s; whether it passes: %s", async (status, kind, passing) => {
    const { calls } = callsGetting(() => envelope(status, { code: "X", message: "said so" }));
    const problem = await problemOf(calls.balance(signal()));
    expect(problem).toMatchObject({ kind, status, passing, message: "Said so" });
  });

  test("takes the request id from the header when the body has none", async () => {
    const { calls } = callsGetting(() => envelope(500, { code: "INTERNAL_ERROR", message: "m" }, { "X-Request-Id": "req_h" }));
    expect((await problemOf(calls.balance(signal()))).requestID).toBe("req_h");
  });
});

describe("Better Auth's refusals", () => {
  test("give their message and code", async () => {
    const { calls } = callsGetting(() => json(401, { message: "Invalid email or password", code: "INVALID_EMAIL_OR_PASSWORD" }));
    const problem = await problemOf(calls.signIn("ada@example.com", "wrong"));
    expect(problem).toMatchObject({
      kind: "unauthorized",
      code: "INVALID_EMAIL_OR_PASSWORD",
      message: "Invalid email or password",
    });
  });

  test("name the wait in a header of their own", async () => {
    const { calls } = callsGetting(() => json(429, { message: "Too many requests." }, { "X-Retry-After": "7" }));
    expect((await problemOf(calls.signIn("a@b.c", "p"))).retryAfterSeconds).toBe(7);
  });
});

describe("Retry-After", () => {
  const now = Date.parse("2026-05-08T10:30:00Z");
  test.each([
    ["12", 12],
    ["Fri, 08 May 2026 10:30:05 GMT", 5],
    ["Fri, 08 May 2026 10:29:00 GMT", 0],
    ["soon", undefined],
    [null, undefined],
  ])("%s means %s seconds", (header, want) => {
    const headers = header === null ? {} : { "Retry-After": header };
    expect(problemFromAnswer(envelope(503, {}, headers), {}, now).retryAfterSeconds).toBe(want);
  });
});

describe("answers that are no refusals of ours", () => {
  test("a proxy's HTML error shows none of its text", async () => {
    const { calls } = callsGetting(() => new Response("<h1>Bad gateway at 10.0.0.7</h1>", { status: 502 }));
    const problem = await problemOf(calls.models(signal()));
    expect(problem.kind).toBe("broken");
    expect(problem.message).toBe("Something broke on the server. Try again in a moment.");
  });

  test("a success that is not JSON is broken, not offline", async () => {
    const { calls } = callsGetting(() => new Response("<html>portal</html>", { status: 200 }));
    expect(await problemOf(calls.models(signal()))).toMatchObject({ kind: "broken", passing: true });
  });

  test("a success without a body is broken", async () => {
    const { calls } = callsGetting(() => new Response("", { status: 200 }));
    expect(await problemOf(calls.models(signal()))).toMatchObject({ kind: "broken" });
  });

  test("no answer at all is offline and has no status", async () => {
    const { calls } = callsGetting(() => new TypeError("Failed to fetch"));
    expect(await problemOf(calls.balance(signal()))).toMatchObject({ kind: "offline", status: undefined, passing: true });
  });

  test("an aborted call keeps its AbortError, so that nobody shows it", async () => {
    const { calls } = callsGetting(() => new DOMException("gone", "AbortError"));
    await expect(calls.balance(signal())).rejects.toMatchObject({ name: "AbortError" });
  });
});

test("nobody being signed in is an answer, not a problem", async () => {
  const { calls } = callsGetting(() => json(200, null));
  expect(await calls.currentUser(signal())).toBeNull();
});

test("every call goes to its own origin with its cookies, and a generation names its key", async () => {
  const task = { id: "gen_1", status: "pending", model: "nanobanana", type: "image_generate", cost: "$0.00", created_at: "" };
  const { calls, requests } = callsGetting(() => json(202, { data: task, error: null }));
  expect(await calls.generate({ model: "nanobanana", prompt: "an egg" }, "key-1")).toEqual(task);
  const sent = requests[0];
  expect(sent?.credentials).toBe("same-origin");
  expect(sent?.headers.get("Idempotency-Key")).toBe("key-1");
  expect(sent?.headers.get("Content-Type")).toBe("application/json");
  expect(await sent?.json()).toEqual({ model: "nanobanana", prompt: "an egg" });
});

test("a problem stays itself when it is thrown on", () => {
  const problem = new Problem("overdue");
  expect(problemFromThrown(problem)).toBe(problem);
});
