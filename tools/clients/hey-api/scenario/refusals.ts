import * as eggapi from "#eggapi";
import { must, type Scenario } from "./steps.js";

const mostTries = 2000;

interface Refused<Refusal> {
  error: Refusal | undefined;
  response: Response;
}

/**
 * Gives the error of a refusal, which must have this status and code.
 * Refusal is the body that the contract declares for the status.
 */
function refusal<Refusal extends eggapi.ErrorEnvelope>(
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
  const call = await eggapi.getTask({ client: s.stranger, path: { id: s.taskID } });
  refusal<eggapi.GetTaskErrors[401]>(call, 401, "UNAUTHORIZED");
}

export async function notFound(s: Scenario): Promise<void> {
  const id = "gen_00000000000000000000000000";
  const call = await eggapi.getTask({ client: s.customer, path: { id } });
  refusal<eggapi.GetTaskErrors[404]>(call, 404, "NOT_FOUND");
}

export async function validation(s: Scenario): Promise<void> {
  const call = await eggapi.generate({ client: s.customer, body: { ...s.request, prompt: "" } });
  const field = refusal<eggapi.GenerateErrors[400]>(call, 400, "VALIDATION_ERROR").fields?.[0];
  must(field !== undefined, "no field is named");
  must(field.in === "body" && field.name === "prompt" && field.rule !== "", `another field: ${JSON.stringify(field)}`);
}

export async function rateLimited(s: Scenario): Promise<void> {
  for (let tries = 0; tries < mostTries; tries++) {
    const call = await eggapi.summarizeUsage({ client: s.customer });
    if (call.data !== undefined) continue;
    refusal<eggapi.SummarizeUsageErrors[429]>(call, 429, "RATE_LIMITED");
    const seconds = Number(call.response.headers.get("Retry-After"));
    must(Number.isInteger(seconds) && seconds >= 1, "the header Retry-After is not a number of seconds");
    return;
  }
  throw new Error(`no limit met in ${mostTries} requests`);
}
