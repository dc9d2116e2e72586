import { ArtifactError, show } from "./errors.js";

export type Step = "square" | "sqrt" | "reciprocal" | "reflect" | "hinge";

/**
 * The inverse of a link function as a list of steps of correctly rounded float64 operations:
 * x*x, sqrt(x), 1/x, offset-x, and for the next hinge (knot, change) x + max(x-knot, 0)*change.
 */
export class Link {
  private constructor(
    readonly name: string,
    readonly steps: readonly Step[],
    readonly offset: number,
    readonly hinges: readonly (readonly [number, number])[] = [],
  ) {}

  /** Read the `link` of a manifest's entry. */
  static fromDocument(document: unknown, source: string): Link {
    const d = document as {
      name: string;
      inverse: Step[];
      offset: number | null;
      hinges?: [number, number][];
    } | null;
    const known = ["square", "sqrt", "reciprocal", "reflect", "hinge"];
    const hinges = d?.hinges ?? [];
    const sound =
      typeof d === "object" &&
      d !== null &&
      Array.isArray(d.inverse) &&
      d.inverse.length <= 64 &&
      d.inverse.every((step) => known.includes(step)) &&
      (d.offset === null || Number.isFinite(d.offset)) &&
      d.inverse.includes("reflect") === (d.offset !== null) &&
      Array.isArray(hinges) &&
      hinges.every((h) => Array.isArray(h) && h.length === 2 && h.every(Number.isFinite)) &&
      d.inverse.filter((step) => step === "hinge").length === hinges.length;
    if (!sound) throw new ArtifactError(`${source}: malformed link ${show(document)}`);
    return new Link(String(d.name), d.inverse, d.offset ?? 0, hinges);
  }

  /** Apply the steps to the first n values, in place. */
  invert(values: Float64Array, n: number): void {
    const offset = this.offset;
    let next = 0;
    for (const step of this.steps) {
      if (step === "square") for (let i = 0; i < n; i++) values[i] = values[i] * values[i];
      else if (step === "sqrt") for (let i = 0; i < n; i++) values[i] = Math.sqrt(values[i]);
      else if (step === "reciprocal") for (let i = 0; i < n; i++) values[i] = 1 / values[i];
      else if (step === "reflect") for (let i = 0; i < n; i++) values[i] = offset - values[i];
      else {
        const [knot, change] = this.hinges[next++];
        for (let i = 0; i < n; i++) values[i] += Math.max(values[i] - knot, 0) * change;
      }
    }
  }
}
