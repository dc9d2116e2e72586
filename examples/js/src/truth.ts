import { after, atLeast, atMost, Below, type Distribution, type Listed } from "./counts.js";
import { show, TruthError } from "./errors.js";
import { count, short, Shown } from "./inspect.js";

/** The best or the worst mean of all architectures, and which of them have it. */
export interface Extreme {
  readonly value: number;
  /** Codes of architectures that have it, row after row; not of all where there are very many. */
  readonly codes: Uint8Array;
  /** How many have it. */
  readonly count: bigint;
}

/** A well-known architecture among all the others. */
export interface Landmark {
  readonly codes: Uint8Array;
  readonly value: number;
  /** How many architectures have a better mean. */
  readonly better: bigint;
  /** How many have the same, itself among them. */
  readonly equal: bigint;
}

/** The exact Pareto front of two targets: nothing in the whole space dominates a point of it. */
export interface Front {
  readonly targets: readonly [string, string];
  /** All its architectures, row after row, from the best of the first target on. */
  readonly codes: Uint8Array;
  /** Their means of both targets, row after row. */
  readonly values: Float32Array;
}

/** What is stated as proven of a target. */
export interface Proven {
  readonly target: string;
  readonly unit: string;
  readonly direction: "max" | "min";
  /** Number of architectures of the space. */
  readonly total: bigint;
  readonly optimum: Extreme;
  readonly worst: Extreme;
  /** Null where none are listed. */
  readonly best: Listed | null;
  /** Null where the space is too large to count, or nobody did. */
  readonly distribution: Distribution | null;
  readonly landmarks: ReadonlyMap<string, Landmark>;
}

/**
 * What is proven of a target over the whole search space. It is about the surrogate's means, not
 * about measurements.
 */
export class Truth extends Shown implements Proven {
  readonly target: string;
  readonly unit: string;
  readonly direction: "max" | "min";
  readonly total: bigint;
  readonly optimum: Extreme;
  readonly worst: Extreme;
  readonly best: Listed | null;
  readonly distribution: Distribution | null;
  readonly landmarks: ReadonlyMap<string, Landmark>;
  /** Exact fronts of this target and another one. */
  readonly fronts: readonly Front[];
  /** How many architectures have a mean below a number. */
  readonly below: Below;

  constructor(proven: Proven, fronts: readonly Front[]) {
    super();
    this.target = proven.target;
    this.unit = proven.unit;
    this.direction = proven.direction;
    this.total = proven.total;
    this.optimum = proven.optimum;
    this.worst = proven.worst;
    this.best = proven.best;
    this.distribution = proven.distribution;
    this.landmarks = proven.landmarks;
    this.fronts = fronts;
    this.below = belowOf(proven);
  }

  override toString(): string {
    const optimum = `optimum ${short(this.optimum.value)} ${this.unit}`;
    return `Truth(${this.target}: ${optimum} of ${count(this.total, "architecture")})`;
  }

  /** Largest error that `quantile` can have, as a share; null without a distribution. */
  get resolution(): number | null {
    return this.below.everywhere ? Number(this.below.coarsest) / Number(this.total) : null;
  }

  /**
   * The share of all architectures whose mean is at most a value, from 0 to 1: exact at edges of
   * the distribution and among the best, linear between.
   */
  quantile(value: number): number {
    const x = after(atMost(this.#number(value)));
    this.#checkKnown(value, x);
    return this.below.estimate(x) / Number(this.total);
  }

  /** The share of all architectures that are strictly worse than a value: as exact as `quantile`. */
  betterThan(value: number): number {
    const x = this.direction === "max" ? atLeast(this.#number(value)) : after(atMost(this.#number(value)));
    this.#checkKnown(value, x);
    const below = this.below.estimate(x) / Number(this.total);
    return this.direction === "max" ? below : 1 - below;
  }

  /** 1 + the number of architectures whose mean is strictly better: see `rankBounds`. */
  rank(value: number): bigint {
    const x = this.#border(value);
    this.#checkKnown(value, x);
    const [least, most] = this.rankBounds(value);
    if (least === most) return least;
    const below = this.below.estimate(x);
    return 1n + BigInt(Math.floor(this.direction === "min" ? below : Number(this.total) - below));
  }

  /** Proven bounds of the rank of a value: the same among the best, at landmarks and other edges. */
  rankBounds(value: number): readonly [bigint, bigint] {
    const [least, most] = this.below.bounds(this.#border(value));
    return this.direction === "min" ? [1n + least, 1n + most] : [1n + this.total - most, 1n + this.total - least];
  }

  /** How much worse a mean of the surrogate is than the optimum, in the unit: not negative. */
  regret(value: number): number {
    const best = this.optimum.value;
    const found = this.direction === "max" ? best - this.#number(value) : this.#number(value) - best;
    if (found < 0) {
      const facts = `${value} is better than the best architecture has, ${best} ${this.unit}`;
      throw new TruthError(`${facts}: it is no mean of the surrogate of ${show(this.target)}`);
    }
    return found;
  }

  /** The number below which all that are worse, or all that are better, lie. */
  #border(value: number): number {
    return this.direction === "max" ? after(atMost(this.#number(value))) : atLeast(this.#number(value));
  }

  #checkKnown(value: number, x: number): void {
    const [least, most] = this.below.bounds(x);
    if (this.below.everywhere || least === most) return;
    throw new TruthError(
      `how many architectures have a better ${this.target} than ${value} was never counted; ` +
        "rankBounds tells what is proven",
    );
  }

  #number(value: unknown): number {
    if (typeof value === "number" && Number.isFinite(value)) return value;
    throw new TruthError(`a value must be a finite number, not ${show(value)}`);
  }
}

/** How many architectures have a mean below a number. */
export function belowOf({ optimum, worst, total, distribution, best, direction }: Proven): Below {
  const rising = direction === "max";
  const ends = rising ? ([worst.value, optimum.value] as const) : ([optimum.value, worst.value] as const);
  return new Below(ends, total, distribution, best, rising);
}
