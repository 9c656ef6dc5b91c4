import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

// The page is served by ildm itself: `npm run build` puts it where the wheel takes it from.
export default defineConfig({
  plugins: [react()],
  build: {
    outDir: "../src/ildm/studio/static",
    emptyOutDir: true,
    assetsInlineLimit: 0, // the server's policy allows no data: fonts or scripts
    modulePreload: { polyfill: false },
    target: ["chrome125", "firefox128", "safari17.5"], // which know light-dark() themselves
    chunkSizeWarningLimit: 1200, // of all together, 350 kB when compressed: a test sees to it
  },
  server: { host: "127.0.0.1" },
  test: { environment: "node", include: ["src/**/*.test.ts"] },
});
