import { createHash } from "node:crypto";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join, relative, resolve, sep } from "node:path";
import type { Plugin, ResolvedConfig } from "vite";

// Only fetched by those who verify the bits; kept for offline use from then on.
const ON_DEMAND = /\.wasm$|golden|ort|verify/;

/** Write a service worker that keeps every file of the built page for offline use. */
export function offline(): Plugin {
  let config: ResolvedConfig;
  return {
    name: "anb-offline",
    apply: "build",
    enforce: "post",
    configResolved(resolved) {
      config = resolved;
    },
    async closeBundle() {
      const folder = resolve(config.root, config.build.outDir);
      const files = (await readdir(folder, { recursive: true, withFileTypes: true }))
        .filter((entry) => entry.isFile())
        .map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join("/"))
        .filter((file) => file !== "sw.js")
        .sort();
      const hash = createHash("sha256");
      for (const file of files) hash.update(file).update(await readFile(join(folder, file)));
      const version = hash.digest("hex").slice(0, 16);
      const first = ["./", ...files.filter((file) => file !== "index.html" && !ON_DEMAND.test(file))];
      const template = await readFile(join(import.meta.dirname, "sw.template.js"), "utf8");
      const script = template
        .replace('"VERSION"', JSON.stringify(version))
        .replace('["FILES"]', JSON.stringify(first));
      await writeFile(join(folder, "sw.js"), script);
    },
  };
}
