import type { Model } from "../api/calls";

/** The price of so many images, as the API writes money; null when the catalogue has none for the resolution. */
export function priceOf(model: Model, resolution: string, images: number): string | null {
  const price = model.prices.find((p) => p.unit === "image" && p.resolution === resolution);
  const micros = price ? parseMicros(price.price) : null;
  return micros === null ? null : formatMicros(micros * BigInt(images));
}

/** Millionths of a dollar in a string such as `$0.0100`; null for anything else. */
export function parseMicros(money: string): bigint | null {
  const parts = /^\$(\d+)\.(\d{2,6})$/.exec(money);
  if (!parts) return null;
  return BigInt(parts[1] + (parts[2] ?? "").padEnd(6, "0"));
}

/** `$` and four decimals, or six where four would round; `$0.00` for nothing, as the API says it. */
function formatMicros(micros: bigint): string {
  if (micros === 0n) return "$0.00";
  const digits = micros.toString().padStart(7, "0");
  const decimals = digits.slice(-6).replace(/00$/, "");
  return `$${digits.slice(0, -6)}.${decimals}`;
}
