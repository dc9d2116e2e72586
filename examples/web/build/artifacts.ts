import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { Plugin, ResolvedConfig } from "vite";
import { Catalog, TableEngine } from "../../js/src/pure";

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
        if (!/^[\w-][\w.-]*$/.test(file)) return next();
        readFile(join(from, file)).then((content) => response.end(content), next);
      });
    },
    async writeBundle() {
      const to = resolve(config.root, config.build.outDir, "artifacts");
      const files = await checked(from);
      await mkdir(to, { recursive: true });
      for (const [file, content] of files) await writeFile(join(to, file), content);
    },
  };
}

/** The manifest and the files that it lists, each as the page would accept it. */
async function checked(folder: string): Promise<Map<string, Uint8Array>> {
  const catalog = await Catalog.open(folder);
  const files = new Map<string, Uint8Array>();
  for (const target of catalog.targets) {
    const card = catalog.cards[target.name];
    const model = await catalog.read(target);
    TableEngine.fromOnnx(model, card, catalog.space, `${folder}/${card.file}`); // which the page needs
    files.set(card.file, model);
  }
  const golden = await catalog.readGolden();
  if (golden) files.set(golden.document.file as string, await readFile(join(folder, golden.document.file as string)));
  return files.set("manifest.json", await readFile(join(folder, "manifest.json")));
}
