import { expect, test } from "vitest";
import type { Model } from "../api/calls";
import { choose, settle } from "./choices";

const small: Model = {
  id: "small",
  name: "small",
  types: ["image_generate"],
  aspect_ratios: ["16:9"],
  resolutions: ["1k", "2k"],
  default_resolution: "1k",
  limits: { max_outputs: 2, max_image_urls: 0, max_prompt_characters: 2000, max_negative_prompt_characters: 0 },
  prices: [],
  parameters: [],
};
const large: Model = {
  ...small,
  id: "large",
  aspect_ratios: ["16:9", "9:16"],
  resolutions: ["2k", "4k"],
  default_resolution: "2k",
  limits: { ...small.limits, max_outputs: 4 },
};

test("a model's own default resolution is chosen first, not its smallest", () => {
  expect(choose({ ...small, default_resolution: "2k" }).resolution).toBe("2k");
});

test("changing the model keeps what both offer", () => {
  const chosen = { ...choose(large), images: 2 };
  expect(settle(chosen, small)).toEqual({ model: "small", ratio: "16:9", resolution: "2k", images: 2 });
});

test("changing the model never asks it for what it does not offer", () => {
  const chosen = { ...choose(large), ratio: "9:16", resolution: "4k", images: 4 };
  expect(settle(chosen, large)).toEqual(chosen);
  expect(settle(chosen, small)).toEqual({ model: "small", ratio: "16:9", resolution: "1k", images: 2 });
});
