// A real Better Auth server on a database of ours. All it needs comes from the environment; it prints its port, and a line
// of JSON for each mail.
import { createServer } from "node:http";
import { betterAuth } from "better-auth";
import { toNodeHandler } from "better-auth/node";
import pg from "pg";

const { AUTH_DATABASE_URL, AUTH_SECRET, AUTH_BASE_URL, AUTH_COOKIE_PREFIX, AUTH_ORIGINS } = process.env;

const post = (kind) => async ({ user, url, token }) => {
  console.log(JSON.stringify({ mail: kind, to: user.email, url, token }));
};

const auth = betterAuth({
  database: new pg.Pool({ connectionString: AUTH_DATABASE_URL, max: 4 }),
  secret: AUTH_SECRET,
  baseURL: AUTH_BASE_URL,
  trustedOrigins: (AUTH_ORIGINS ?? "").split(",").filter(Boolean),
  advanced: AUTH_COOKIE_PREFIX ? { cookiePrefix: AUTH_COOKIE_PREFIX } : {},
  emailAndPassword: { enabled: true, sendResetPassword: post("reset"), revokeSessionsOnPasswordReset: true },
  emailVerification: { sendOnSignUp: true, sendVerificationEmail: post("verify") },
  user: {
    changeEmail: { enabled: true, sendChangeEmailConfirmation: post("confirm") },
    deleteUser: { enabled: true },
  },
  rateLimit: { enabled: false },
  telemetry: { enabled: false },
  logger: { level: "error" },
});

const server = createServer(toNodeHandler(auth));
server.listen(0, "127.0.0.1", () => console.log(JSON.stringify({ port: server.address().port })));
