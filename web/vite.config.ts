import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

// Where `eggapi dev` listens; only the development server of Vite needs to know.
const api = "http://127.0.0.1:8080";
// The API takes session writes from its own origin only, and the browser names Vite's.
const proxy = { target: api, changeOrigin: true, headers: { origin: api } };

export default defineConfig({
  plugins: [react()],
  server: { proxy: { "/v1": proxy, "/api": proxy, "/files": proxy, "/docs": proxy } },
  build: {
    outDir: "../gen/web",
    emptyOutDir: true,
    target: "es2022",
    // The Content-Security-Policy knows neither inline scripts nor fonts: every part is a file of its own.
    assetsInlineLimit: 0,
    modulePreload: false,
  },
  test: { include: ["src/**/*.test.ts"], environment: "node" },
});
