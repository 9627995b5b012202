import { defineConfig } from "vite";

// The dev server passes the requests of the page on to the gateway, so the page has one origin.
const proxy = { "/api": process.env.GATEWAY_URL ?? "http://localhost:8080" };

export default defineConfig({
  // Vite compiles JSX without a plugin. If you add @vitejs/plugin-react, components keep their state when you
  // edit their code.
  esbuild: { jsx: "automatic" },
  // Without this line, the dev server finds the module only after the first request, and reloads the page.
  optimizeDeps: { include: ["react/jsx-dev-runtime"] },
  server: {
    proxy,
    // The packages of this repository are in ../../console. An app that installs them from a registry needs
    // neither this line nor `resolve`.
    fs: { allow: ["../.."] },
  },
  preview: { proxy },
  build: {
    rollupOptions: {
      // "use client" is for servers that render React. A page in the browser does not need it.
      onwarn: (warning, warn) => warning.code === "MODULE_LEVEL_DIRECTIVE" || warn(warning),
    },
  },
  resolve: { dedupe: ["@oasis-devhub/client", "react", "react-dom"] },
});
