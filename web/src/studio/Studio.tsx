import { useCallback, useMemo, useState } from "react";
import type { Calls, Task, User } from "../api/calls";
import { type Problem, problemFromThrown } from "../api/problem";
import { ProblemNote } from "../ProblemNote";
import { Submissions } from "../task/submission";
import { Composer, type Wish } from "./Composer";
import { RecentTasks } from "./RecentTasks";
import { Result } from "./Result";
import { useFollowed } from "./useFollowed";
import { useLoaded } from "./useLoaded";

const recentCount = 8;

interface Props {
  calls: Calls;
  user: User;
  prompt: string;
  onPrompt: (prompt: string) => void;
  onSessionEnd: () => void;
  onSignedOut: () => void;
}

/** The page of somebody who is signed in. */
export function Studio({ calls, user, prompt, onPrompt, onSessionEnd, onSignedOut }: Props) {
  const [shownID, setShownID] = useState<string | null>(null);
  // A task does not repeat what was asked for; what was asked for here is remembered here.
  const [wishes, setWishes] = useState<ReadonlyMap<string, Wish>>(new Map());
  const [signOutProblem, setSignOutProblem] = useState<Problem | null>(null);

  const submissions = useMemo(() => new Submissions(calls.generate), [calls]);
  const loadRecent = useCallback((signal: AbortSignal) => calls.recentTasks(recentCount, signal), [calls]);
  const models = useLoaded(calls.models, onSessionEnd);
  const balance = useLoaded(calls.balance, onSessionEnd);
  const recent = useLoaded(loadRecent, onSessionEnd);

  const { reload: reloadBalance } = balance;
  const { reload: reloadRecent } = recent;
  const refresh = useCallback(() => {
    reloadBalance();
    reloadRecent();
  }, [reloadBalance, reloadRecent]);
  const followed = useFollowed({ calls, id: shownID, onEnd: refresh, onSessionEnd });

  const accepted = useCallback(
    (task: Task, wish: Wish) => {
      setWishes((old) => new Map(old).set(task.id, wish));
      setShownID(task.id);
      refresh();
    },
    [refresh],
  );

  async function signOut() {
    try {
      await calls.signOut();
      onSignedOut();
    } catch (thrown) {
      setSignOutProblem(problemFromThrown(thrown));
    }
  }

  return (
    <>
      <header className="top">
        <h1>EggAPI</h1>
        <p className="balance">
          Available <strong>{balance.value?.available ?? "…"}</strong>
          {balance.problem && (
            <button type="button" className="plain" onClick={reloadBalance}>
              Reload the balance
            </button>
          )}
        </p>
        <a href="/docs">Documentation</a>
        <p className="who quiet">{user.email}</p>
        <button type="button" className="plain" onClick={signOut}>
          Sign out
        </button>
      </header>
      {signOutProblem && <ProblemNote problem={signOutProblem} />}
      <main className="studio">
        <Composer
          models={models}
          prompt={prompt}
          onPrompt={onPrompt}
          submissions={submissions}
          onAccepted={accepted}
          onSessionEnd={onSessionEnd}
        />
        <Result id={shownID} wish={shownID ? wishes.get(shownID) : undefined} followed={followed} />
        <RecentTasks recent={recent} shownID={shownID} onShow={setShownID} />
      </main>
    </>
  );
}
