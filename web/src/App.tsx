import { useCallback, useEffect, useState } from "react";
import type { Calls, User } from "./api/calls";
import { type Problem, problemFromThrown } from "./api/problem";
import { ProblemNote } from "./ProblemNote";
import { SignIn } from "./session/SignIn";
import { Studio } from "./studio/Studio";

type Session =
  | { state: "unknown" }
  | { state: "unreachable"; problem: Problem }
  | { state: "out"; notice: string | null }
  | { state: "in"; user: User };

const endedNotice = "Your session has ended. Sign in again to go on.";

export function App({ calls }: { calls: Calls }) {
  const [session, setSession] = useState<Session>({ state: "unknown" });
  const [attempt, setAttempt] = useState(0);
  // Kept here so that a session that ends while somebody types does not take the words along.
  const [prompt, setPrompt] = useState("");

  useEffect(() => {
    const stop = new AbortController();
    calls.currentUser(stop.signal).then(
      (user) => setSession(user ? { state: "in", user } : { state: "out", notice: null }),
      (thrown: unknown) => {
        if (!stop.signal.aborted) setSession({ state: "unreachable", problem: problemFromThrown(thrown) });
      },
    );
    return () => stop.abort();
  }, [calls, attempt]);

  const onSignedIn = useCallback((user: User) => setSession({ state: "in", user }), []);
  const onSessionEnd = useCallback(() => setSession({ state: "out", notice: endedNotice }), []);
  const onSignedOut = useCallback(() => {
    setPrompt("");
    setSession({ state: "out", notice: "You are signed out." });
  }, []);
  const tryAgain = useCallback(() => {
    setSession({ state: "unknown" });
    setAttempt((n) => n + 1);
  }, []);

  switch (session.state) {
    case "unknown":
      return (
        <main className="alone">
          <p role="status" className="quiet">
            Loading…
          </p>
        </main>
      );
    case "unreachable":
      return (
        <main className="alone">
          <h1>EggAPI</h1>
          <ProblemNote problem={session.problem} onRetry={tryAgain} />
        </main>
      );
    case "out":
      return <SignIn calls={calls} notice={session.notice} onSignedIn={onSignedIn} />;
    case "in":
      return (
        <Studio
          calls={calls}
          user={session.user}
          prompt={prompt}
          onPrompt={setPrompt}
          onSessionEnd={onSessionEnd}
          onSignedOut={onSignedOut}
        />
      );
  }
}
