import type { GenerateRequest, Model } from "../api/calls";

/** What the form has chosen beside the prompt. */
export interface Choices {
  model: string;
  ratio: string;
  resolution: string;
  images: number;
}

/** What a model makes when nothing is chosen. */
export function choose(model: Model): Choices {
  return {
    model: model.id,
    ratio: model.aspect_ratios[0] ?? "",
    resolution: model.default_resolution,
    images: 1,
  };
}

/** Keeps what the model offers too, and replaces the rest by its defaults. */
export function settle(choices: Choices, model: Model): Choices {
  const fresh = choose(model);
  return {
    model: model.id,
    ratio: model.aspect_ratios.includes(choices.ratio) ? choices.ratio : fresh.ratio,
    resolution: model.resolutions.includes(choices.resolution) ? choices.resolution : fresh.resolution,
    images: Math.min(Math.max(choices.images, 1), model.limits.max_outputs),
  };
}

/** The body of POST /v1/generate. */
export function requestOf(prompt: string, choices: Choices): GenerateRequest {
  // The catalogue may have grown since this page was built; the server checks what it is sent.
  return {
    model: choices.model as GenerateRequest["model"],
    prompt,
    aspect_ratio: choices.ratio as NonNullable<GenerateRequest["aspect_ratio"]>,
    resolution: choices.resolution as NonNullable<GenerateRequest["resolution"]>,
    num_outputs: choices.images,
  };
}
