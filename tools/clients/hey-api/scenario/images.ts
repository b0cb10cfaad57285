import { setTimeout as sleep } from "node:timers/promises";
import * as eggapi from "#eggapi";
import { answered, must, type Scenario } from "./steps.js";

const patienceMs = 60_000;
const pauseMs = 250;
const pngMagic = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

export async function models(s: Scenario): Promise<void> {
  const catalogue = answered(await eggapi.listModels({ client: s.customer }));
  const model = catalogue.data.find((m) => m.id === s.request.model);
  must(model !== undefined, `${s.request.model} is not among the models`);
  must(model.limits.max_outputs >= 1 && model.prices.length > 0, "a model without limits and prices");
}

async function submit(s: Scenario): Promise<{ task: eggapi.Task; replayed: string | null }> {
  const call = await eggapi.generate({
    client: s.customer,
    headers: { "Idempotency-Key": s.idempotencyKey },
    body: s.request,
  });
  return { task: answered(call).data, replayed: call.response.headers.get("Idempotent-Replayed") };
}

export async function generate(s: Scenario): Promise<void> {
  const { task, replayed } = await submit(s);
  must(task.id !== "" && task.model === s.request.model && replayed === null, `not a new task: ${JSON.stringify(task)}`);
  s.taskID = task.id;
}

export async function replay(s: Scenario): Promise<void> {
  const { task, replayed } = await submit(s);
  must(replayed === "true", "the header Idempotent-Replayed is not true");
  must(task.id === s.taskID, `task ${task.id} instead of ${s.taskID}`);
}

export async function completed(s: Scenario): Promise<void> {
  const deadline = Date.now() + patienceMs;
  while (Date.now() < deadline) {
    const call = await eggapi.getTask({ client: s.customer, path: { id: s.taskID } });
    if (call.response.status === 429) {
      await sleep(Number(call.response.headers.get("Retry-After")) * 1000);
      continue;
    }
    const task = answered(call).data;
    if (task.completed_at === undefined) {
      await sleep(pauseMs);
      continue;
    }
    must(task.status === "completed" && task.output !== undefined, `not completed: ${JSON.stringify(task)}`);
    must(task.output.urls.length === 1, `${task.output.urls.length} images instead of one`);
    s.imageURL = task.output.url;
    return;
  }
  throw new Error(`task ${s.taskID} has not ended after ${patienceMs} ms`);
}

export async function download(s: Scenario): Promise<void> {
  const response = await fetch(s.imageURL);
  const image = Buffer.from(await response.arrayBuffer());
  must(response.ok && image.subarray(0, pngMagic.length).equals(pngMagic), `${s.imageURL} is not a PNG: ${response.status}`);
}

export async function usage(s: Scenario): Promise<void> {
  const call = await eggapi.summarizeUsage({ client: s.customer, query: { model: s.request.model } });
  const row = answered(call).data.find((r) => r.model === s.request.model);
  must(row !== undefined && row.request_count >= 1 && row.total_units >= 1, `no usage of ${s.request.model}`);
}
