import { ArtifactError, FidelityError, show } from "./errors.js";
import { short } from "./inspect.js";
import { isName, isObject, NAME } from "./json.js";
import { inRange, type Link } from "./link.js";

const MAX_KNOTS = 4096;
const MAX_COEFFICIENTS = 64;
const KEYS = ["fidelity", "at", "coefficients", "offset", "basis", "gate", "range", "noise"];

/** What else than the architecture a prediction may depend on. */
export interface Fidelity {
  readonly name: string;
  readonly unit: string;
  /** Values that are allowed, ends included. */
  readonly least: number;
  readonly most: number;
  /** Whether only whole numbers are. */
  readonly whole: boolean;
  /** Those that were measured; empty where any value is as good. */
  readonly values: readonly number[];
}

/** Refuse a value that a fidelity does not have. */
export function checkFidelity({ name, unit, least, most, whole }: Fidelity, value: unknown, where = ""): number {
  const fits = typeof value === "number" && value >= least && value <= most && !(whole && !Number.isInteger(value));
  if (fits) return value;
  const kind = whole ? "a whole number" : "a number";
  const allowed = most === Infinity ? `${kind} of ${unit}, ${least} or more` : `${kind} from ${least} to ${most} ${unit}`;
  throw new FidelityError(`${where}fidelity ${show(name)} must be ${allowed}, not ${show(value)}`);
}

/**
 * How the outputs of an artifact become a curve over a fidelity: linear in the coefficients at each
 * knot, with a gate, a range and a link, and lines between the knots. `docs/reference/format.md` has the
 * arithmetic; each operation rounds once, in its order.
 */
export class CurveForm {
  private constructor(
    readonly fidelity: Fidelity,
    readonly nCoefficients: number,
    readonly offset: readonly number[],
    /** What each coefficient counts at a knot, [T][J]. */
    readonly basis: readonly (readonly number[])[],
    readonly gate: { readonly output: number; readonly rest: readonly number[] } | null,
    readonly range: readonly [number, number] | null,
    /** Of the calibration at each knot, in place of its own. */
    readonly noise: readonly number[] | null,
    readonly link: Link,
  ) {}

  /** The knots. */
  get at(): readonly number[] {
    return this.fidelity.values;
  }

  /** The outputs that a curve is made of. */
  get used(): number[] {
    const used = Array.from({ length: this.nCoefficients }, (_, j) => j);
    return this.gate ? [...used, this.gate.output] : used;
  }

  /** Read the `curve` of a manifest's entry, whose `link` follows it. */
  static fromDocument(document: unknown, link: Link, nOutputs: number, source: string): CurveForm {
    const refuse = (what: string, found: unknown): never => {
      throw new ArtifactError(`${source}: malformed key "curve": ${what}, not ${show(found)}`);
    };
    if (!hasKeys(document, KEYS)) return refuse(`an object of ${KEYS.join(", ")}`, document);
    const { fidelity, at, coefficients, offset, basis, gate, range, noise } = document;
    const named = hasKeys(fidelity, ["name", "unit"]) && isName(fidelity.name) && isName(fidelity.unit);
    if (!named) return refuse(`"fidelity" has name and unit, each ${NAME}`, fidelity);
    const increase = (values: number[]) => values.every((value, i) => i === 0 || value > values[i - 1]);
    const sound = Array.isArray(at) && at.length >= 1 && at.length <= MAX_KNOTS && areNumbers(at, at.length) && increase(at);
    if (!sound) return refuse(`"at" is 1 to ${MAX_KNOTS} increasing numbers`, at);
    const count = at.length;
    const most = Math.min(nOutputs, MAX_COEFFICIENTS);
    if (!isWhole(coefficients, 1, most)) return refuse(`"coefficients" is a number from 1 to ${most}`, coefficients);
    const perKnot = `${count} numbers other than -0.0`;
    if (!areSigned(offset, count)) return refuse(`"offset" is ${perKnot}`, offset);
    const rows = Array.isArray(basis) && basis.length === count && basis.every((row) => areNumbers(row, coefficients));
    if (!rows) return refuse(`"basis" is ${count} rows of ${coefficients} numbers`, basis);
    const gated =
      gate === null ||
      (hasKeys(gate, ["output", "rest"]) && isWhole(gate.output, coefficients, nOutputs - 1) && areSigned(gate.rest, count));
    if (!gated) return refuse(`"gate" is null, or an output behind the coefficients and ${perKnot}`, gate);
    const ranged = range === null || (areSigned(range, 2) && range[0] < range[1]);
    if (!ranged) return refuse('"range" is null or two numbers other than -0.0, the lower one first', range);
    const noisy = noise === null || (areNumbers(noise, count) && noise.every((value) => value >= 0));
    if (!noisy) return refuse(`"noise" is null or ${count} numbers that are not negative`, noise);
    if (link.regime) return refuse("its link has no regime", link.name);
    const positive = link.needsPositive;
    if (link.steps.length && (range === null || (positive && !(range[0] > 0)))) {
      return refuse(`the link ${show(link.name)} needs a range${positive ? " above 0" : ""}`, range);
    }
    const { name, unit } = fidelity as { name: string; unit: string };
    const values = at as number[];
    return new CurveForm(
      { name, unit, least: values[0], most: values[count - 1], whole: false, values },
      coefficients,
      offset,
      basis as number[][],
      gate as CurveForm["gate"],
      range as CurveForm["range"],
      noise as CurveForm["noise"],
      link,
    );
  }

  /** The last knot at or before a fidelity, which is in range. */
  knotBefore(t: number): number {
    const { at } = this;
    let [low, high] = [0, at.length];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (at[middle] <= t) low = middle;
      else high = middle;
    }
    return low;
  }

  /** The calibration's noise at a fidelity; null where it is not known. */
  noiseAt(t: number): number | null {
    const { at, noise } = this;
    if (!noise) return null;
    const i = this.knotBefore(t);
    if (at[i] === t) return noise[i];
    const slope = (noise[i + 1] - noise[i]) / (at[i + 1] - at[i]);
    return slope * (t - at[i]) + noise[i];
  }

  /**
   * Compute the members' values at a knot.
   *
   * @param outputs What the members predict of each output that is used, row after row.
   * @param y Where the values go, as many as `n`.
   */
  atKnot(i: number, outputs: readonly Float64Array[], n: number, y: Float64Array): void {
    y.fill(this.offset[i], 0, n);
    for (let j = 0; j < this.nCoefficients; j++) {
      const c = outputs[j];
      const weight = this.basis[i][j];
      for (let e = 0; e < n; e++) y[e] = y[e] + c[e] * weight;
    }
    if (this.gate) {
      const c = outputs[this.gate.output];
      const rest = this.gate.rest[i];
      for (let e = 0; e < n; e++) {
        const g = Math.min(Math.max(c[e], 0), 1);
        y[e] = rest + g * (y[e] - rest);
      }
    }
    if (this.range) {
      const [low, high] = this.range;
      for (let e = 0; e < n; e++) y[e] = Math.min(Math.max(y[e], low), high);
    }
    this.link.invert(y, n);
  }

  /** Compute the members' values at a fidelity, which is in range. */
  atFidelity(t: number, outputs: readonly Float64Array[], n: number, y: Float64Array): void {
    const { at } = this;
    const i = this.knotBefore(t);
    this.atKnot(i, outputs, n, y);
    if (at[i] === t) return;
    const share = (t - at[i]) / (at[i + 1] - at[i]);
    const next = new Float64Array(n);
    this.atKnot(i + 1, outputs, n, next);
    for (let e = 0; e < n; e++) y[e] = y[e] + share * (next[e] - y[e]);
  }

  /** Refuse a curve with a value that float32 does not hold; `most` says how large outputs are. */
  checkRange(most: readonly (number | null)[], source: string): void {
    const refuse = (what: string): never => {
      throw new ArtifactError(`${source}: malformed key "curve": ${what}`);
    };
    if (this.used.some((k) => most[k] === null)) refuse("the tables of a coefficient leave the domain of its link");
    this.at.forEach((_, i) => {
      const rest = this.gate ? Math.abs(this.gate.rest[i]) : 0;
      const largest = this.basis[i].reduce((sum, b, j) => sum + Math.abs(b) * most[j]!, Math.abs(this.offset[i])) + rest;
      // Twice as much: what is rounded on the way, and a difference of two values.
      if (!inRange(2 * largest)) refuse(`a value could be ${short(largest)}, which float32 does not hold`);
    });
    if (!this.range) return;
    const ends = Float64Array.from(this.range);
    this.link.invert(ends, 2);
    if (!ends.every((end) => inRange(2 * end))) refuse(`a value could be ${show([...ends])}, which float32 does not hold`);
  }
}

/** Whether a value is an object of just these keys. */
export function hasKeys(value: unknown, keys: readonly string[], more: readonly string[] = []): value is Record<string, unknown> {
  if (!isObject(value)) return false;
  const found = Object.keys(value);
  return keys.every((key) => found.includes(key)) && found.every((key) => keys.includes(key) || more.includes(key));
}

/** Whether a value is an integer within bounds. */
export function isWhole(value: unknown, least: number, most: number): value is number {
  return Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most;
}

/** Whether a value is a list of so many numbers that float32 holds. */
export function areNumbers(value: unknown, count: number): value is number[] {
  return Array.isArray(value) && value.length === count && Array.from(value).every(inRange);
}

function areSigned(value: unknown, count: number): value is number[] {
  return areNumbers(value, count) && value.every((number) => !Object.is(number, -0));
}
