/** Where manifests lie: in the folder of one benchmark, or in the folders below a root of several. */

import { ArtifactError, show, TargetError } from "./errors.js";
import { type Folder, type FolderOptions, openFolder } from "./files.js";
import { parseObject } from "./json.js";
import { checkSchema } from "./schema.js";

const MANIFEST = "manifest.json";

/** One benchmark: its folder, and the manifest as far as schema and name. */
export interface Found {
  readonly name: string;
  readonly files: Folder;
  readonly manifest: Record<string, unknown>;
}

/**
 * Return the names of the benchmarks in a folder: of its own, or of the folders directly below.
 *
 * @param folder As `Catalog.open` takes it; http has no listings, so only in Node and not an http
 *   address.
 */
export async function benchmarks(folder?: string | URL, options: FolderOptions = {}): Promise<string[]> {
  const files = openFolder(folder, options);
  const names = await files.list();
  if (!names) {
    throw new ArtifactError(`${files.label} cannot be listed; open a benchmark of it by name: { benchmark: NAME }`);
  }
  const found = names.includes(MANIFEST) ? [await readBenchmark(files)] : await readRoot(files, names);
  return found.map(({ name }) => name).sort();
}

/**
 * Find a benchmark in a folder that is its own, or a root of several.
 *
 * Throws `TargetError` with the names that are valid, or `ArtifactError` where a manifest is
 * missing, or is not of the name of its folder below the root.
 */
export async function findBenchmark(files: Folder, name: string | undefined): Promise<Found> {
  if (name !== undefined && !isBenchmarkName(name)) throw new TargetError(unknown(name, NAMES));
  const names = await files.list();
  if (!names && name !== undefined) return readBelow(files, name);
  const isRoot = names && !names.includes(MANIFEST);
  const found = isRoot ? await readRoot(files, names) : [];
  if (!found.length) found.push(await readBenchmark(files)); // or say why not
  const valid = found.map((benchmark) => benchmark.name).sort().join(", ");
  if (name === undefined && found.length > 1) {
    throw new TargetError(`${files.label} holds several benchmarks, say which by { benchmark: NAME }: ${valid}`);
  }
  const fits = name === undefined ? found[0] : found.find((benchmark) => benchmark.name === name);
  if (!fits) throw new TargetError(unknown(name, `valid benchmarks: ${valid}`));
  return fits;
}

const NAMES = "names have 1 to 64 characters of a-z 0-9 . _ - and begin with a letter or digit";

function unknown(name: unknown, valid: string): string {
  return `unknown benchmark ${show(name)}; ${valid}`;
}

function isBenchmarkName(name: unknown): name is string {
  return typeof name === "string" && /^[a-z0-9][a-z0-9._-]{0,63}$/.test(name);
}

async function readRoot(root: Folder, names: readonly string[]): Promise<Found[]> {
  const found: Found[] = [];
  for (const name of names) {
    if ((await root.below(name).list())?.includes(MANIFEST)) found.push(await readBelow(root, name));
  }
  return found;
}

/** Read a benchmark in a root, where its folder has its name. */
async function readBelow(root: Folder, folder: string): Promise<Found> {
  const found = await readBenchmark(root.below(folder));
  if (found.name !== folder) {
    const facts = `key "benchmark" is ${show(found.name)}, but its folder is called ${show(folder)}`;
    throw new ArtifactError(`${found.files.label}${MANIFEST}: ${facts}; rename the folder`);
  }
  return found;
}

async function readBenchmark(files: Folder): Promise<Found> {
  const source = files.label + MANIFEST;
  const manifest = parseObject(await files.read(MANIFEST, "maxManifestBytes"), source);
  checkSchema(manifest.schema, source);
  const name = manifest.benchmark;
  if (!isBenchmarkName(name)) {
    throw new ArtifactError(`${source}: key "benchmark" must be a name, not ${show(name)}; ${NAMES}`);
  }
  return { name, files, manifest };
}
