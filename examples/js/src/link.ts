import { ArtifactError, show } from "./errors.js";
import type { SearchSpace } from "./space.js";

/** Largest number in the target's unit, in size: predictions are float32. */
export const LARGEST = 3.4028234663852886e38;

/** Whether a value is a number that predictions in float32 can be computed with. */
export function inRange(value: unknown): value is number {
  return typeof value === "number" && Math.abs(value) <= LARGEST;
}

const MAX_HINGES = 64;

export type Step = "square" | "sqrt" | "reciprocal" | "reflect" | "hinge" | "regime";

/** Knot and change. */
export type Hinge = readonly [number, number];

/** Further hinges, for the architectures with some choices of one gene. */
export interface Regime {
  /** Position of the gene among the codes. */
  readonly position: number;
  /** For each code of the gene, whether it is inside. */
  readonly inside: readonly boolean[];
  readonly hinges: readonly Hinge[];
}

/**
 * The inverse of a link function as a list of steps of correctly rounded float64 operations:
 * x*x, sqrt(x), 1/x, offset-x, for the next hinge (knot, change) x + max(x-knot, 0)*change, and the
 * same for the next hinge of the regime, where the architecture is inside of it.
 */
export class Link {
  private constructor(
    readonly name: string,
    readonly steps: readonly Step[],
    readonly offset: number,
    readonly hinges: readonly Hinge[],
    readonly regime: Regime | null,
  ) {}

  /** Whether it is defined, or monotone, for positive values only. */
  get needsPositive(): boolean {
    return this.steps.some((step) => step === "square" || step === "sqrt" || step === "reciprocal");
  }

  /** Read the `link` of a manifest's entry. */
  static fromDocument(document: unknown, source: string, space: SearchSpace): Link {
    const d = document as {
      name: string;
      inverse: Step[];
      offset: number | null;
      hinges?: Hinge[];
      regime?: { hinges?: Hinge[] } | null;
    } | null;
    const known = ["square", "sqrt", "reciprocal", "reflect", "hinge", "regime"];
    const hinges = d?.hinges ?? [];
    const regime = d?.regime ?? null;
    const count = (kind: Step) => d!.inverse.filter((step) => step === kind).length;
    const sound =
      typeof d === "object" &&
      d !== null &&
      Array.isArray(d.inverse) &&
      d.inverse.length <= 256 &&
      d.inverse.every((step) => known.includes(step)) &&
      (d.offset === null || inRange(d.offset)) &&
      d.inverse.includes("reflect") === (d.offset !== null) &&
      soundHinges(hinges) &&
      count("hinge") === hinges.length &&
      count("regime") === (regime?.hinges?.length ?? 0);
    if (!sound) throw new ArtifactError(`${source}: malformed link ${show(document)}`);
    const read = regime === null ? null : readRegime(regime, source, space);
    return new Link(String(d.name), d.inverse, d.offset ?? 0, hinges, read);
  }

  /**
   * Apply the steps to the values of the first `rows` architectures, in place.
   *
   * @param inside For each row, whether it is inside the regime; needed where there is one.
   */
  invert(values: Float64Array, rows: number, members = 1, inside?: Uint8Array): void {
    const offset = this.offset;
    const n = rows * members;
    let next = 0;
    let nextInside = 0;
    for (const step of this.steps) {
      if (step === "square") for (let i = 0; i < n; i++) values[i] = values[i] * values[i];
      else if (step === "sqrt") for (let i = 0; i < n; i++) values[i] = Math.sqrt(values[i]);
      else if (step === "reciprocal") for (let i = 0; i < n; i++) values[i] = 1 / values[i];
      else if (step === "reflect") for (let i = 0; i < n; i++) values[i] = offset - values[i];
      else if (step === "hinge") {
        const [knot, change] = this.hinges[next++];
        for (let i = 0; i < n; i++) values[i] += Math.max(values[i] - knot, 0) * change;
      } else {
        const [knot, change] = this.regime!.hinges[nextInside++];
        for (let row = 0, i = 0; row < rows; row++, i += members) {
          if (!inside![row]) continue;
          for (let j = i; j < i + members; j++) values[j] += Math.max(values[j] - knot, 0) * change;
        }
      }
    }
  }
}

function readRegime(document: unknown, source: string, space: SearchSpace): Regime {
  const { gene, codes, hinges } = document as { gene: string; codes: number[]; hinges: Hinge[] };
  const position = space.positions.get(gene);
  const size = position === undefined ? 0 : space.geneSizes[position];
  const sound =
    position !== undefined &&
    Array.isArray(codes) &&
    codes.length > 0 &&
    codes.every((c, i) => Number.isInteger(c) && c > (i ? codes[i - 1] : -1) && c < size) &&
    soundHinges(hinges) &&
    hinges.length > 0;
  if (!sound) {
    const facts = `a gene of ${show(space.name)}, codes of it in order and hinges expected`;
    throw new ArtifactError(`${source}: malformed regime ${show(document)}; ${facts}`);
  }
  const inside = Array.from({ length: size }, (_, code) => codes.includes(code));
  return { position, inside, hinges };
}

function soundHinges(hinges: unknown): hinges is Hinge[] {
  // A slope of 1 + change that is positive keeps the order of values.
  const pair = (h: unknown) => Array.isArray(h) && h.length === 2 && h.every(inRange) && h[1] > -1;
  return Array.isArray(hinges) && hinges.length <= MAX_HINGES && hinges.every(pair);
}
