/** Benchmarks that are in memory: the files of a folder, or ONNX files alone. */

import { cardInside } from "./agreement.js";
import { benchmarkOf, type Found, MANIFEST, readBenchmark } from "./benchmarks.js";
import { ArtifactError, show } from "./errors.js";
import { folderOfFiles, type FolderOptions } from "./files.js";
import { readGraph, readVectorGraph } from "./graph.js";
import { sha256 } from "./hash.js";
import { SCHEMA } from "./schema.js";
import { SearchSpace } from "./space.js";
import { Terms } from "./terms.js";
import { readVectorCard, VECTOR } from "./vectorCard.js";

/**
 * Return the benchmark of some files by their names.
 *
 * Without a `manifest.json` among them, the ONNX files say by themselves what a manifest would say
 * of them: their cards lie inside, and their graphs tell where the tables are.
 */
export async function benchmarkOfFiles(
  given: ReadonlyMap<string, Uint8Array>,
  options: FolderOptions,
): Promise<Found> {
  const files = folderOfFiles(given, options);
  if (given.has(MANIFEST)) return readBenchmark(files);
  const targets: Record<string, unknown> = {};
  let first: { file: string; benchmark: unknown; space: unknown } | null = null;
  for (const file of given.keys()) {
    if (!file.endsWith(".onnx")) continue;
    const { benchmark, search_space: space, ...card } = readCard(await files.read(file, "maxArtifactBytes"), file);
    first ??= { file, benchmark, space };
    if (benchmark !== first.benchmark) {
      const facts = `${first.file} is of ${show(first.benchmark)}, ${file} of ${show(benchmark)}`;
      throw new ArtifactError(`the files are of several benchmarks: ${facts}; give them one after the other`);
    }
    const { metric, device } = card;
    const name = typeof device === "string" && device ? `${metric}_${device}` : String(metric);
    if (Object.hasOwn(targets, name)) throw new ArtifactError(`${file}: another file is of ${show(name)}, too`);
    const bytes = given.get(file)!;
    targets[name] = { ...card, file, bytes: bytes.length, sha256: await sha256(bytes) };
  }
  if (!first) throw new ArtifactError(`there is no ${MANIFEST} and no ONNX file among ${show([...given.keys()])}`);
  return benchmarkOf(files, { schema: SCHEMA, benchmark: first.benchmark, search_space: first.space, targets });
}

/** The card inside an ONNX file, with what a manifest says of its tables. */
function readCard(file: Uint8Array, source: string): Record<string, unknown> {
  const card = cardInside(file, source);
  if (card.terms === undefined) return card;
  const space = SearchSpace.fromDocument(card.search_space);
  const terms = Terms.fromDocument(card.terms, space, source);
  if (card.form === VECTOR) {
    const vector = readVectorCard(card, space, source);
    const { offset, entries, members, outputs } = readVectorGraph(file, space, terms, vector, source);
    const [scale, shift] = [outputs.map((output) => output.scale), outputs.map((output) => output.shift)];
    return { ...card, tables: { offset, entries, members, outputs: outputs.length, scale, shift } };
  }
  const { offset, entries, members, scale, shift } = readGraph(file, space, terms, source);
  return { ...card, tables: { offset, entries, members, scale, shift } };
}
