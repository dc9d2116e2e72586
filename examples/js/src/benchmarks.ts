/** Where manifests lie: in the folder of one benchmark, or in the folders below a root of several. */

import { ArtifactError, show, TargetError } from "./errors.js";
import { type Folder, type FolderOptions, openFolder } from "./files.js";
import { parseObject } from "./json.js";
import { checkSchema } from "./schema.js";

export const MANIFEST = "manifest.json";

/** The benchmark that is meant where several are there and none is named, as in Python and C++. */
const DEFAULT_BENCHMARK = "accel-nasbench";

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
  const names = await listBenchmarks(files);
  if (!names) {
    throw new ArtifactError(`${files.label} cannot be listed; open a benchmark of it by name: { benchmark: NAME }`);
  }
  if (!names.length) return [(await readBenchmark(files)).name]; // or say why not
  for (const name of names) await readBelow(files, name);
  return names;
}

/**
 * Find a benchmark in a folder that is its own, or a root of several.
 *
 * Throws `TargetError` with the names that are valid, or `ArtifactError` where a manifest is
 * missing, or is not of the name of its folder below the root.
 */
export async function findBenchmark(files: Folder, name: string | undefined): Promise<Found> {
  const names = await listBenchmarks(files);
  if (!names && name !== undefined) {
    if (!isBenchmarkName(name)) throw new TargetError(unknown(name, NAMES));
    return readBelow(files, name);
  }
  if (!names?.length) {
    const found = await readBenchmark(files);
    if (name !== undefined && name !== found.name) throw new TargetError(unknown(name, valid([found.name])));
    return found;
  }
  if (name === undefined && names.includes(DEFAULT_BENCHMARK)) return readBelow(files, DEFAULT_BENCHMARK);
  if (name === undefined && names.length > 1) {
    throw new TargetError(`${files.label} holds several benchmarks, say which by { benchmark: NAME }; ${valid(names)}`);
  }
  if (name !== undefined && !names.includes(name)) throw new TargetError(unknown(name, valid(names)));
  return readBelow(files, name ?? names[0]);
}

/** Names of the folders below that hold a benchmark, none where the folder itself does; null over http. */
async function listBenchmarks(files: Folder): Promise<string[] | null> {
  const names = await files.list();
  if (!names || names.includes(MANIFEST)) return names && [];
  const found: string[] = [];
  for (const name of names.filter(isBenchmarkName).sort()) {
    if ((await files.below(name).list())?.includes(MANIFEST)) found.push(name);
  }
  return found;
}

const NAMES = "names have 1 to 64 characters of a-z 0-9 . _ - and begin with a letter or digit";

function unknown(name: unknown, valid: string): string {
  return `unknown benchmark ${show(name)}; ${valid}`;
}

function valid(names: readonly string[]): string {
  return `valid benchmarks: ${names.join(", ")}`;
}

function isBenchmarkName(name: unknown): name is string {
  return typeof name === "string" && /^[a-z0-9][a-z0-9._-]{0,63}$/.test(name);
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

/** Read the manifest of a folder, as far as schema and name. */
export async function readBenchmark(files: Folder): Promise<Found> {
  return benchmarkOf(files, parseObject(await files.read(MANIFEST, "maxManifestBytes"), files.label + MANIFEST));
}

/** The benchmark that a manifest describes. */
export function benchmarkOf(files: Folder, manifest: Record<string, unknown>): Found {
  const source = files.label + MANIFEST;
  checkSchema(manifest.schema, source);
  const name = manifest.benchmark;
  if (!isBenchmarkName(name)) {
    throw new ArtifactError(`${source}: key "benchmark" must be a name, not ${show(name)}; ${NAMES}`);
  }
  return { name, files, manifest };
}
