import { expect, test } from "vitest";
import { lengthOf, promptFault } from "./PromptField";

test("a prompt is as long as the API counts it: an emoji is one character", () => {
  expect(lengthOf("egg🥚")).toBe(4);
  expect(promptFault("🥚".repeat(2000), 2000)).toBeNull();
  expect(promptFault("🥚".repeat(2001), 2000)).toMatch(/at most 2000/);
});

test.each(["", " ", "\n\t "])("%j says nothing to draw", (prompt) => {
  expect(promptFault(prompt, 2000)).toBe("Say what to draw.");
});
