import type { Architecture } from "./architecture.js";
import { toCodes } from "./architecture.js";
import { Calibration } from "./calibration.js";
import type { Card, Target } from "./catalog.js";
import { type Batch, encode } from "./encoding.js";
import { ArtifactError, EngineError } from "./errors.js";
import { count, short, Shown } from "./inspect.js";
import { checkOutputs, type Outputs } from "./outputs.js";
import type { SearchSpace } from "./space.js";

/** What computes predictions. */
export interface Engine {
  readonly name: string;
  readonly nMembers: number;
  /** Takes codes that are checked, and that nobody else holds. */
  predict(codes: Uint8Array, members: boolean): Outputs | Promise<Outputs>;
  dispose(): void | Promise<void>;
}

export interface QueryOptions {
  /** Whether to return each member's prediction too. */
  members?: boolean;
}

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
  #disposed = false;

  constructor(
    readonly target: Target,
    readonly space: SearchSpace,
    /** The model card: quality, data, recipe, link, versions, licence. */
    readonly metadata: Card,
    protected readonly computes: Engine,
  ) {
    super();
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
    return this.#predict(encode(batch, this.space), options?.members ?? false);
  }

  /** Predict the target for one architecture. */
  async queryOne(architecture: Architecture): Promise<Single> {
    this.checkOpen();
    return new One(await this.#predict(toCodes(architecture, this.space), false));
  }

  /**
   * Release the engine's memory. Queries that have begun are still answered; a later one is an
   * `EngineError`. Any number of calls is fine.
   */
  async dispose(): Promise<void> {
    this.#disposed = true;
    await this.computes.dispose();
  }

  protected checkOpen(): void {
    if (this.#disposed) throw new EngineError(`the surrogate of ${this.target.name} is disposed of`);
  }

  async #predict(codes: Uint8Array, members: boolean): Promise<Prediction> {
    const rows = codes.length / this.space.nGenes; // now: the engine may give the codes away
    return this.wrap(await this.computes.predict(codes, members), rows, members);
  }

  protected wrap(out: Outputs, rows: number, members: boolean): Prediction {
    checkOutputs({ ...out }, rows, members ? this.nMembers : 0, this.engine);
    const { unit, name } = this.target;
    return new Prediction(out.mean, out.std, out.members, unit, name, this.calibration);
  }
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
