import createClient from "openapi-fetch";
import { Problem, problemFromAnswer, problemFromThrown } from "./problem";
import type { components, paths } from "./schema.gen";

type Schemas = components["schemas"];
export type Task = Schemas["Task"];
export type User = Schemas["AuthUser"];
export type Balance = Schemas["Balance"];
export type Model = Schemas["Model"];
export type GenerateRequest = Schemas["GenerateRequest"];

/** The calls this page makes. Each gives what was asked for or throws a Problem; an aborted one throws its AbortError. */
export type Calls = ReturnType<typeof makeCalls>;

interface Transport {
  baseUrl?: string;
  fetch?: (request: Request) => Promise<Response>;
}

/** The default transport is the browser's own, to the origin that served the page. */
export function makeCalls(transport: Transport = {}) {
  const client = createClient<paths>({ credentials: "same-origin", ...transport });
  return {
    /** Null when nobody is signed in. */
    async currentUser(signal: AbortSignal): Promise<User | null> {
      const current = await answer(client.GET("/api/auth/get-session", { signal }));
      return current?.user ?? null;
    },
    async signIn(email: string, password: string): Promise<User> {
      return (await answer(client.POST("/api/auth/sign-in/email", { body: { email, password } }))).user;
    },
    async signOut(): Promise<void> {
      await answer(client.POST("/api/auth/sign-out", { body: {} }));
    },
    async models(signal: AbortSignal): Promise<Model[]> {
      return (await answer(client.GET("/v1/models", { signal }))).data;
    },
    async balance(signal: AbortSignal): Promise<Balance> {
      return (await answer(client.GET("/v1/account/balance", { signal }))).data;
    },
    async recentTasks(count: number, signal: AbortSignal): Promise<Task[]> {
      const params = { query: { page: 1, per_page: count } };
      return (await answer(client.GET("/v1/tasks", { params, signal }))).data.items;
    },
    async task(id: string, signal: AbortSignal): Promise<Task> {
      return (await answer(client.GET("/v1/tasks/{id}", { params: { path: { id } }, signal }))).data;
    },
    async generate(body: GenerateRequest, idempotencyKey: string): Promise<Task> {
      const params = { header: { "Idempotency-Key": idempotencyKey } };
      return (await answer(client.POST("/v1/generate", { params, body }))).data;
    },
  };
}

interface Outcome<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

async function answer<T>(call: Promise<Outcome<T>>): Promise<T> {
  let outcome: Outcome<T>;
  try {
    outcome = await call;
  } catch (thrown) {
    throw isAbort(thrown) ? thrown : problemFromThrown(thrown);
  }
  if (!outcome.response.ok) throw problemFromAnswer(outcome.response, outcome.error);
  // A session nobody has is a null; nothing at all is an answer cut short.
  if (outcome.data === undefined) throw new Problem("broken", { status: outcome.response.status });
  return outcome.data;
}

function isAbort(thrown: unknown): boolean {
  return thrown instanceof DOMException && thrown.name === "AbortError";
}
