import { type FormEvent, type KeyboardEvent, useEffect, useRef, useState } from "react";
import type { GenerateRequest, Model, Task } from "../api/calls";
import { type Problem, problemFromThrown } from "../api/problem";
import { ProblemNote } from "../ProblemNote";
import { priceOf } from "../task/money";
import type { Submissions } from "../task/submission";
import { type Choices, choose, settle } from "./choices";
import { Segments } from "./Segments";
import type { Loaded } from "./useLoaded";

/** What was asked for with a task. */
export interface Wish {
  prompt: string;
  images: number;
  ratio: string;
}

interface Props {
  models: Loaded<Model[]>;
  prompt: string;
  onPrompt: (prompt: string) => void;
  submissions: Submissions;
  onAccepted: (task: Task, wish: Wish) => void;
  onSessionEnd: () => void;
}

/** The form that asks for images. What it offers comes from the catalogue. */
export function Composer({ models, ...rest }: Props) {
  const first = models.value?.[0];
  return (
    <section className="card composer" aria-labelledby="composer-title">
      <h2 id="composer-title">New image</h2>
      {models.value && first && <Form catalogue={models.value} first={first} {...rest} />}
      {models.value && !first && <p>No model is on sale at the moment.</p>}
      {!models.value && !models.problem && <p className="quiet">Loading the models…</p>}
      {!models.value && models.problem && <ProblemNote problem={models.problem} onRetry={models.reload} />}
    </section>
  );
}

type FormProps = Omit<Props, "models"> & { catalogue: Model[]; first: Model };

function Form({ catalogue, first, prompt, onPrompt, submissions, onAccepted, onSessionEnd }: FormProps) {
  const [picked, setPicked] = useState<Choices>(() => choose(first));
  const [problem, setProblem] = useState<Problem | null>(null);
  const [wrong, setWrong] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const promptField = useRef<HTMLTextAreaElement>(null);

  const model = catalogue.find((m) => m.id === picked.model) ?? first;
  const choices = settle(picked, model);
  const pick = (part: Partial<Choices>) => setPicked({ ...choices, ...part });
  const limit = model.limits.max_prompt_characters;
  // The limit counts characters, not the pairs that JavaScript cuts some of them into.
  const length = [...prompt].length;
  const price = priceOf(model, choices.resolution, choices.images);

  useEffect(() => promptField.current?.focus(), []);

  async function submit(event: FormEvent) {
    event.preventDefault();
    if (busy) return;
    const fault = promptFault(prompt, limit);
    setWrong(fault);
    setProblem(null);
    if (fault) {
      promptField.current?.focus();
      return;
    }
    setBusy(true);
    try {
      const task = await submissions.submit(requestOf(prompt, choices));
      onAccepted(task, { prompt, images: choices.images, ratio: choices.ratio });
    } catch (thrown) {
      const failed = problemFromThrown(thrown);
      if (failed.kind === "unauthorized") return onSessionEnd();
      setProblem(failed);
      const field = failed.fields.find((f) => f.name === "prompt");
      setWrong(field ? `The prompt ${field.message}.` : null);
      promptField.current?.focus();
    }
    setBusy(false);
  }

  function submitByKey(event: KeyboardEvent<HTMLTextAreaElement>) {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    event.currentTarget.form?.requestSubmit();
  }

  return (
    <form onSubmit={submit} aria-busy={busy} noValidate>
      <label htmlFor="prompt">Prompt</label>
      <textarea
        ref={promptField}
        id="prompt"
        rows={4}
        required
        value={prompt}
        aria-invalid={wrong !== null || undefined}
        aria-describedby={wrong ? "prompt-wrong prompt-length" : "prompt-length"}
        placeholder="A lighthouse made of eggshell at dawn"
        onChange={(e) => {
          onPrompt(e.target.value);
          setWrong(null);
        }}
        onKeyDown={submitByKey}
      />
      {wrong && (
        <p id="prompt-wrong" className="wrong">
          {wrong}
        </p>
      )}
      <p id="prompt-length" className="quiet hint">
        <span>
          {length} of {limit} characters
        </span>
        <span>Ctrl or ⌘ + Enter generates</span>
      </p>
      <label htmlFor="model">Model</label>
      <select id="model" value={model.id} onChange={(e) => pick({ model: e.target.value })}>
        {catalogue.map((m) => (
          <option key={m.id} value={m.id}>
            {m.name}
          </option>
        ))}
      </select>
      <Segments
        legend="Aspect ratio"
        options={model.aspect_ratios}
        value={choices.ratio}
        onChange={(ratio) => pick({ ratio })}
      />
      <Segments
        legend="Resolution"
        options={model.resolutions}
        value={choices.resolution}
        onChange={(resolution) => pick({ resolution })}
      />
      <Segments
        legend="Number of images"
        options={upTo(model.limits.max_outputs)}
        value={String(choices.images)}
        onChange={(count) => pick({ images: Number(count) })}
      />
      <div className="send">
        <button type="submit" aria-disabled={busy}>
          {busy ? "Sending…" : "Generate"}
        </button>
        {price && <p className="quiet">At most {price}</p>}
      </div>
      {problem && <ProblemNote problem={problem} />}
    </form>
  );
}

function promptFault(prompt: string, limit: number): string | null {
  if (prompt.trim() === "") return "Say what to draw.";
  if ([...prompt].length > limit) return `The prompt is too long: at most ${limit} characters.`;
  return null;
}

function requestOf(prompt: string, choices: Choices): GenerateRequest {
  // The catalogue may have grown since this page was built; the server checks what it is sent.
  return {
    model: choices.model as GenerateRequest["model"],
    prompt,
    aspect_ratio: choices.ratio as NonNullable<GenerateRequest["aspect_ratio"]>,
    resolution: choices.resolution as NonNullable<GenerateRequest["resolution"]>,
    num_outputs: choices.images,
  };
}

function upTo(most: number): string[] {
  return Array.from({ length: most }, (_, i) => String(i + 1));
}
