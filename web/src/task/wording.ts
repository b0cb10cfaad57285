import type { Task } from "../api/calls";
import type { Problem } from "../api/problem";

// More may come: a status that is not here is shown as the contract spells it.
const statusNames: Record<string, string> = {
  pending: "Queued",
  processing: "Drawing",
  completed: "Done",
  failed: "Failed",
};

export function statusName(status: Task["status"]): string {
  return statusNames[status] ?? status;
}

/** One line on how a task stands, for the eye and for screen readers. */
export function statusLine(task: Task, trouble: Problem | null): string {
  if (trouble) return `${trouble.message} Looking again…`;
  if (task.status === "pending") return "Queued…";
  if (task.status === "processing") return "Drawing…";
  if (task.status === "failed") return `Failed. Cost ${task.cost}.`;
  const count = task.output?.urls.length ?? 0;
  return `Done: ${imageCount(count)}. Cost ${task.cost}.`;
}

/** What to say when fewer images came than were asked for; null when all did. */
export function shortfall(task: Task, asked: number | undefined): string | null {
  const made = task.output?.urls.length ?? 0;
  if (task.status !== "completed" || asked === undefined || made >= asked) return null;
  return `${made} of ${imageCount(asked)} could be made; only those are paid for.`;
}

export function imageCount(count: number): string {
  return count === 1 ? "1 image" : `${count} images`;
}

const when = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

export function timeOf(rfc3339: string): string {
  const at = new Date(rfc3339);
  return Number.isNaN(at.getTime()) ? rfc3339 : when.format(at);
}
