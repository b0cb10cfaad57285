import type { Task } from "../api/calls";
import { Problem, problemFromThrown } from "../api/problem";

/** Waits between two looks grow from the first to the longest. No task lives longer than ten minutes. */
export const pace = { firstMs: 400, growth: 1.5, longestMs: 4_000, giveUpMs: 15 * 60_000 };

export interface Following {
  id: string;
  load: (id: string, signal: AbortSignal) => Promise<Task>;
  /** Called with every state seen, the last one too. */
  onTask: (task: Task) => void;
  /** Called with a passing problem while it lasts, and with null once it is over. */
  onTrouble: (problem: Problem | null) => void;
  signal: AbortSignal;
  wait: (ms: number, signal: AbortSignal) => Promise<void>;
  clock: () => number;
}

/** Whether nothing will happen to the task any more, whatever its status is called. */
export function ended(task: Task): boolean {
  return task.completed_at !== undefined;
}

/**
 * Looks at a task until it ends, and gives its last state. Rides out passing problems, and heeds the
 * server's Retry-After. Throws a Problem that will not pass, `overdue` when time is up, and the signal's
 * reason once it is aborted.
 */
export async function followTask(f: Following): Promise<Task> {
  const giveUpAt = f.clock() + pace.giveUpMs;
  let delayMs = pace.firstMs;
  let troubled = false;
  for (;;) {
    f.signal.throwIfAborted();
    let pauseMs = delayMs;
    try {
      const task = await f.load(f.id, f.signal);
      f.signal.throwIfAborted();
      if (troubled) f.onTrouble(null);
      troubled = false;
      f.onTask(task);
      if (ended(task)) return task;
    } catch (thrown) {
      f.signal.throwIfAborted();
      const problem = problemFromThrown(thrown);
      if (!problem.passing) throw problem;
      troubled = true;
      f.onTrouble(problem);
      pauseMs = Math.max(delayMs, (problem.retryAfterSeconds ?? 0) * 1000);
    }
    if (f.clock() + pauseMs > giveUpAt) throw new Problem("overdue");
    await f.wait(pauseMs, f.signal);
    delayMs = Math.min(delayMs * pace.growth, pace.longestMs);
  }
}

/** Resolves after the time; rejects with the signal's reason when that comes first. */
export function wait(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal.addEventListener("abort", stop, { once: true });
  });
}
