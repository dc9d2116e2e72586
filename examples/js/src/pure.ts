/** Everything that needs no runtime: the encoder, the catalog and the pure engine. */

import { type Card, Catalog, type OpenOptions, type ReadOptions, type Target } from "./catalog.js";
import { type Batch, encode } from "./encoding.js";
import { show, TargetError } from "./errors.js";
import type { SearchSpace } from "./space.js";
import { type Curve, type Prediction, type QueryOptions, type Several, Surrogate } from "./surrogate.js";
import { TableEngine } from "./tables.js";
import { VECTOR } from "./vectorCard.js";
import { VectorEngine } from "./vectors.js";

export * from "./architecture.js";
export { benchmarks } from "./benchmarks.js";
export * from "./calibration.js";
export * from "./catalog.js";
export { CurveForm, type Fidelity } from "./curves.js";
export { checkCodes, codesToIndex, codesToIndices, indexToCodes } from "./codes.js";
export * from "./encoding.js";
export * from "./errors.js";
export type { FolderOptions, Limits } from "./files.js";
export { Golden, type GoldenName } from "./golden.js";
export { sha256 } from "./hash.js";
export { type Hinge, Link, type Regime, type Step } from "./link.js";
export { codesToLists, EFFICIENTNET_B0, type Lists, MNASNET } from "./mnasnet.js";
export { codesToArchString } from "./nasbench201.js";
export { parseArchitecture } from "./spelling.js";
export { type Block, type Choice, type Gene, SearchSpace, type SpaceDocument } from "./space.js";
export { SCHEMA } from "./schema.js";
export * from "./surrogate.js";
export type { Outputs } from "./outputs.js";
export { TableEngine } from "./tables.js";
export { Terms } from "./terms.js";
export type { Output, VectorCard } from "./vectorCard.js";
export { VectorEngine } from "./vectors.js";
export { type Extreme, type Front, type Landmark, Truth } from "./truth.js";

export interface SourceOptions extends ReadOptions, OpenOptions {
  /** Device of the metric, for example "a100". */
  device?: string;
  /** Folder of the artifacts, as `Catalog.open` takes it, or an open catalog. */
  artifacts?: string | URL | Catalog;
}

/** A surrogate computed by the pure engine, which also answers at once. */
export class PureSurrogate extends Surrogate {
  declare protected readonly computes: TableEngine | VectorEngine;

  /** As `query`, without a promise. */
  querySync(batch: Batch, options: QueryOptions = {}): Prediction {
    this.checkOpen();
    const codes = encode(batch, this.space);
    const members = options?.members ?? false;
    const rows = codes.length / this.space.nGenes;
    const given = this.fidelitiesGiven(options?.fidelity, rows);
    const known = this.predictGiven(codes, given, members);
    return known ?? this.withRuns(this.wrap(this.computes.predict(codes, members), rows, members), codes, given);
  }

  /** As `curve`, without a promise. */
  curveSync(batch: Batch, options: { members?: boolean } = {}): Curve {
    this.checkOpen();
    return this.curveOf(encode(batch, this.space), options?.members ?? false);
  }

  /** The engine, for loops over preallocated arrays. */
  get tables(): TableEngine | VectorEngine {
    this.checkOpen();
    return this.computes;
  }
}

/** Load a surrogate with the pure engine. */
export async function loadPure(target: string, options: SourceOptions = {}): Promise<PureSurrogate> {
  const { catalog, found, model } = await openSource(target, options);
  const card = catalog.cards[found.name];
  const several = openSeveral(model, card, catalog.space);
  const tables = several?.vector ?? TableEngine.fromOnnx(model, card, catalog.space, card.file);
  return new PureSurrogate(found, catalog.space, card, tables, several);
}

/** The outputs of an artifact of several, and what curves are made of; null of all others. */
export function openSeveral(model: Uint8Array, card: Card, space: SearchSpace): Several | null {
  if (card.form !== VECTOR) return null;
  const vector = VectorEngine.fromOnnx(model, card, space, card.file);
  const { exact = false, device = null } = card;
  const outputs = vector.card.outputs.map(({ name, unit, direction, document }, k) => {
    const target: Target = { name, metric: name, device: device as string | null, unit, direction };
    const { file, sha256, members } = card;
    const own: Card = { ...document, file, sha256, members, exact, metric: name, device };
    return [name, new PureSurrogate(target, space, own, vector.outputs[k])] as const;
  });
  return { vector, outputs: new Map(outputs) };
}

/** Find a target and read its file. */
export async function openSource(
  target: string,
  options: SourceOptions,
): Promise<{ catalog: Catalog; found: Target; model: Uint8Array }> {
  const { artifacts, benchmark } = options;
  const catalog = artifacts instanceof Catalog ? artifacts : await Catalog.open(artifacts, options);
  if (benchmark !== undefined && benchmark !== catalog.benchmark) {
    throw new TargetError(`the catalog is of the benchmark ${catalog.benchmark}, not ${show(benchmark)}`);
  }
  const found = catalog.find(target, options.device);
  return { catalog, found, model: await catalog.read(found, options) };
}
