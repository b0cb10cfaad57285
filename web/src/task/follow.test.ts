import { afterEach, describe, expect, test, vi } from "vitest";
import type { Task } from "../api/calls";
import { Problem } from "../api/problem";
import { type Following, followTask, pace, wait } from "./follow";

type Step = Task["status"] | Problem | Error;

function taskIn(status: Task["status"]): Task {
  const task: Task = { id: "gen_1", status, model: "nanobanana", type: "image_generate", cost: "$0.00", created_at: "2026-05-08T10:30:00Z" };
  return status === "pending" || status === "processing" ? task : { ...task, completed_at: "2026-05-08T10:30:12Z" };
}

/** A following whose loads go through the steps and repeat the last, on a clock that only waiting moves. */
function script(...steps: Step[]) {
  let now = 1_000;
  let at = 0;
  const stop = new AbortController();
  const seen = { loads: 0, waits: [] as number[], statuses: [] as string[], troubles: [] as (string | null)[] };
  const following: Following = {
    id: "gen_1",
    signal: stop.signal,
    clock: () => now,
    load: async () => {
      seen.loads += 1;
      const step = steps[Math.min(at++, steps.length - 1)] as Step;
      if (typeof step !== "string") throw step;
      return taskIn(step);
    },
    wait: async (ms) => {
      seen.waits.push(ms);
      now += ms;
    },
    onTask: (task) => seen.statuses.push(task.status),
    onTrouble: (problem) => seen.troubles.push(problem && problem.kind),
  };
  return { following, seen, stop };
}

describe("following a task", () => {
  test("stops at an end whose name is new to it", async () => {
    const { following } = script("pending", "cancelled");
    expect((await followTask(following)).status).toBe("cancelled");
  });

  test("looks at once, reports every state and stops at the end", async () => {
    const { following, seen } = script("pending", "processing", "completed");
    await expect(followTask(following)).resolves.toEqual(taskIn("completed"));
    expect(seen.statuses).toEqual(["pending", "processing", "completed"]);
    expect(seen.loads).toBe(3);
    expect(seen.waits).toHaveLength(2);
  });

  test("gives a failed task as a result, for a failure is an end", async () => {
    const { following, seen } = script("processing", "failed");
    expect((await followTask(following)).status).toBe("failed");
    expect(seen.troubles).toEqual([]);
  });

  test("needs no wait when the task has ended already", async () => {
    const { following, seen } = script("completed");
    await followTask(following);
    expect(seen.waits).toEqual([]);
  });

  test("waits longer and longer, up to a bound", async () => {
    const { following, seen } = script(...Array<Step>(12).fill("processing"), "completed");
    await followTask(following);
    expect(seen.waits[0]).toBe(pace.firstMs);
    expect(seen.waits).toEqual([...seen.waits].sort((a, b) => a - b));
    expect(seen.waits.at(-1)).toBe(pace.longestMs);
  });
});

describe("passing problems", () => {
  test.each(["offline", "broken", "busy"] as const)("%s is ridden out, and its end is told once", async (kind) => {
    const { following, seen } = script("pending", new Problem(kind), new Problem(kind), "processing", "completed");
    await followTask(following);
    expect(seen.troubles).toEqual([kind, kind, null]);
    expect(seen.statuses).toEqual(["pending", "processing", "completed"]);
  });

  test("an unexpected throw counts as no answer", async () => {
    const { following, seen } = script(new TypeError("Failed to fetch"), "completed");
    await followTask(following);
    expect(seen.troubles).toEqual(["offline", null]);
  });

  test("Retry-After is waited for, and a shorter one does not speed things up", async () => {
    const slow = new Problem("busy", { retryAfterSeconds: 30 });
    const hasty = new Problem("busy", { retryAfterSeconds: 0 });
    const { following, seen } = script(slow, hasty, "completed");
    await followTask(following);
    expect(seen.waits).toEqual([30_000, pace.firstMs * pace.growth]);
  });
});

describe("following stops", () => {
  test.each(["unauthorized", "forbidden", "missing", "invalid"] as const)("at once when the answer is %s", async (kind) => {
    const { following, seen } = script("pending", new Problem(kind), "completed");
    await expect(followTask(following)).rejects.toMatchObject({ kind });
    expect(seen.loads).toBe(2);
    expect(seen.troubles).toEqual([]);
  });

  test("when a task never ends, once the time is up and not before", async () => {
    const { following, seen } = script("processing");
    await expect(followTask(following)).rejects.toMatchObject({ kind: "overdue" });
    const waited = seen.waits.reduce((sum, ms) => sum + ms, 0);
    expect(waited).toBeLessThanOrEqual(pace.giveUpMs);
    expect(waited).toBeGreaterThan(pace.giveUpMs - pace.longestMs);
  });

  test("when the server never comes back", async () => {
    const { following } = script(new Problem("offline"));
    await expect(followTask(following)).rejects.toMatchObject({ kind: "overdue" });
  });

  test("rather than wait past the end for a Retry-After", async () => {
    const { following, seen } = script(new Problem("busy", { retryAfterSeconds: 86_400 }));
    await expect(followTask(following)).rejects.toMatchObject({ kind: "overdue" });
    expect(seen.waits).toEqual([]);
  });

  test("when told to, and says nothing of an answer that comes afterwards", async () => {
    const { following, seen, stop } = script("pending");
    let release: (task: Task) => void = () => {};
    following.load = () => new Promise((resolve) => (release = resolve));
    const done = followTask(following);
    stop.abort();
    release(taskIn("completed"));
    await expect(done).rejects.toMatchObject({ name: "AbortError" });
    expect(seen.statuses).toEqual([]);
  });

  test("when told to while a load fails because of it", async () => {
    const { following, seen, stop } = script("pending");
    following.load = async () => {
      stop.abort();
      throw new TypeError("Failed to fetch");
    };
    await expect(followTask(following)).rejects.toMatchObject({ name: "AbortError" });
    expect(seen.troubles).toEqual([]);
  });
});

describe("wait", () => {
  afterEach(() => void vi.useRealTimers());

  test("ends after its time and not before", async () => {
    vi.useFakeTimers();
    let over = false;
    const done = wait(400, new AbortController().signal).then(() => (over = true));
    await vi.advanceTimersByTimeAsync(399);
    expect(over).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    await done;
    expect(over).toBe(true);
  });

  test("ends early with the signal and leaves no timer behind", async () => {
    vi.useFakeTimers();
    const stop = new AbortController();
    const done = wait(400, stop.signal);
    stop.abort();
    await expect(done).rejects.toMatchObject({ name: "AbortError" });
    expect(vi.getTimerCount()).toBe(0);
  });

  test("does not begin when the signal has spoken already", async () => {
    vi.useFakeTimers();
    await expect(wait(400, AbortSignal.abort())).rejects.toMatchObject({ name: "AbortError" });
    expect(vi.getTimerCount()).toBe(0);
  });
});
