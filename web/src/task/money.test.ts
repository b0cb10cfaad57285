import { expect, test } from "vitest";
import type { Model } from "../api/calls";
import { parseMicros, priceOf } from "./money";

function modelAt(price: string): Model {
  return {
    id: "nanobanana",
    name: "nano-banana",
    types: ["image_generate"],
    aspect_ratios: ["16:9"],
    resolutions: ["1k", "4k"],
    default_resolution: "1k",
    limits: { max_outputs: 4, max_image_urls: 9, max_prompt_characters: 2000, max_negative_prompt_characters: 1000 },
    prices: [{ resolution: "1k", unit: "image", price }],
    parameters: [],
  };
}

test.each([
  ["$0.0100", 1, "$0.0100"],
  ["$0.0100", 4, "$0.0400"],
  ["$0.0370", 3, "$0.1110"],
  ["$0.00", 4, "$0.00"],
  ["$12.5000", 4, "$50.0000"],
  ["$0.000125", 3, "$0.000375"],
  ["$9007199254740993.0001", 2, "$18014398509481986.0002"],
])("%s for each of %i images is %s, to the last digit", (price, images, want) => {
  expect(priceOf(modelAt(price), "1k", images)).toBe(want);
});

test("a resolution without a price has none", () => {
  expect(priceOf(modelAt("$0.0100"), "4k", 1)).toBeNull();
});

test.each(["", "0.0100", "$0.1", "$1,000.00", "-$0.0100", "$0.0000001", "$x.00"])("%s is not read as money", (text) => {
  expect(parseMicros(text)).toBeNull();
});
