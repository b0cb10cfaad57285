import { expect, test } from "vitest";
import type { Task } from "../api/calls";
import { Problem } from "../api/problem";
import { shortfall, statusLine } from "./wording";

function task(part: Partial<Task>): Task {
  return {
    id: "gen_1",
    status: "pending",
    model: "nanobanana",
    type: "image_generate",
    cost: "$0.00",
    created_at: "2026-05-08T10:30:00Z",
    ...part,
  };
}

const two = task({ status: "completed", cost: "$0.0200", output: { url: "/a", urls: ["/a", "/b"] } });

test("the end of a task names its images and its cost", () => {
  expect(statusLine(two, null)).toBe("Done: 2 images. Cost $0.0200.");
  expect(statusLine(task({ status: "failed" }), null)).toBe("Failed. Cost $0.00.");
});

test("trouble is told in place of a state that may be old", () => {
  expect(statusLine(task({ status: "processing" }), new Problem("offline"))).toMatch(/cannot be reached.*Looking again/);
});

test("fewer images than asked for are pointed out, and only then", () => {
  expect(shortfall(two, 4)).toBe("2 of 4 images could be made; only those are paid for.");
  expect(shortfall(two, 2)).toBeNull();
  expect(shortfall(two, undefined)).toBeNull();
  expect(shortfall(task({ status: "failed" }), 4)).toBeNull();
});
