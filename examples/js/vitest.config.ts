import { defineConfig } from "vitest/config";

export default defineConfig({
  // The limits end what hangs; a busy machine takes its time.
  test: { include: ["test/**/*.test.ts"], testTimeout: 900_000, hookTimeout: 900_000 },
});
