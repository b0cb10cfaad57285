// What the steps know of each other.
import type { Client } from "#eggapi/client";
import type { GenerateRequest } from "#eggapi";

export interface Scenario {
  customer: Client;
  stranger: Client;
  request: GenerateRequest;
  idempotencyKey: string;
  taskID: string;
  imageURL: string;
}

export function must(holds: boolean, otherwise: string): asserts holds {
  if (!holds) throw new Error(otherwise);
}

/** Gives the answer of a call, which must have been a success. */
export function answered<T>(call: { data: T | undefined; error: unknown; response: Response }): T {
  must(call.data !== undefined, `${call.response.status} ${JSON.stringify(call.error)}`);
  return call.data;
}
