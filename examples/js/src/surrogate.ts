import type { Architecture } from "./architecture.js";
import { toCodes } from "./architecture.js";
import { Calibration } from "./calibration.js";
import type { Card, Target } from "./catalog.js";
import { type Batch, encode } from "./encoding.js";
import { checkFidelity, type Fidelity } from "./curves.js";
import { ArtifactError, EngineError, FidelityError, show } from "./errors.js";
import { count, short, Shown } from "./inspect.js";
import { checkOutputs, type Outputs } from "./outputs.js";
import { isObject } from "./json.js";
import type { SearchSpace } from "./space.js";
import type { VectorEngine } from "./vectors.js";

/** What computes predictions. */
export interface Engine {
  readonly name: string;
  readonly nMembers: number;
  /** Takes codes that are checked, and that nobody else holds. */
  predict(codes: Uint8Array, members: boolean): Outputs | Promise<Outputs>;
  dispose(): void | Promise<void>;
}

/** A fidelity, the same for all architectures or one for each. */
export type FidelityValue = number | ArrayLike<number>;

export interface QueryOptions {
  /** Whether to return each member's prediction too. */
  members?: boolean;
  /**
   * What else the prediction depends on: see `Surrogate.fidelities`. A number, or one for each
   * architecture, is of the first one; several are given by their names, `{ epoch: 12 }`. With `seeds`,
   * intervals are those of the mean of so many runs of different seeds.
   */
  fidelity?: FidelityValue | Readonly<Record<string, FidelityValue>>;
}

/** Of an artifact of several outputs: their surrogates, and the tables that curves are made of. */
export interface Several {
  readonly outputs: ReadonlyMap<string, Surrogate>;
  readonly vector: VectorEngine;
}

/** Name of the fidelity of artifacts that predict the noise between seeds. */
export const SEEDS = "seeds";

/** Predicted values of one target for N architectures. */
export class Prediction extends Shown {
  constructor(
    /** Ensemble mean, float32 [N], in `unit`. */
    readonly mean: Float32Array,
    /**
     * Population standard deviation of the members, float32 [N]. How far the members disagree,
     * which is far below the actual error: see `predictiveStd`.
     */
    readonly std: Float32Array,
    /** Prediction of each member, float32 [N, M] row after row, where it was asked for. */
    readonly members: Float32Array | null,
    readonly unit: string,
    readonly target: string,
    readonly calibration: Calibration | null,
  ) {
    super();
  }

  override toString(): string {
    const { length } = this.mean;
    const members = this.members && length ? `, ${count(this.members.length / length, "member")}` : "";
    if (length === 1) return `Prediction(${this.target}: ${believed(this)}${members})`;
    const sorted = Float32Array.from(this.mean).sort();
    const range = length ? `, ${short(sorted[0])} to ${short(sorted[length - 1])} ${this.unit}` : "";
    return `Prediction(${this.target}: ${count(length, "architecture")}${range}${members})`;
  }

  /** How far a new measurement lies from the mean: one standard deviation, float32 [N]. */
  get predictiveStd(): Float32Array {
    return this.#calibrated().predictiveStd(this.mean, this.std);
  }

  /** Where a share `level` (0.9, say) of new measurements lies, centrally: float32 [N] each. */
  interval(level: number): { lower: Float32Array; upper: Float32Array } {
    return this.#calibrated().interval(this.mean, this.std, level);
  }

  #calibrated(): Calibration {
    if (!this.calibration) {
      throw new ArtifactError(`the artifact of ${this.target} carries no calibration`);
    }
    return this.calibration;
  }
}

/** Learning curves of N architectures; made by `Surrogate.curve`. */
export class Curve extends Shown {
  readonly #surrogate: Surrogate;
  readonly #codes: Uint8Array;

  constructor(
    surrogate: Surrogate,
    codes: Uint8Array,
    /** What the curve runs along, the epoch for one; its `values` are the T knots. */
    readonly fidelity: Fidelity,
    /** Mean at the knots, float32 [N, T] row after row, in `unit`. */
    readonly mean: Float32Array,
    /** Population standard deviation of the members, float32 [N, T]. */
    readonly std: Float32Array,
    /** The curve of each member, float32 [N, M, T], where it was asked for. */
    readonly members: Float32Array | null,
    readonly unit: string,
    readonly target: string,
  ) {
    super();
    this.#surrogate = surrogate;
    this.#codes = codes;
  }

  override toString(): string {
    const { name, least, most, unit, values } = this.fidelity;
    const n = count(this.mean.length / values.length, "architecture");
    return `Curve(${this.target}: ${n}, ${name} ${short(least)} to ${short(most)} ${unit})`;
  }

  /** The prediction at a fidelity, the same for all architectures or one for each. */
  at(fidelity: FidelityValue, options: { members?: boolean } = {}): Prediction {
    return this.#surrogate.predictAt(this.#codes, fidelity, options.members ?? false);
  }

  /** Where the mean reaches a level first: float64 [N], NaN where it never does. */
  crossing(level: number): Float64Array {
    return this.#surrogate.crossingOf(this.#codes, level);
  }
}

/** The prediction of one target for one architecture. */
export interface Single {
  readonly mean: number;
  readonly std: number;
  readonly predictiveStd: number | null;
  readonly unit: string;
  interval(level: number): { lower: number; upper: number };
}

/** Predicts one target for architectures; made by `load`. */
export class Surrogate extends Shown {
  /** What intervals are made from; of an artifact that is exact, that they are the value itself. */
  readonly calibration: Calibration | null;
  /** What `query` takes as `fidelity`; none for most artifacts. */
  readonly fidelities: readonly Fidelity[];
  /** Surrogates of all outputs by name, in their order; none where there is one output only. */
  readonly outputs: ReadonlyMap<string, Surrogate>;
  readonly #vector: VectorEngine | null;
  #disposed = false;

  constructor(
    readonly target: Target,
    readonly space: SearchSpace,
    /** The model card: quality, data, recipe, link, versions, licence. */
    readonly metadata: Card,
    protected readonly computes: Engine,
    several: Several | null = null,
  ) {
    super();
    this.outputs = several?.outputs ?? new Map();
    this.#vector = several?.vector ?? null;
    const { curve, seedNoise } = this.#vector?.card ?? {};
    const runs: Fidelity = { name: SEEDS, unit: "runs", least: 1, most: Infinity, whole: true, values: [] };
    this.fidelities = [...(curve ? [curve.fidelity] : []), ...(seedNoise ? [runs] : [])];
    if (metadata.members !== computes.nMembers) {
      const found = `the manifest states ${metadata.members}, the file has ${computes.nMembers}`;
      throw new ArtifactError(`${target.name}: number of members: ${found}`);
    }
    this.calibration = metadata.calibration
      ? Calibration.fromDocument(metadata.calibration, target.name)
      : metadata.exact ? Calibration.EXACT : null;
  }

  override toString(): string {
    const { name, unit } = this.target;
    return `Surrogate(${name} [${unit}], ${count(this.nMembers, "member")}, engine ${this.engine})`;
  }

  /** Name of the engine that computes. */
  get engine(): string {
    return this.computes.name;
  }

  get nMembers(): number {
    return this.computes.nMembers;
  }

  /**
   * Predict the target for a batch. The bits do not depend on the engine, nor on how
   * architectures are grouped into batches. When this returns its promise, the batch has been
   * read; it is neither changed nor detached.
   *
   * Throws `ArchitectureError` naming row, gene and value.
   */
  async query(batch: Batch, options: QueryOptions = {}): Promise<Prediction> {
    this.checkOpen();
    return this.#answer(encode(batch, this.space), options);
  }

  /** Predict the target for one architecture. */
  async queryOne(architecture: Architecture, options: Pick<QueryOptions, "fidelity"> = {}): Promise<Single> {
    this.checkOpen();
    return new One(await this.#answer(toCodes(architecture, this.space), options));
  }

  /**
   * Predict whole learning curves; of artifacts that predict one. With every engine they are computed
   * from the tables.
   */
  async curve(batch: Batch, options: { members?: boolean } = {}): Promise<Curve> {
    this.checkOpen();
    return this.curveOf(encode(batch, this.space), options?.members ?? false);
  }

  /**
   * Release the engine's memory. Queries that have begun are still answered; a later one is an
   * `EngineError`. Any number of calls is fine.
   */
  async dispose(): Promise<void> {
    this.#disposed = true;
    this.#vector?.dispose();
    await Promise.all([...this.outputs.values()].map((output) => output.dispose()));
    await this.computes.dispose();
  }

  /** Predict curves of codes that are checked, and that nobody else holds. */
  protected curveOf(codes: Uint8Array, members: boolean): Curve {
    const vector = this.#curved();
    const found = vector.predictCurve(codes, members);
    const { unit, name } = this.target;
    return new Curve(this, codes, vector.curve.fidelity, found.mean, found.std, found.members, unit, name);
  }

  /** @internal For answers of this surrogate. */
  predictAt(codes: Uint8Array, fidelity: FidelityValue, members: boolean): Prediction {
    this.checkOpen();
    const vector = this.#curved();
    const rows = codes.length / this.space.nGenes;
    const at = fidelitiesOf(vector.curve.fidelity, fidelity, rows);
    const found = vector.predictAt(codes, at, members);
    const { unit, name } = this.target;
    return new Prediction(found.mean, found.std, found.members, unit, name, this.#calibrationAt(at, rows));
  }

  /** @internal For answers of this surrogate. */
  crossingOf(codes: Uint8Array, level: number): Float64Array {
    this.checkOpen();
    if (typeof level !== "number" || Number.isNaN(level)) {
      throw new FidelityError(`a level must be a number, not ${show(level)}`);
    }
    return this.#curved().crossing(codes, level, this.target.direction === "max");
  }

  #curved(): VectorEngine {
    if (this.#vector?.card.curve) return this.#vector;
    throw new FidelityError(`the artifact of ${this.target.name} has no fidelity such as epochs`);
  }

  /** The calibration of a curve at a fidelity; null where the artifact says nothing of it. */
  #calibrationAt(at: FidelityValue, rows: number): Calibration | null {
    const { curve } = this.#curved();
    const all = typeof at === "number" ? new Array<number>(rows).fill(at) : Array.from(at);
    if (!this.calibration || all.every((t) => t === curve.fidelity.most)) return this.calibration;
    if (!curve.noise) return null;
    return this.calibration.withNoises(Float64Array.from(all, (t) => curve.noiseAt(t)!));
  }

  /** The calibration of means of so many runs; the noise between them is predicted from the tables. */
  #calibrationOf(codes: Uint8Array, runs: FidelityValue): Calibration {
    const vector = this.#vector!;
    const { output, calibration } = vector.card.seedNoise!;
    const { mean } = vector.outputs[output].predict(codes);
    const n = (row: number) => (typeof runs === "number" ? runs : runs[row]);
    return calibration.withAdded(Float64Array.from(mean, (m, row) => {
      const v = Math.max(m, 0);
      return (v * v) / n(row);
    }));
  }

  /** The fidelities that were given, by name; refuses those that the artifact does not have. */
  protected fidelitiesGiven(given: QueryOptions["fidelity"], rows: number): Map<string, FidelityValue> {
    const found = new Map<string, FidelityValue>();
    if (given === undefined || given === null) return found;
    const { name } = this.target;
    if (!this.fidelities.length) {
      throw new FidelityError(`the artifact of ${name} has no fidelity, found ${show(given)}`);
    }
    const isByName = isObject(given) && !ArrayBuffer.isView(given);
    const byName = isByName ? (given as Record<string, FidelityValue>) : { [this.fidelities[0].name]: given as FidelityValue };
    for (const [key, value] of Object.entries(byName)) {
      const known = this.fidelities.find((fidelity) => fidelity.name === key);
      if (!known) {
        const names = this.fidelities.map((fidelity) => fidelity.name).join(", ");
        throw new FidelityError(`the artifact of ${name} has no fidelity ${show(key)}; it has ${names}`);
      }
      found.set(key, fidelitiesOf(known, value, rows));
    }
    return found;
  }

  /** The prediction at fidelities that were given, where the engine is not needed for it; else null. */
  protected predictGiven(codes: Uint8Array, given: ReadonlyMap<string, FidelityValue>, members: boolean): Prediction | null {
    const curve = this.#vector?.card.curve;
    if (!curve) return null;
    const at = given.get(curve.fidelity.name);
    if (at === undefined) return null;
    if (!given.has(SEEDS)) return this.predictAt(codes, at, members);
    const { name, most } = curve.fidelity;
    if (typeof at === "number" ? at === most : Array.from(at).every((t) => t === most)) return null;
    throw new FidelityError(`fidelity "${SEEDS}" is known of ${name} ${most} only, where the noise between seeds was measured`);
  }

  /** A prediction with the intervals of the runs that were asked for. */
  protected withRuns(found: Prediction, codes: Uint8Array, given: ReadonlyMap<string, FidelityValue>): Prediction {
    const runs = given.get(SEEDS);
    if (runs === undefined) return found;
    const { mean, std, members, unit, target } = found;
    return new Prediction(mean, std, members, unit, target, this.#calibrationOf(codes, runs));
  }

  protected checkOpen(): void {
    if (this.#disposed) throw new EngineError(`the surrogate of ${this.target.name} is disposed of`);
  }

  async #answer(codes: Uint8Array, options: QueryOptions | undefined): Promise<Prediction> {
    const members = options?.members ?? false;
    const rows = codes.length / this.space.nGenes; // now: the engine may give the codes away
    const given = this.fidelitiesGiven(options?.fidelity, rows);
    const known = this.predictGiven(codes, given, members);
    if (known) return known;
    const own = given.size ? codes.slice() : codes;
    return this.withRuns(this.wrap(await this.computes.predict(codes, members), rows, members), own, given);
  }

  protected wrap(out: Outputs, rows: number, members: boolean): Prediction {
    checkOutputs({ ...out }, rows, members ? this.nMembers : 0, this.engine);
    const { unit, name } = this.target;
    return new Prediction(out.mean, out.std, out.members, unit, name, this.calibration);
  }
}

/** Values of a fidelity, once they are allowed: a number, or a copy of one for each row. */
function fidelitiesOf(fidelity: Fidelity, given: unknown, rows: number): FidelityValue {
  const isArray = Array.isArray(given) || (ArrayBuffer.isView(given) && !(given instanceof DataView));
  if (!isArray) return checkFidelity(fidelity, given);
  const values = Array.from(given as ArrayLike<unknown>);
  if (values.length !== rows) {
    const facts = `a number, or one for each of ${rows} architectures, not ${values.length} numbers`;
    throw new FidelityError(`fidelity ${show(fidelity.name)} must be ${facts}`);
  }
  return values.map((value, row) => checkFidelity(fidelity, value, `row ${row}, `));
}

class One extends Shown implements Single {
  readonly mean: number;
  readonly std: number;
  readonly predictiveStd: number | null;
  readonly unit: string;
  readonly #batch: Prediction;

  constructor(batch: Prediction) {
    super();
    this.#batch = batch;
    this.mean = batch.mean[0];
    this.std = batch.std[0];
    this.predictiveStd = batch.calibration ? batch.predictiveStd[0] : null;
    this.unit = batch.unit;
  }

  interval(level: number): { lower: number; upper: number } {
    const { lower, upper } = this.#batch.interval(level);
    return { lower: lower[0], upper: upper[0] };
  }

  override toString(): string {
    return this.#batch.toString();
  }
}

/** What to believe of the first architecture: its value, and where new measurements of it lie. */
function believed({ mean, std, unit, calibration }: Prediction): string {
  const value = `${short(mean[0])} ${unit}`;
  if (!calibration) return value;
  if (calibration.isExact) return `${value}, exact`;
  const level = Math.min(0.9, calibration.levels.at(-1)!);
  const { lower, upper } = calibration.interval(mean, std, level);
  const share = short(100 * level);
  return `${value}, ${share} % interval ${short(lower[0])} to ${short(upper[0])}`;
}
