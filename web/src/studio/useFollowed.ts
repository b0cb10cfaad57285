import { useCallback, useEffect, useState } from "react";
import type { Calls, Task } from "../api/calls";
import { type Problem, problemFromThrown } from "../api/problem";
import { followTask, wait } from "../task/follow";

interface Sight {
  task: Task | null;
  /** A passing problem that the page is riding out. */
  trouble: Problem | null;
  /** Why the page stopped looking before the task ended. */
  stopped: Problem | null;
}

export interface Followed extends Sight {
  /** Looks again after it stopped. */
  again: () => void;
}

interface Props {
  calls: Calls;
  id: string | null;
  onEnd: () => void;
  onSessionEnd: () => void;
}

const nothing: Sight = { task: null, trouble: null, stopped: null };

/** Follows one task to its end. The callbacks must keep their identity between renders. */
export function useFollowed({ calls, id, onEnd, onSessionEnd }: Props): Followed {
  const [seen, setSeen] = useState({ id, ...nothing });
  const [round, setRound] = useState(0);
  const again = useCallback(() => setRound((n) => n + 1), []);

  useEffect(() => {
    if (id === null) return;
    const stop = new AbortController();
    const change = (part: Partial<Sight>) =>
      setSeen((old) => (old.id === id ? { ...old, ...part } : { id, ...nothing, ...part }));
    change(nothing);
    followTask({
      id,
      load: calls.task,
      onTask: (task) => change({ task }),
      onTrouble: (trouble) => change({ trouble }),
      signal: stop.signal,
      wait,
      clock: () => performance.now(),
    }).then(onEnd, (thrown: unknown) => {
      if (stop.signal.aborted) return;
      const problem = problemFromThrown(thrown);
      if (problem.kind === "unauthorized") onSessionEnd();
      else change({ stopped: problem, trouble: null });
    });
    return () => stop.abort();
  }, [calls, id, onEnd, onSessionEnd, round]);

  // Between choosing another task and its first answer, the old one must not be shown under the new name.
  return { ...(seen.id === id ? seen : nothing), again };
}
