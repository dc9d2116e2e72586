import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { Plugin, ResolvedConfig } from "vite";
import { namedFolder } from "../../js/src/files";
import { Catalog, TableEngine } from "../../js/src/pure";

/**
 * Serve the artifacts of a benchmark beside the page while developing, and copy them beside the
 * built one; both in a folder of the benchmark's name.
 *
 * @param folder The folder of the benchmark, or one with the folders of several.
 */
export function artifacts(folder: string, benchmark: string): Plugin {
  const from = folderOf(folder, benchmark);
  let config: ResolvedConfig;
  return {
    name: "anb-artifacts",
    configResolved(resolved) {
      config = resolved;
    },
    configureServer(server) {
      server.middlewares.use(`/artifacts/${benchmark}/`, (request, response, next) => {
        const file = (request.url ?? "").split("?")[0].slice(1);
        if (!/^[\w-][\w.-]*$/.test(file)) return next();
        readFile(join(from, file)).then((content) => response.end(content), next);
      });
    },
    async writeBundle() {
      const to = resolve(config.root, config.build.outDir, "artifacts", benchmark);
      const files = await checked(from, benchmark);
      await mkdir(to, { recursive: true });
      for (const [file, content] of files) await writeFile(join(to, file), content);
    },
  };
}

/** The folder that `ANB_ONNX_ARTIFACTS` names, else the checkout's. */
export function givenFolder(): string {
  return namedFolder() ?? "../../artifacts";
}

/** The folder itself where it has a manifest, else the one of the benchmark's name in it. */
export function folderOf(folder: string, benchmark: string): string {
  return existsSync(join(folder, "manifest.json")) ? resolve(folder) : resolve(folder, benchmark);
}

/** The manifest and the files that it lists, each as the page would accept it. */
async function checked(folder: string, benchmark: string): Promise<Map<string, Uint8Array>> {
  const catalog = await Catalog.open(folder, { benchmark });
  const files = new Map<string, Uint8Array>();
  for (const target of catalog.targets) {
    const card = catalog.cards[target.name];
    const model = await catalog.read(target);
    TableEngine.fromOnnx(model, card, catalog.space, `${folder}/${card.file}`); // which the page needs
    files.set(card.file, model);
  }
  const golden = await catalog.readGolden();
  const file = golden?.document.file as string | undefined;
  if (file) files.set(file, await readFile(join(folder, file)));
  const truth = (await catalog.readTruth()) && (catalog.manifest.truth as { file: string }).file;
  if (truth) files.set(truth, await readFile(join(folder, truth)));
  return files.set("manifest.json", await readFile(join(folder, "manifest.json")));
}
