import { useEffect, useRef } from "react";
import type { Task } from "../api/calls";
import { ProblemNote } from "../ProblemNote";
import { ended } from "../task/follow";
import { imageCount, shortfall, statusLine } from "../task/wording";
import type { Wish } from "./Composer";
import { Picture } from "./Picture";
import type { Followed } from "./useFollowed";

interface Props {
  id: string | null;
  wish: Wish | undefined;
  followed: Followed;
}

/** The task that is being looked at: how it stands, and its images once there are some. */
export function Result({ id, wish, followed }: Props) {
  const { task, trouble, stopped, again } = followed;
  const title = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    if (id !== null && title.current) reveal(title.current);
  }, [id]);

  const waiting = id !== null && !stopped && !(task && ended(task));
  return (
    <section className="card result" aria-labelledby="result-title" aria-busy={waiting}>
      <h2 ref={title} id="result-title">Result</h2>
      <p role="status" className="status">
        {lineOf(id, followed)}
      </p>
      {id === null && <p className="empty quiet">Your images appear here.</p>}
      {stopped && <ProblemNote problem={stopped} onRetry={again} />}
      {wish && <p className="asked">{wish.prompt}</p>}
      {waiting && !trouble && <Placeholders wish={wish} />}
      {task && ended(task) && <Outcome task={task} wish={wish} />}
      {id && (
        <p className="quiet">
          Task <code>{id}</code>
        </p>
      )}
    </section>
  );
}

/** On a narrow screen the result may lie above or below what is in view. */
function reveal(element: HTMLElement) {
  const { top, bottom } = element.getBoundingClientRect();
  if (top < 0 || bottom > window.innerHeight) element.scrollIntoView();
}

function lineOf(id: string | null, { task, trouble, stopped }: Followed): string {
  if (id === null || stopped) return "";
  return task ? statusLine(task, trouble) : (trouble?.message ?? "Loading…");
}

function Placeholders({ wish }: { wish: Wish | undefined }) {
  const shape = wish?.ratio === "9:16" ? "placeholder tall" : "placeholder";
  return (
    <div className="pictures" aria-hidden="true">
      {Array.from({ length: wish?.images ?? 1 }, (_, i) => (
        <div key={i} className={shape} />
      ))}
    </div>
  );
}

function Outcome({ task, wish }: { task: Task; wish: Wish | undefined }) {
  if (task.status === "failed") {
    return (
      <div className="problem" role="alert">
        <p>{task.error ?? "The task failed."}</p>
        {task.failure?.retryable && <p className="quiet">The same request may well work later.</p>}
      </div>
    );
  }
  const urls = task.output?.urls ?? [];
  const missing = shortfall(task, wish?.images);
  return (
    <>
      {missing && <p className="problem">{missing}</p>}
      <ul className="pictures">
        {urls.map((url, i) => (
          <li key={url}>
            <Picture url={url} alt={altOf(wish, i, urls.length)} />
          </li>
        ))}
      </ul>
      <dl className="facts">
        <dt>Cost</dt>
        <dd data-testid="cost">{task.cost}</dd>
        <dt>Made</dt>
        <dd>
          {imageCount(urls.length)} with {task.model}
        </dd>
      </dl>
    </>
  );
}

function altOf(wish: Wish | undefined, index: number, count: number): string {
  const place = count > 1 ? `Image ${index + 1} of ${count}` : "The image";
  return wish ? `${place}: ${wish.prompt}` : place;
}
