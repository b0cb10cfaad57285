// Walks through the API the way a customer's program does, with the SDK that hey-api made.
import { randomUUID } from "node:crypto";
import { type Client, createClient } from "#eggapi/client";
import { completed, download, generate, models, replay, usage } from "./images.js";
import { notFound, rateLimited, unauthorized, validation } from "./refusals.js";
import type { Scenario } from "./steps.js";

function client(baseUrl: string, key: string): Client {
  // Only where a bearer is asked for: a plain string would go out as the session's cookie too.
  return createClient({ baseUrl, auth: ({ scheme }) => (scheme === "bearer" ? key : undefined) });
}

function setting(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set`);
  return value;
}

const scenario: Scenario = {
  customer: client(setting("EGGAPI_URL"), setting("EGGAPI_KEY")),
  stranger: client(setting("EGGAPI_URL"), "egg_test_wrong"),
  request: { model: "nanobanana", prompt: "A lighthouse made of eggshell, in an SDK" },
  idempotencyKey: `hey-api-${randomUUID()}`,
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
