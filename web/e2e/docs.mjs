// Reads the documentation and tries the reference as a person would, in a real browser, against a running server.
//
//   EGGAPI_DEV_JSON  path of the dev.json that `eggapi dev` writes (url, test_key); needed
//   CHROMIUM         path of the browser; /usr/bin/chromium when absent
//   SHOTS            folder for screenshots of some pages; optional
//
// Ends with 0 when everything held, else with 1 and one line that says what did not.
import { mkdir, readFile } from "node:fs/promises";
import { argv, env, exit } from "node:process";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const flags = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "font-src 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
  "form-action 'none'",
];
const desktop = { width: 1280, height: 900 };
const phone = { width: 390, height: 844 };

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

/** Opens a tab that notes what a browser complains of, and every request that leaves the server's own origin. */
async function tab(browser, origin, options = {}) {
  const context = await browser.newContext({ viewport: desktop, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  const complaints = [];
  page.on("console", (m) => {
    if (m.type() === "error" || m.type() === "warning") complaints.push(`console ${m.type()}: ${m.text()}`);
  });
  page.on("pageerror", (error) => complaints.push(`uncaught: ${error.message}`));
  page.on("request", (request) => {
    const url = new URL(request.url());
    if (!["data:", "blob:"].includes(url.protocol) && url.origin !== origin) complaints.push(`request to ${url.origin}`);
  });
  await page.exposeFunction("reportViolation", (text) => complaints.push(`policy violation: ${text}`));
  await page.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (v) => {
      window.reportViolation(`${v.violatedDirective} ${v.blockedURI}`);
    });
  });
  return { context, page, complaints };
}

async function open(page, url) {
  const response = await page.goto(url);
  check(response?.ok(), `GET ${url} answered ${response?.status()}`);
  const stated = (response.headers()["content-security-policy"] ?? "").split(/;\s*/);
  check(stated.sort().join() === [...policy].sort().join(), `the Content-Security-Policy of ${url} is: ${stated.join("; ")}`);
  await page.getByRole("heading", { level: 1 }).waitFor();
}

async function quickstart(page, url) {
  await open(page, `${url}/docs/quickstart`);
  await page.keyboard.press("Tab");
  const skip = page.getByRole("link", { name: "Skip to the content" });
  check(await skip.evaluate((link) => link === document.activeElement), "the first stop of the keyboard is not the skip link");
  await page.getByRole("tab", { name: "Python" }).click();
  await page.getByText("import json, os, time, urllib.request").waitFor();
  await page.keyboard.press("ArrowRight");
  await page.getByText("console.log(task.status").waitFor();
  check(await page.getByText("import json, os, time, urllib.request").isHidden(), "two languages are shown at once");
  await page.getByRole("button", { name: "Copy" }).locator("visible=true").first().click();
  await page.getByRole("button", { name: /Copied|Selected/ }).waitFor();
  const settings = await page.getByText("export EGGAPI_URL").first().innerText();
  check(settings.includes(url), `the page does not name its own server: ${settings}`);
  await page.reload();
  await page.getByText("console.log(task.status").waitFor(); // the language is remembered
}

/** Follows the navigation from the first page to the last. */
async function everyPage(page, url) {
  await open(page, `${url}/docs`);
  const names = [];
  for (;;) {
    const next = page.locator("a[rel=next]");
    names.push(await page.locator("#pages [aria-current=page]").innerText());
    if ((await next.count()) === 0) break;
    await open(page, url + (await next.getAttribute("href")));
  }
  check(names.length === (await page.locator("#pages li").count()), `the way from page to page has only ${names.join(", ")}`);
  return names;
}

async function authorize(page, key) {
  await page.getByRole("button", { name: "Authorize", exact: true }).first().click();
  await page.getByLabel("auth-bearer-value").fill(key);
  await page.locator(".modal-ux").getByRole("button", { name: "Apply credentials" }).first().click();
  await page.locator(".modal-ux").getByRole("button", { name: "Close" }).first().click();
}

/** Sends a request from the reference, and gives the status and the body that it shows. */
async function tryOut(page, operation) {
  const block = page.locator(`[id^=operations-][id$=-${operation}]`);
  const execute = block.getByRole("button", { name: "Execute" });
  await block.waitFor();
  if (!(await execute.isVisible())) await block.locator(".opblock-summary-control").click();
  await execute.click();
  const answer = block.locator(".live-responses-table .response");
  await answer.waitFor();
  const status = await answer.locator(".response-col_status").innerText();
  const body = await answer.locator(".response-col_description").innerText();
  return { status: Number.parseInt(status, 10), body };
}

async function reference(page, dev) {
  await open(page, `${dev.url}/docs/reference`);
  const open200 = await tryOut(page, "listModels");
  check(open200.status === 200 && open200.body.includes("nanobanana"), `GET /v1/models shows ${open200.status}: ${open200.body}`);
  await authorize(page, dev.test_key);
  const own = await tryOut(page, "listTasks");
  check(own.status === 200 && own.body.includes("pagination"), `GET /v1/tasks shows ${own.status}: ${own.body}`);
}

/** The key is nowhere but in the page's memory. */
async function keyIsNotKept(page, dev) {
  const kept = await page.evaluate(async () => {
    const databases = await indexedDB.databases();
    return JSON.stringify([{ ...localStorage }, { ...sessionStorage }, databases, document.cookie, location.href, history.state]);
  });
  check(!kept.includes(dev.test_key), `the key is kept: ${kept.replaceAll(dev.test_key, "KEY")}`);
  await page.reload();
  const { status } = await tryOut(page, "listTasks");
  check(status === 401, `after a reload GET /v1/tasks still shows ${status}`);
}

async function withoutScripts(browser, dev) {
  const { page, context } = await tab(browser, dev.url, { javaScriptEnabled: false });
  await page.goto(`${dev.url}/docs/quickstart`);
  for (const name of ["curl", "Python", "TypeScript", "Go"]) {
    check(await page.locator(".caption", { hasText: new RegExp(`^${name}$`) }).isVisible(), `the ${name} sample does not show`);
  }
  await page.goto(`${dev.url}/docs/reference`);
  check(await page.getByText("POST /v1/generate").isVisible(), "the reference lists nothing");
  await context.close();
}

async function onAPhone(browser, dev, names) {
  const { page, context, complaints } = await tab(browser, dev.url, { viewport: phone });
  for (const path of ["", "/quickstart", "/errors", "/limits", "/webhooks", "/sandbox", "/reference"]) {
    await open(page, `${dev.url}/docs${path}`);
    if (path === "/reference") await page.locator(".opblock").first().waitFor();
    const wider = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    check(wider <= 0, `/docs${path} is ${wider} pixels wider than the screen`);
  }
  const link = page.locator("#pages").getByRole("link", { name: names.at(-1), exact: true });
  check(await link.isHidden(), "the menu is open before it is asked for");
  await page.getByRole("link", { name: "Menu", exact: true }).click();
  await link.waitFor();
  check(complaints.length === 0, complaints.join("; "));
  await context.close();
}

async function shoot(browser, dev) {
  await mkdir(env.SHOTS, { recursive: true });
  const looks = { light: { colorScheme: "light" }, dark: { colorScheme: "dark" }, phone: { viewport: phone, deviceScaleFactor: 2 } };
  for (const [look, options] of Object.entries(looks)) {
    const { page, context } = await tab(browser, dev.url, options);
    for (const name of ["index", "quickstart", "errors", "reference"]) {
      await open(page, `${dev.url}/docs${name === "index" ? "" : `/${name}`}`);
      if (name === "reference") {
        await page.locator(".opblock").first().waitFor();
        await page.screenshot({ path: `${env.SHOTS}/reference-${look}.png` });
        await tryOut(page, "listModels");
      }
      await page.screenshot({ path: `${env.SHOTS}/${name}-${look}-whole.png`, fullPage: true });
      if (name !== "reference") await page.screenshot({ path: `${env.SHOTS}/${name}-${look}.png` });
    }
    await context.close();
  }
}

async function visit(browser, dev) {
  const { page, complaints } = await tab(browser, new URL(dev.url).origin);
  await step("the quickstart works by keyboard and mouse", () => quickstart(page, dev.url));
  const names = await step("every page opens, one after the other", () => everyPage(page, dev.url));
  await step("the reference sends requests, with a pasted key too", () => reference(page, dev));
  await step("nothing was complained of", () => check(complaints.length === 0, complaints.join("; ")));
  // A refused request is a console error to a browser, so this comes after the check above.
  await step("the key is not kept", () => keyIsNotKept(page, dev));
  await step("no policy was violated meanwhile", () => {
    const worse = complaints.filter((c) => !c.startsWith("console error: Failed to load resource"));
    check(worse.length === 0, worse.join("; "));
  });
  await step("the pages can be read without scripts", () => withoutScripts(browser, dev));
  await step("the pages fit a phone", () => onAPhone(browser, dev, names));
  if (env.SHOTS) await step("screenshots", () => shoot(browser, dev));
  console.log(`${names.length} pages: ${names.join(", ")}`);
}

/** Gives 0 or 1, after the browser and its throw-away profile are gone. */
async function main() {
  let browser;
  try {
    check(env.EGGAPI_DEV_JSON, "EGGAPI_DEV_JSON is not set; it names the dev.json of a running `eggapi dev`");
    const dev = JSON.parse(await readFile(env.EGGAPI_DEV_JSON, "utf8"));
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
