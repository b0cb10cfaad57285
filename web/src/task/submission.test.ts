import { expect, test } from "vitest";
import type { GenerateRequest, Task } from "../api/calls";
import { Problem } from "../api/problem";
import { Submissions } from "./submission";

const egg: GenerateRequest = { model: "nanobanana", prompt: "an egg", num_outputs: 1 };
const hen: GenerateRequest = { ...egg, prompt: "a hen" };
const accepted: Task = {
  id: "gen_1",
  status: "pending",
  model: "nanobanana",
  type: "image_generate",
  cost: "$0.00",
  created_at: "2026-05-08T10:30:00Z",
};

/** Submissions whose tries end as listed and then succeed, and the keys that were sent. */
function sending(...ends: Problem[]) {
  const keys: string[] = [];
  let made = 0;
  const submissions = new Submissions(
    async (_, key) => {
      const end = ends[keys.length];
      keys.push(key);
      if (end) throw end;
      return accepted;
    },
    () => `key-${++made}`,
  );
  return { submissions, keys };
}

test.each([
  ["a lost answer", new Problem("offline")],
  ["a broken server", new Problem("broken", { status: 500 })],
  ["an unavailable server", new Problem("busy", { status: 503 })],
  ["a first try that still runs", new Problem("invalid", { status: 409 })],
])("after %s the same wish keeps its key, so that it is paid for once", async (_, problem) => {
  const { submissions, keys } = sending(problem);
  await expect(submissions.submit(egg)).rejects.toBe(problem);
  await expect(submissions.submit(egg)).resolves.toEqual(accepted);
  expect(keys).toEqual(["key-1", "key-1"]);
});

test.each([
  ["a refusal", new Problem("invalid", { status: 400 })],
  ["an empty account", new Problem("forbidden", { status: 403 })],
  ["a limit", new Problem("busy", { status: 429 })],
  ["a key used with something else", new Problem("invalid", { status: 422 })],
])("after %s the same wish gets a new key", async (_, problem) => {
  const { submissions, keys } = sending(problem);
  await expect(submissions.submit(egg)).rejects.toBe(problem);
  await submissions.submit(egg);
  expect(keys).toEqual(["key-1", "key-2"]);
});

test("another wish never gets the key of an undecided one", async () => {
  const { submissions, keys } = sending(new Problem("offline"));
  await expect(submissions.submit(egg)).rejects.toThrow();
  await submissions.submit(hen);
  expect(keys).toEqual(["key-1", "key-2"]);
});

test("the same wish once more, after it was accepted, is a new one", async () => {
  const { submissions, keys } = sending();
  await submissions.submit(egg);
  await submissions.submit(egg);
  expect(keys).toEqual(["key-1", "key-2"]);
});

test("keys made by the page fit the contract and differ", async () => {
  const keys: string[] = [];
  const submissions = new Submissions(async (_, key) => {
    keys.push(key);
    return accepted;
  });
  await submissions.submit(egg);
  await submissions.submit(egg);
  expect(keys[0]).toMatch(/^[\x21-\x7e]{20,255}$/);
  expect(keys[0]).not.toBe(keys[1]);
});
