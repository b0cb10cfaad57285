import { useEffect } from "react";
import type { Task } from "../api/calls";
import { ProblemNote } from "../ProblemNote";
import { ended } from "../task/follow";
import { statusName, timeOf } from "../task/wording";
import type { Loaded } from "./useLoaded";

const lookAgainMs = 5_000;

interface Props {
  recent: Loaded<Task[]>;
  shownID: string | null;
  onShow: (id: string) => void;
}

/** The latest tasks, wherever they were asked for; choosing one shows it as the result. */
export function RecentTasks({ recent, shownID, onShow }: Props) {
  const { value: tasks, problem, reload } = recent;

  // Tasks asked for elsewhere, or before another one was chosen, end without this page following them.
  useEffect(() => {
    if (problem || !tasks || tasks.every(ended)) return;
    const timer = setTimeout(reload, lookAgainMs);
    return () => clearTimeout(timer);
  }, [tasks, problem, reload]);

  return (
    <section className="card recent" aria-labelledby="recent-title">
      <h2 id="recent-title">Recent tasks</h2>
      {problem && <ProblemNote problem={problem} onRetry={reload} />}
      {!tasks && !problem && <p className="quiet">Loading…</p>}
      {tasks?.length === 0 && <p className="quiet">Nothing yet. Your first image is one prompt away.</p>}
      {tasks && tasks.length > 0 && (
        <ul>
          {tasks.map((task) => (
            <li key={task.id}>
              <Row task={task} shown={task.id === shownID} onShow={onShow} />
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

function Row({ task, shown, onShow }: { task: Task; shown: boolean; onShow: (id: string) => void }) {
  return (
    <button type="button" className="row" aria-pressed={shown} onClick={() => onShow(task.id)}>
      {task.output ? (
        <img className="thumb" src={task.output.url} alt="" loading="lazy" decoding="async" />
      ) : (
        <span className={`thumb ${task.status}`} aria-hidden="true" />
      )}
      <span className="what">
        <span className={`state ${task.status}`}>{statusName(task.status)}</span>
        <span className="quiet">
          {task.model}, <time dateTime={task.created_at}>{timeOf(task.created_at)}</time>
        </span>
      </span>
      <span className="cost">{task.cost}</span>
    </button>
  );
}
