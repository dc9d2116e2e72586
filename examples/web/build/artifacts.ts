import { copyFile, mkdir, readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { Plugin, ResolvedConfig } from "vite";

/** Serve the artifacts beside the page while developing, and copy them beside the built one. */
export function artifacts(folder: string): Plugin {
  const from = resolve(folder);
  let config: ResolvedConfig;
  return {
    name: "anb-artifacts",
    configResolved(resolved) {
      config = resolved;
    },
    configureServer(server) {
      server.middlewares.use("/artifacts/", (request, response, next) => {
        const file = (request.url ?? "").split("?")[0].slice(1);
        if (!/^[\w.-]+$/.test(file)) return next();
        readFile(join(from, file)).then((content) => response.end(content), next);
      });
    },
    async writeBundle() {
      const to = resolve(config.root, config.build.outDir, "artifacts");
      await mkdir(to, { recursive: true });
      for (const file of await listed(from)) await copyFile(join(from, file), join(to, file));
    },
  };
}

/** The manifest, and the files that it lists. */
async function listed(folder: string): Promise<string[]> {
  const text = await readFile(join(folder, "manifest.json"), "utf8").catch((error: Error) => {
    throw new Error(`no artifacts in ${folder} (${error.message}); set ANB_ARTIFACTS`);
  });
  const manifest = JSON.parse(text) as {
    targets: Record<string, { file: string; tables?: unknown }>;
    golden?: { file: string };
  };
  for (const [target, card] of Object.entries(manifest.targets)) {
    if (!card.tables) throw new Error(`${folder}: ${target} has no tables, which the page needs`);
  }
  const files = Object.values(manifest.targets).map((card) => card.file);
  return ["manifest.json", ...files, ...(manifest.golden ? [manifest.golden.file] : [])];
}
