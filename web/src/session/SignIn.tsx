import { type FormEvent, useEffect, useRef, useState } from "react";
import type { Calls, User } from "../api/calls";
import { type Problem, problemFromThrown } from "../api/problem";
import { ProblemNote } from "../ProblemNote";

interface Props {
  calls: Calls;
  notice: string | null;
  onSignedIn: (user: User) => void;
}

export function SignIn({ calls, notice, onSignedIn }: Props) {
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const [problem, setProblem] = useState<Problem | null>(null);
  const [busy, setBusy] = useState(false);
  const emailField = useRef<HTMLInputElement>(null);
  const passwordField = useRef<HTMLInputElement>(null);

  useEffect(() => emailField.current?.focus(), []);

  async function submit(event: FormEvent) {
    event.preventDefault();
    if (busy) return;
    setBusy(true);
    setProblem(null);
    try {
      onSignedIn(await calls.signIn(email, password));
    } catch (thrown) {
      setProblem(problemFromThrown(thrown));
      setBusy(false);
      passwordField.current?.select();
    }
  }

  const refused = problem?.kind === "unauthorized" || undefined;
  return (
    <main className="alone">
      <h1>EggAPI</h1>
      <p role="status" className="quiet">
        {notice ?? "Sign in to make images."}
      </p>
      <form className="card" onSubmit={submit} aria-busy={busy}>
        <label htmlFor="email">E-mail</label>
        <input
          ref={emailField}
          id="email"
          type="email"
          autoComplete="username"
          required
          maxLength={320}
          value={email}
          aria-invalid={refused}
          onChange={(e) => setEmail(e.target.value)}
        />
        <label htmlFor="password">Password</label>
        <input
          ref={passwordField}
          id="password"
          type="password"
          autoComplete="current-password"
          required
          maxLength={1024}
          value={password}
          aria-invalid={refused}
          onChange={(e) => setPassword(e.target.value)}
        />
        <button type="submit" aria-disabled={busy}>
          {busy ? "Signing in…" : "Sign in"}
        </button>
        {problem && <ProblemNote problem={problem} />}
      </form>
      <p className="quiet">
        New here? Read the <a href="/docs">documentation</a>.
      </p>
    </main>
  );
}
