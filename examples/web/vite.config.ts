import { defineConfig } from "vite";
import { artifacts, givenFolder } from "./build/artifacts.ts";
import { offline } from "./build/offline.ts";
import { policy } from "./build/policy.ts";
import { BENCHMARK } from "./src/benchmark.ts";

export default defineConfig({
  base: "./", // works in any folder of a web server
  plugins: [artifacts(givenFolder(), BENCHMARK), policy(), offline()],
  worker: { format: "es" },
  build: { target: "es2022", assetsInlineLimit: 0, chunkSizeWarningLimit: 600 },
});
