import type { Problem } from "./api/problem";

interface Props {
  problem: Problem;
  onRetry?: () => void;
}

/** A problem as people see it: what happened, which parts of the request are to blame, and what to quote for help. */
export function ProblemNote({ problem, onRetry }: Props) {
  return (
    <div className="problem" role="alert">
      <p>{problem.message}</p>
      {problem.fields.length > 0 && (
        <ul>
          {problem.fields.map((field) => (
            <li key={`${field.name} ${field.message}`}>
              {field.name && <code>{field.name}</code>} {field.message}
            </li>
          ))}
        </ul>
      )}
      {problem.requestID && (
        <p className="quiet">
          Request <code>{problem.requestID}</code>
        </p>
      )}
      {onRetry && (
        <button type="button" className="plain" onClick={onRetry}>
          Try again
        </button>
      )}
    </div>
  );
}
