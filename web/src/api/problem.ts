import type { components } from "./schema.gen";

export type FieldError = components["schemas"]["FieldError"];

/**
 * What a caller can do about a problem:
 * `unauthorized` sign in; `forbidden`, `missing` nothing; `invalid` change the request;
 * `busy` wait; `broken`, `offline` try again later; `overdue` look again later.
 */
export type ProblemKind =
  | "unauthorized"
  | "forbidden"
  | "missing"
  | "invalid"
  | "busy"
  | "broken"
  | "offline"
  | "overdue";

const fallbacks: Record<ProblemKind, string> = {
  unauthorized: "You are not signed in.",
  forbidden: "This is not allowed.",
  missing: "There is no such thing.",
  invalid: "The request was refused.",
  busy: "The server is busy. Try again in a moment.",
  broken: "Something broke on the server. Try again in a moment.",
  offline: "The server cannot be reached. Check the connection and try again.",
  overdue: "This takes unusually long. Look again later: the task goes on without this page.",
};

interface Details {
  status?: number;
  code?: string | undefined;
  message?: string | undefined;
  fields?: FieldError[];
  requestID?: string | undefined;
  retryAfterSeconds?: number | undefined;
}

/** Everything that can go wrong with a call, in one shape. Its message is fit for people. */
export class Problem extends Error {
  readonly kind: ProblemKind;
  readonly status: number | undefined;
  readonly code: string | undefined;
  readonly fields: FieldError[];
  readonly requestID: string | undefined;
  readonly retryAfterSeconds: number | undefined;

  constructor(kind: ProblemKind, details: Details = {}) {
    super(asSentence(details.message || fallbacks[kind]));
    this.name = "Problem";
    this.kind = kind;
    this.status = details.status;
    this.code = details.code;
    this.fields = details.fields ?? [];
    this.requestID = details.requestID;
    this.retryAfterSeconds = details.retryAfterSeconds;
  }

  /** Whether the same call may well work later, without anybody changing anything. */
  get passing(): boolean {
    return this.kind === "busy" || this.kind === "broken" || this.kind === "offline";
  }
}

/** Reads a refusal in the envelope or in Better Auth's format; any other body counts as none. */
export function problemFromAnswer(response: Response, body: unknown, now = Date.now()): Problem {
  const said = refusalIn(body);
  return new Problem(kindOf(response.status), {
    status: response.status,
    code: text(said["code"]),
    message: text(said["message"]),
    fields: fieldErrors(said["fields"]),
    requestID: text(said["request_id"]) ?? response.headers.get("X-Request-Id") ?? undefined,
    retryAfterSeconds: retryAfter(response.headers, now),
  });
}

/** Reads what a call threw: no answer at all, or an answer that is not JSON. */
export function problemFromThrown(thrown: unknown): Problem {
  if (thrown instanceof Problem) return thrown;
  if (thrown instanceof SyntaxError) {
    return new Problem("broken", { message: "The server gave an answer that this page does not understand." });
  }
  return new Problem("offline");
}

function kindOf(status: number): ProblemKind {
  if (status === 401) return "unauthorized";
  if (status === 403) return "forbidden";
  if (status === 404) return "missing";
  if (status === 429 || status === 503) return "busy";
  return status >= 500 ? "broken" : "invalid";
}

function refusalIn(body: unknown): Record<string, unknown> {
  if (!isRecord(body)) return {};
  return isRecord(body["error"]) ? body["error"] : body;
}

function fieldErrors(value: unknown): FieldError[] {
  if (!Array.isArray(value)) return [];
  return value.filter(
    (f): f is FieldError => isRecord(f) && typeof f["name"] === "string" && typeof f["message"] === "string",
  );
}

/** Seconds to wait as RFC 9110 says them: a number or a date. Better Auth writes X-Retry-After. */
function retryAfter(headers: Headers, now: number): number | undefined {
  const said = headers.get("Retry-After") ?? headers.get("X-Retry-After");
  if (said === null) return undefined;
  if (/^\d+$/.test(said)) return Number(said);
  const at = Date.parse(said);
  return Number.isNaN(at) ? undefined : Math.max(0, Math.ceil((at - now) / 1000));
}

function asSentence(message: string): string {
  return message.charAt(0).toUpperCase() + message.slice(1);
}

function text(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
