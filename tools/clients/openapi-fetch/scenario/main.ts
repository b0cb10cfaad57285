// Walks through the API the way a customer's program does, with openapi-fetch over the generated types.
import { randomUUID } from "node:crypto";
import createClient from "openapi-fetch";
import type { paths } from "../target/schema.js";
import { completed, download, generate, models, replay, usage } from "./images.js";
import { notFound, rateLimited, unauthorized, validation } from "./refusals.js";
import type { API, Scenario } from "./steps.js";

function client(baseUrl: string, key: string): API {
  return createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${key}` } });
}

function setting(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set`);
  return value;
}

const scenario: Scenario = {
  customer: client(setting("EGGAPI_URL"), setting("EGGAPI_KEY")),
  stranger: client(setting("EGGAPI_URL"), "egg_test_wrong"),
  request: { model: "nanobanana", prompt: "A lighthouse made of eggshell, in TypeScript" },
  idempotencyKey: `openapi-fetch-${randomUUID()}`,
  taskID: "",
  imageURL: "",
};

const steps: [name: string, take: (s: Scenario) => Promise<void>][] = [
  ["models", models],
  ["generate", generate],
  ["replay", replay],
  ["completed", completed],
  ["download", download],
  ["usage", usage],
  ["unauthorized", unauthorized],
  ["not-found", notFound],
  ["validation", validation],
  ["rate-limited", rateLimited],
];

for (const [name, take] of steps) {
  try {
    await take(scenario);
  } catch (problem) {
    console.log(`${name}: ${problem instanceof Error ? problem.message : String(problem)}`);
    process.exit(1);
  }
  console.log(`ok ${name}`);
}
