import type { GenerateRequest, Task } from "../api/calls";
import { problemFromThrown } from "../api/problem";

type Send = (body: GenerateRequest, idempotencyKey: string) => Promise<Task>;

/**
 * Gives each wish its Idempotency-Key. When the server's answer was lost, the same wish sent again carries
 * the same key, so that nobody pays twice for one press of a button.
 */
export class Submissions {
  private open: { wish: string; key: string } | null = null;

  constructor(
    private readonly send: Send,
    private readonly newKey: () => string = randomKey,
  ) {}

  async submit(body: GenerateRequest): Promise<Task> {
    const wish = JSON.stringify(body);
    const key = this.open?.wish === wish ? this.open.key : this.newKey();
    this.open = { wish, key };
    try {
      const task = await this.send(body, key);
      this.open = null;
      return task;
    } catch (thrown) {
      const problem = problemFromThrown(thrown);
      if (!undecided(problem.passing, problem.status)) this.open = null;
      throw problem;
    }
  }
}

/** Whether the server may have accepted what it was sent. 409 says that the first try is still running. */
function undecided(passing: boolean, status: number | undefined): boolean {
  return (passing && status !== 429) || status === 409;
}

// crypto.randomUUID is absent where a page is served over plain http from another machine.
function randomKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return "web-" + Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
}
