import { type FormEvent, useEffect, useRef, useState } from "react";
import type { Model, Task } from "../api/calls";
import { type Problem, problemFromThrown } from "../api/problem";
import { ProblemNote } from "../ProblemNote";
import { priceOf } from "../task/money";
import type { Submissions } from "../task/submission";
import { type Choices, choose, requestOf, settle } from "./choices";
import { PromptField, promptFault } from "./PromptField";
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
  const field = useRef<HTMLTextAreaElement>(null);
  useEffect(() => field.current?.focus(), []);

  const model = catalogue.find((m) => m.id === picked.model) ?? first;
  const choices = settle(picked, model);
  const limit = model.limits.max_prompt_characters;

  function refuse(failed: Problem) {
    const blamed = failed.fields.find((f) => f.name === "prompt");
    setProblem(failed);
    setWrong(blamed ? `The prompt ${blamed.message}.` : null);
    field.current?.focus();
  }

  async function submit(event: FormEvent) {
    event.preventDefault();
    if (busy) return;
    const fault = promptFault(prompt, limit);
    setWrong(fault);
    setProblem(null);
    if (fault) return field.current?.focus();
    setBusy(true);
    try {
      const task = await submissions.submit(requestOf(prompt, choices));
      onAccepted(task, { prompt, images: choices.images, ratio: choices.ratio });
    } catch (thrown) {
      const failed = problemFromThrown(thrown);
      if (failed.kind === "unauthorized") return onSessionEnd();
      refuse(failed);
    }
    setBusy(false);
  }

  return (
    <form onSubmit={submit} aria-busy={busy} noValidate>
      <PromptField
        field={field}
        value={prompt}
        limit={limit}
        wrong={wrong}
        onChange={(value) => {
          onPrompt(value);
          setWrong(null);
        }}
      />
      <Options catalogue={catalogue} model={model} choices={choices} onChange={setPicked} />
      <div className="send">
        <button type="submit" aria-disabled={busy}>
          {busy ? "Sending…" : "Generate"}
        </button>
        <Price model={model} choices={choices} />
      </div>
      {problem && <ProblemNote problem={problem} />}
    </form>
  );
}

interface OptionsProps {
  catalogue: Model[];
  model: Model;
  choices: Choices;
  onChange: (choices: Choices) => void;
}

function Options({ catalogue, model, choices, onChange }: OptionsProps) {
  const pick = (part: Partial<Choices>) => onChange({ ...choices, ...part });
  const counts = Array.from({ length: model.limits.max_outputs }, (_, i) => String(i + 1));
  return (
    <>
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
        options={counts}
        value={String(choices.images)}
        onChange={(count) => pick({ images: Number(count) })}
      />
    </>
  );
}

function Price({ model, choices }: { model: Model; choices: Choices }) {
  const price = priceOf(model, choices.resolution, choices.images);
  return price && <p className="quiet">At most {price}</p>;
}
