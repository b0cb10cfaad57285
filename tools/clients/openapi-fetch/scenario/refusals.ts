import type { operations } from "../target/schema.js";
import { must, type Scenario, type Schemas } from "./steps.js";

const mostTries = 2000;

/** What the contract declares as the body of an operation's answer with this status. */
type Answer<Operation extends keyof operations, Status extends number> = operations[Operation] extends {
  responses: { [S in Status]: { content: { "application/json": infer Body extends Schemas["ErrorEnvelope"] } } };
}
  ? Body
  : never;

interface Refused<Refusal> {
  error?: Refusal;
  response: Response;
}

/**
 * Gives the error of a refusal, which must have this status and code.
 * Refusal is the body that the contract declares for the status.
 */
function refusal<Refusal extends Schemas["ErrorEnvelope"]>(
  call: Refused<Refusal>,
  status: number,
  code: string,
): Refusal["error"] {
  must(call.response.status === status && call.error !== undefined, `${call.response.status} instead of ${status}`);
  const { error } = call.error;
  must(error.code === code, `code ${error.code} instead of ${code}`);
  must(error.request_id.length > 0 && error.message.length > 0, "a refusal without request_id or message");
  return error;
}

export async function unauthorized(s: Scenario): Promise<void> {
  const call = await s.stranger.GET("/v1/tasks/{id}", { params: { path: { id: s.taskID } } });
  refusal<Answer<"getTask", 401>>(call, 401, "UNAUTHORIZED");
}

export async function notFound(s: Scenario): Promise<void> {
  const id = "gen_00000000000000000000000000";
  const call = await s.customer.GET("/v1/tasks/{id}", { params: { path: { id } } });
  refusal<Answer<"getTask", 404>>(call, 404, "NOT_FOUND");
}

export async function validation(s: Scenario): Promise<void> {
  const call = await s.customer.POST("/v1/generate", { body: { ...s.request, prompt: "" } });
  const field = refusal<Answer<"generate", 400>>(call, 400, "VALIDATION_ERROR").fields?.[0];
  must(field !== undefined, "no field is named");
  must(field.in === "body" && field.name === "prompt" && field.rule !== "", `another field: ${JSON.stringify(field)}`);
}

export async function rateLimited(s: Scenario): Promise<void> {
  for (let tries = 0; tries < mostTries; tries++) {
    const call = await s.customer.GET("/v1/usage/summary");
    if (call.data !== undefined) continue;
    refusal<Answer<"summarizeUsage", 429>>(call, 429, "RATE_LIMITED");
    const seconds = Number(call.response.headers.get("Retry-After"));
    must(Number.isInteger(seconds) && seconds >= 1, "the header Retry-After is not a number of seconds");
    return;
  }
  throw new Error(`no limit met in ${mostTries} requests`);
}
