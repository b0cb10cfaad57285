// The official client, unmodified, through all that it does with e-mail and password. Where it talks to is AUTH_URL; AUTH_MAILS
// gives the link of the n-th mail. Each step prints what the client was told; the first that fails ends with 1.
import assert from "node:assert/strict";
import { createAuthClient } from "better-auth/client";

const { AUTH_URL, AUTH_MAILS } = process.env;
let mails = 0;

// A browser in short: it keeps cookies by name, and says where its page is from.
function browser() {
  const jar = new Map();
  const fetchAsPage = async (input, init = {}) => {
    const headers = new Headers(init.headers ?? (input instanceof Request ? input.headers : undefined));
    headers.set("origin", AUTH_URL);
    if (jar.size > 0) headers.set("cookie", [...jar].map(([name, value]) => `${name}=${value}`).join("; "));
    const response = await fetch(input, { ...init, headers });
    for (const line of response.headers.getSetCookie()) {
      const [pair, ...attributes] = line.split("; ");
      const at = pair.indexOf("=");
      if (attributes.includes("Max-Age=0")) jar.delete(pair.slice(0, at));
      else jar.set(pair.slice(0, at), pair.slice(at + 1));
    }
    return response;
  };
  const client = createAuthClient({ baseURL: AUTH_URL, fetchOptions: { customFetchImpl: fetchAsPage } });
  const open = async (link) => {
    const response = await fetchAsPage(link, { redirect: "manual" });
    return response.status === 302 ? new URL(response.headers.get("location"), AUTH_URL) : response.json();
  };
  return { client, jar, open };
}

async function nextLink() {
  mails++;
  const response = await fetch(`${AUTH_MAILS}?n=${mails}`);
  assert.equal(response.status, 200, `mail ${mails}`);
  return response.text();
}

// What is told is printed without what differs from run to run, so that two servers can be compared.
function plain(value) {
  if (value instanceof Date) return "a date";
  if (Array.isArray(value)) return value.map(plain);
  if (value === null || typeof value !== "object") return value;
  const free = { id: "an id", token: "a token", userId: "an id", ipAddress: "an address", userAgent: "an agent" };
  return Object.fromEntries(
    Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, v]) => [name, typeof v === "string" && free[name] ? free[name] : plain(v)]),
  );
}

async function step(name, promise, check) {
  const { data, error } = await promise;
  console.log(`${name}: ${JSON.stringify(plain(error ? { code: error.code, status: error.status } : data))}`);
  assert.ok(check({ data, error }), `${name}: ${JSON.stringify({ data, error })}`);
  return data;
}

const succeeds = ({ error }) => error === null;
const refused = (status, code) => ({ error }) => error?.status === status && (code === undefined || error.code === code);

const email = "ada@example.com";
const first = browser();
const second = browser();
const password = "correct horse 1";

await step("nobody", first.client.getSession(), ({ data, error }) => data === null && error === null);
await step("sign up", first.client.signUp.email({ name: "Ada", email: "Ada@Example.com", password, callbackURL: "/welcome" }), ({ data }) => data.user.email === email);
await step("sign up again", second.client.signUp.email({ name: "Eve", email, password }), refused(422, "USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL"));
await step("short password", second.client.signUp.email({ name: "Eve", email: "eve@example.com", password: "short" }), refused(400, "PASSWORD_TOO_SHORT"));
const session = await step("session", first.client.getSession(), ({ data }) => data.user.email === email && data.session.expiresAt instanceof Date && !data.user.emailVerified);
assert.ok(Math.abs(session.session.expiresAt - Date.now() - 7 * 86400e3) < 60e3, "a week");

assert.equal((await first.open(await nextLink())).pathname, "/welcome");
await step("verified", first.client.getSession(), ({ data }) => data.user.emailVerified === true);
await step("verify again", first.client.sendVerificationEmail({ email }), refused(400, "EMAIL_ALREADY_VERIFIED"));

await step("wrong password", second.client.signIn.email({ email, password: "wrong horse 1" }), refused(401, "INVALID_EMAIL_OR_PASSWORD"));
await step("unknown address", second.client.signIn.email({ email: "nobody@example.com", password }), refused(401, "INVALID_EMAIL_OR_PASSWORD"));
await step("sign in", second.client.signIn.email({ email, password, rememberMe: false }), ({ data }) => data.user.email === email && data.redirect === false);
assert.ok([...second.jar.keys()].some((name) => name.endsWith("dont_remember")), "to be forgotten");
const list = await step("list sessions", first.client.listSessions(), ({ data }) => data.length === 2 && data.every((s) => s.createdAt instanceof Date));
const other = list.find((s) => s.token !== session.session.token);
await step("revoke one", first.client.revokeSession({ token: other.token }), ({ data }) => data.status === true);
await step("revoked", second.client.getSession(), ({ data }) => data === null);
await step("revoked lists", second.client.listSessions(), refused(401));
await step("sign in again", second.client.signIn.email({ email, password }), succeeds);
await step("revoke others", first.client.revokeOtherSessions(), ({ data }) => data.status === true);
await step("revoked again", second.client.getSession(), ({ data }) => data === null);

await step("update", first.client.updateUser({ name: "Ada Lovelace", image: "https://example.com/a.png" }), ({ data }) => data.status === true);
await step("update nothing", first.client.updateUser({}, { method: "POST" }), refused(400));
await step("updated", first.client.getSession(), ({ data }) => data.user.name === "Ada Lovelace" && data.user.image === "https://example.com/a.png");

await step("wrong current password", first.client.changePassword({ currentPassword: "wrong horse 1", newPassword: "another horse 2" }), refused(400, "INVALID_PASSWORD"));
await step("sign in before the change", second.client.signIn.email({ email, password }), succeeds);
const changed = await step("change password", first.client.changePassword({ currentPassword: password, newPassword: "another horse 2", revokeOtherSessions: true }), succeeds);
assert.notEqual(changed.token, session.session.token);
await step("still in", first.client.getSession(), ({ data }) => data.session.token === changed.token);
await step("others out", second.client.getSession(), ({ data }) => data === null);

await step("same address", first.client.changeEmail({ newEmail: email }), refused(400));
await step("change address", first.client.changeEmail({ newEmail: "lovelace@example.com", callbackURL: "/changed" }), ({ data }) => data.status === true);
assert.equal((await first.open(await nextLink())).pathname, "/changed"); // the present address agrees
await step("not yet", first.client.getSession(), ({ data }) => data.user.email === email);
assert.equal((await first.open(await nextLink())).pathname, "/changed"); // the new one proves itself
await step("changed", first.client.getSession(), ({ data }) => data.user.email === "lovelace@example.com" && data.user.emailVerified);

await step("sign out", first.client.signOut(), ({ data }) => data.success === true);
assert.equal(first.jar.size, 0, "no cookie is left");
await step("ask for nobody", first.client.requestPasswordReset({ email: "nobody@example.com", redirectTo: "/reset" }), ({ data }) => data.status === true);
await step("ask for a reset", first.client.requestPasswordReset({ email: "lovelace@example.com", redirectTo: "/reset" }), ({ data }) => data.status === true);
const page = await first.open(await nextLink());
assert.equal(page.pathname, "/reset");
const token = page.searchParams.get("token");
await step("wrong token", first.client.resetPassword({ newPassword: "a third horse 3", token: "nobodys" }), refused(400, "INVALID_TOKEN"));
await step("reset", first.client.resetPassword({ newPassword: "a third horse 3", token }), ({ data }) => data.status === true);
await step("reset twice", first.client.resetPassword({ newPassword: "a fourth horse 4", token }), refused(400, "INVALID_TOKEN"));
await step("old password", first.client.signIn.email({ email: "lovelace@example.com", password: "another horse 2" }), refused(401));
await step("new password", first.client.signIn.email({ email: "lovelace@example.com", password: "a third horse 3" }), succeeds);

await step("revoke all", first.client.revokeSessions(), ({ data }) => data.status === true);
await step("all out", first.client.getSession(), ({ data }) => data === null);
await step("last sign in", first.client.signIn.email({ email: "lovelace@example.com", password: "a third horse 3" }), succeeds);
await step("delete with a wrong password", first.client.deleteUser({ password: "wrong horse 1" }), refused(400, "INVALID_PASSWORD"));
await step("delete", first.client.deleteUser({ password: "a third horse 3" }), ({ data }) => data.success === true && data.message === "User deleted");
await step("gone", first.client.getSession(), ({ data }) => data === null);
await step("sign in when gone", first.client.signIn.email({ email: "lovelace@example.com", password: "a third horse 3" }), refused(401));
console.log("end");
