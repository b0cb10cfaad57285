// Uses the first page as a person would, in a real browser, against a running server.
//
//   EGGAPI_DEV_JSON  path of the dev.json that `eggapi dev` writes (url, email, password); needed
//   CHROMIUM         path of the browser; /usr/bin/chromium when absent
//   SCREENSHOT       path of a PNG to write once the image is there; optional
//
// Ends with 0 when everything held, else with 1 and one line that says what did not.
import { readFile } from "node:fs/promises";
import { argv, env, exit } from "node:process";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const patienceMs = 60_000;
const flags = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

class Failure extends Error {}

function check(holds, message) {
  if (!holds) throw new Failure(message);
}

/** Names the step that fails, for the browser's own errors do not. */
async function step(name, run) {
  try {
    const result = await run();
    console.log(`ok    ${name}`);
    return result;
  } catch (error) {
    const reason = error instanceof Failure ? error.message : String(error.message).split("\n")[0];
    throw new Failure(`${name}: ${reason}`);
  }
}

async function readDev() {
  check(env.EGGAPI_DEV_JSON, "EGGAPI_DEV_JSON is not set; it names the dev.json of a running `eggapi dev`");
  const dev = JSON.parse(await readFile(env.EGGAPI_DEV_JSON, "utf8"));
  for (const name of ["url", "email", "password"]) check(dev[name], `${env.EGGAPI_DEV_JSON} has no "${name}"`);
  return dev;
}

/** Everything a browser complains of, and every request that leaves the server's own origin. */
async function watch(page, origin) {
  const complaints = [];
  page.on("console", (m) => {
    if (m.type() === "error" || m.type() === "warning") complaints.push(`console ${m.type()}: ${m.text()}`);
  });
  page.on("pageerror", (error) => complaints.push(`uncaught: ${error.message}`));
  page.on("request", (request) => {
    const url = new URL(request.url());
    if (url.protocol !== "data:" && url.origin !== origin) complaints.push(`request to ${url.origin}`);
  });
  await page.exposeFunction("reportViolation", (text) => complaints.push(`policy violation: ${text}`));
  await page.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (v) => {
      window.reportViolation(`${v.violatedDirective} ${v.blockedURI}`);
    });
  });
  return complaints;
}

async function open(page, url) {
  const response = await page.goto(url);
  check(response?.ok(), `GET ${url} answered ${response?.status()}`);
  const policy = response.headers()["content-security-policy"] ?? "";
  for (const rule of ["default-src 'none'", "script-src 'self'", "style-src 'self'"]) {
    check(policy.split(/;\s*/).includes(rule), `the Content-Security-Policy lacks ${rule}: ${policy || "there is none"}`);
  }
  await page.getByRole("heading", { name: "EggAPI" }).waitFor();
}

/** By keyboard alone, from the field that has the focus when the form appears. */
async function signIn(page, email, password) {
  await page.getByRole("button", { name: "Sign in" }).waitFor();
  await page.waitForFunction(() => document.activeElement?.id === "email");
  await page.keyboard.press("ControlOrMeta+A");
  await page.keyboard.type(email);
  await page.keyboard.press("Tab");
  await page.keyboard.type(password);
  await page.keyboard.press("Enter");
}

async function enter(page, dev) {
  await signIn(page, dev.email, dev.password);
  const refused = page.getByRole("alert");
  await page.getByRole("button", { name: "Sign out" }).or(refused).first().waitFor();
  if (await refused.isVisible()) throw new Failure(`the page says: ${await refused.innerText()}`);
}

async function generate(page, prompt) {
  await page.waitForFunction(() => document.activeElement?.id === "prompt");
  await page.keyboard.type(prompt);
  const accepted = page.waitForResponse((r) => r.url().endsWith("/v1/generate"));
  await page.keyboard.press("ControlOrMeta+Enter");
  const response = await accepted;
  check(response.status() === 202, `POST /v1/generate answered ${response.status()}: ${await response.text()}`);
  return (await response.json()).data.id;
}

async function imageShown(page) {
  const outcome = await page.waitForFunction(
    () => {
      const words = document.querySelector(".result :is(.problem, .missing)")?.textContent;
      if (words) return { words };
      const img = document.querySelector(".result .picture img");
      return img?.complete && img.naturalWidth > 0 && { size: `${img.naturalWidth} x ${img.naturalHeight}` };
    },
    undefined,
    { timeout: patienceMs },
  );
  const { words, size } = await outcome.jsonValue();
  check(size, `the page says: ${words}`);
  return size;
}

async function costShown(page, id) {
  const cost = await page.getByTestId("cost").innerText();
  check(/^\$\d+\.\d{2,6}$/.test(cost), `the cost reads "${cost}"`);
  const task = await page.evaluate(async (path) => (await (await fetch(path)).json()).data, `/v1/tasks/${id}`);
  check(task.cost === cost, `the page says ${cost}, the API ${task.cost}`);
  check(Number(cost.slice(1)) > 0, "the image cost nothing");
  const status = await page.locator(".result [role=status]").innerText();
  check(status.includes(cost), `the status for screen readers reads "${status}"`);
  return cost;
}

/** The list and the balance follow the task without anybody reloading. */
async function restFollows(page, balanceBefore) {
  const newest = page.locator(".recent li").first();
  await newest.getByText("Done").waitFor({ timeout: patienceMs });
  await page.waitForFunction(() => {
    const thumb = document.querySelector(".recent li img");
    return thumb?.complete && thumb.naturalWidth > 0;
  });
  await page.waitForFunction((before) => document.querySelector(".balance strong")?.textContent !== before, balanceBefore);
}

async function balanceOf(page) {
  const shown = page.locator(".balance strong").filter({ hasText: "$" });
  await shown.waitFor();
  return shown.innerText();
}

async function signOut(page) {
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByText("You are signed out.").waitFor();
  const user = await page.evaluate(async () => (await fetch("/api/auth/get-session")).json());
  check(user === null, "the session still exists");
}

async function refusals(page, dev) {
  await signIn(page, dev.email, `${dev.password} not`);
  const alert = page.getByRole("alert");
  await alert.waitFor();
  check((await alert.innerText()).includes("Invalid email or password"), `the page says: ${await alert.innerText()}`);
  await page.getByLabel("E-mail").focus();
  await signIn(page, dev.email, dev.password);
  const prompt = page.getByLabel("Prompt");
  await prompt.fill("words that outlive a session");
  await page.context().clearCookies();
  await page.getByRole("button", { name: "Generate" }).click();
  await page.getByText("Your session has ended.").waitFor();
}

async function visit(browser, dev) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  const complaints = await watch(page, new URL(dev.url).origin);

  await step("the page opens under its policy", () => open(page, dev.url));
  await step("the demo user signs in by keyboard", () => enter(page, dev));
  const before = await step("the balance is shown", () => balanceOf(page));
  const id = await step("a prompt is accepted", () => generate(page, "A lighthouse made of eggshell at dawn"));
  const size = await step("the image is loaded", () => imageShown(page));
  const cost = await step("its cost is shown", () => costShown(page, id));
  await step("the list and the balance follow", () => restFollows(page, before));
  if (env.SCREENSHOT) await page.screenshot({ path: env.SCREENSHOT, fullPage: true });
  await step("signing out ends the session", () => signOut(page));
  await step("nothing was complained of", () => check(complaints.length === 0, complaints.join("; ")));
  // Refused requests are console errors to a browser, so these come after the check above.
  await step("refusals are told, and an ended session leads back to the form", () => refusals(page, dev));
  await step("no policy was violated meanwhile", () => {
    const worse = complaints.filter((c) => !c.startsWith("console error: Failed to load resource"));
    check(worse.length === 0, worse.join("; "));
  });
  console.log(`${id}: ${size}, ${cost}`);
}

/** Gives 0 or 1, after the browser and its throw-away profile are gone. */
async function main() {
  let browser;
  try {
    const dev = await readDev();
    browser = await chromium.launch({ executablePath: env.CHROMIUM || "/usr/bin/chromium", args: flags });
    await visit(browser, dev);
    return 0;
  } catch (error) {
    console.error(`FAIL  ${error.message.replace(/\s+/g, " ")}`);
    return 1;
  } finally {
    await browser?.close();
  }
}

if (argv[1] === fileURLToPath(import.meta.url)) exit(await main());
