import type { KeyboardEvent, RefObject } from "react";

interface Props {
  field: RefObject<HTMLTextAreaElement | null>;
  value: string;
  limit: number;
  /** What is wrong with the prompt, as a sentence. */
  wrong: string | null;
  onChange: (value: string) => void;
}

/** Characters as the API counts them, not the pairs that JavaScript cuts some of them into. */
export function lengthOf(prompt: string): number {
  return [...prompt].length;
}

/** Why a prompt cannot be sent; null when it can. */
export function promptFault(prompt: string, limit: number): string | null {
  if (prompt.trim() === "") return "Say what to draw.";
  if (lengthOf(prompt) > limit) return `The prompt is too long: at most ${limit} characters.`;
  return null;
}

export function PromptField({ field, value, limit, wrong, onChange }: Props) {
  return (
    <>
      <label htmlFor="prompt">Prompt</label>
      <textarea
        ref={field}
        id="prompt"
        rows={4}
        required
        value={value}
        aria-invalid={wrong !== null || undefined}
        aria-describedby={wrong ? "prompt-wrong prompt-length" : "prompt-length"}
        placeholder="A lighthouse made of eggshell at dawn"
        onChange={(e) => onChange(e.target.value)}
        onKeyDown={submitByKey}
      />
      {wrong && (
        <p id="prompt-wrong" className="wrong">
          {wrong}
        </p>
      )}
      <p id="prompt-length" className="quiet hint">
        <span>
          {lengthOf(value)} of {limit} characters
        </span>
        <span>Ctrl or ⌘ + Enter generates</span>
      </p>
    </>
  );
}

function submitByKey(event: KeyboardEvent<HTMLTextAreaElement>) {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  event.currentTarget.form?.requestSubmit();
}
