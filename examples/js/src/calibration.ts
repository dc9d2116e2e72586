import { ArtifactError, LevelError, show } from "./errors.js";
import { short, Shown } from "./inspect.js";
import { inRange } from "./link.js";

const MAX_LEVELS = 1024;

/**
 * The calibrated predictive scale: how far a new measurement lies from the ensemble's mean.
 *
 *     predictive_std^2 = (spread * std)^2 + (noise * t^noise_power)^2,   t = mean or offset - mean
 *
 * Intervals use the residuals' own quantiles in units of predictive_std.
 */
export class Calibration extends Shown {
  private constructor(
    readonly spread: number,
    readonly noise: number,
    readonly noisePower: number,
    readonly offset: number | null,
    readonly levels: readonly number[],
    readonly quantiles: readonly number[],
    /** Of each prediction: a further variance, such as that between seeds. */
    private readonly added: Float64Array | null = null,
    /** Of each prediction: what stands in place of `noise`. */
    private readonly noises: Float64Array | null = null,
  ) {
    super();
  }

  /** The same with another noise for each of N predictions. */
  withNoises(noises: Float64Array): Calibration {
    const { spread, noise, noisePower, offset, levels, quantiles } = this;
    return new Calibration(spread, noise, noisePower, offset, levels, quantiles, null, noises);
  }

  /** The same with a further variance for each of N predictions, in the target's unit squared. */
  withAdded(variances: Float64Array): Calibration {
    const { spread, noise, noisePower, offset, levels, quantiles } = this;
    return new Calibration(spread, noise, noisePower, offset, levels, quantiles, variances);
  }

  /** Of what is exact: every interval is the mean itself. */
  static readonly EXACT = new Calibration(0, 0, 0, null, [0, 0.995], [0, 0]);

  /** Whether it says that nothing is uncertain. */
  get isExact(): boolean {
    return this.spread === 0 && this.noise === 0 && !this.added && !this.noises;
  }

  override toString(): string {
    const levels = `${this.levels.length} levels up to ${short(this.levels.at(-1)!)}`;
    return `Calibration(spread ${short(this.spread)}, noise ${short(this.noise)}, ${levels})`;
  }

  /** Read the `calibration` of a manifest's entry. */
  static fromDocument(document: unknown, source: string): Calibration {
    const d = document as Record<string, unknown> | null;
    const increases = (v: unknown): v is number[] =>
      Array.isArray(v) &&
      v.length >= 2 &&
      v.length <= MAX_LEVELS &&
      v[0] === 0 &&
      v.every((x, i) => inRange(x) && (i === 0 || x >= v[i - 1]));
    const scale = (v: unknown) => inRange(v) && v >= 0;
    const sound =
      typeof d === "object" &&
      d !== null &&
      scale(d.spread) &&
      scale(d.noise) &&
      [0, 1, 2].includes(d.noise_power as number) &&
      (d.offset === null || inRange(d.offset)) &&
      increases(d.levels) &&
      d.levels.at(-1)! < 1 &&
      new Set(d.levels).size === d.levels.length &&
      increases(d.quantiles) &&
      d.quantiles.length === d.levels.length;
    if (!sound) throw new ArtifactError(`${source}: malformed calibration ${show(document)}`);
    return new Calibration(
      d.spread as number,
      d.noise as number,
      d.noise_power as number,
      d.offset as number | null,
      d.levels as number[],
      d.quantiles as number[],
    );
  }

  /** The predictive scale of each prediction, float32. */
  predictiveStd(mean: Float32Array, std: Float32Array): Float32Array {
    return Float32Array.from(mean, (m, i) => this.#scale(m, std[i], i));
  }

  /** The central interval that holds a share `level` of new measurements, float32. */
  interval(
    mean: Float32Array,
    std: Float32Array,
    level: number,
  ): { lower: Float32Array; upper: Float32Array } {
    const width = this.quantile(level);
    const lower = new Float32Array(mean.length);
    const upper = new Float32Array(mean.length);
    for (let i = 0; i < mean.length; i++) {
      const half = width * this.#scale(mean[i], std[i], i);
      lower[i] = mean[i] - half;
      upper[i] = mean[i] + half;
    }
    return { lower, upper };
  }

  /** Half-width of the central interval in predictive_std; linear between the stored levels. */
  quantile(level: number): number {
    const { levels, quantiles } = this;
    if (!(level > 0 && level <= levels.at(-1)!)) {
      const allowed = `above 0 and at most ${levels.at(-1)}`;
      throw new LevelError(`level must be ${allowed}, found ${show(level)}`);
    }
    let j = 0;
    while (j + 1 < levels.length && levels[j + 1] <= level) j++;
    if (levels[j] === level) return quantiles[j];
    const slope = (quantiles[j + 1] - quantiles[j]) / (levels[j + 1] - levels[j]);
    return slope * (level - levels[j]) + quantiles[j];
  }

  #scale(mean: number, std: number, i: number): number {
    const t = this.offset === null ? mean : this.offset - mean;
    let noise = this.noises ? this.noises[i] : this.noise;
    for (let p = 0; p < this.noisePower; p++) noise *= t;
    const spread = this.spread * std;
    const scale = Math.sqrt(spread * spread + noise * noise);
    return this.added ? Math.sqrt(scale * scale + this.added[i]) : scale;
  }
}
