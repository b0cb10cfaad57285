// What the steps know of each other.
import type { Client } from "openapi-fetch";
import type { components, paths } from "../target/schema.js";

export type API = Client<paths>;
export type Schemas = components["schemas"];

export interface Scenario {
  customer: API;
  stranger: API;
  request: Schemas["GenerateRequest"];
  idempotencyKey: string;
  taskID: string;
  imageURL: string;
}

export function must(holds: boolean, otherwise: string): asserts holds {
  if (!holds) throw new Error(otherwise);
}

/** Gives the answer of a call, which must have been a success. */
export function answered<T>(call: { data?: T; error?: unknown; response: Response }): T {
  must(call.data !== undefined, `${call.response.status} ${JSON.stringify(call.error)}`);
  return call.data;
}
