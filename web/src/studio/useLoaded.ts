import { useCallback, useEffect, useState } from "react";
import { type Problem, problemFromThrown } from "../api/problem";

export interface Loaded<T> {
  /** The last value that came, kept while a newer one is on its way or fails; null before the first. */
  value: T | null;
  /** Why the latest load failed; null after a success. */
  problem: Problem | null;
  reload: () => void;
}

/**
 * Loads a value when first shown and on every reload. The load must keep its identity between renders.
 * An answer that comes after a newer reload, or after the component is gone, is dropped.
 */
export function useLoaded<T>(load: (signal: AbortSignal) => Promise<T>, onSessionEnd: () => void): Loaded<T> {
  const [value, setValue] = useState<T | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [round, setRound] = useState(0);

  useEffect(() => {
    const stop = new AbortController();
    load(stop.signal).then(
      (loaded) => {
        if (stop.signal.aborted) return;
        setValue(loaded);
        setProblem(null);
      },
      (thrown: unknown) => {
        if (stop.signal.aborted) return;
        const failed = problemFromThrown(thrown);
        if (failed.kind === "unauthorized") onSessionEnd();
        else setProblem(failed);
      },
    );
    return () => stop.abort();
  }, [load, onSessionEnd, round]);

  const reload = useCallback(() => setRound((n) => n + 1), []);
  return { value, problem, reload };
}
