import type { Card } from "./catalog.js";
import { isWhole } from "./curves.js";
import { ArtifactError, show } from "./errors.js";
import { count, Shown } from "./inspect.js";
import { isObject } from "./json.js";
import type { SearchSpace } from "./space.js";

const OUTPUTS = ["mean", "std", "members"] as const;

// What there is of artifacts of several outputs besides, of the first architectures.
const OF_OUTPUTS = ["output_means", "output_stds"] as const;
const OF_KNOTS = ["curve_mean", "curve_std"] as const;
const BETWEEN = ["between_mean", "between_std"] as const;

export type GoldenName =
  | (typeof OUTPUTS)[number]
  | (typeof OF_OUTPUTS)[number]
  | (typeof OF_KNOTS)[number]
  | (typeof BETWEEN)[number];

/** Architectures and, for every target, the bits that each engine gives for them. */
export class Golden extends Shown {
  readonly #arrays = new Map<string, Uint8Array>();

  /**
   * Read the golden vectors, as the `golden` of a manifest describes them.
   *
   * Throws `ArtifactError` where an array is missing, of another shape, or not within the file.
   */
  constructor(
    readonly document: Readonly<Record<string, unknown>>,
    file: Uint8Array,
    space: SearchSpace,
    cards: ReadonlyMap<string, Card>,
    source: string,
  ) {
    super();
    const { n, arrays } = document;
    if (!Number.isSafeInteger(n) || (n as number) < 1 || !Array.isArray(arrays)) {
      throw new ArtifactError(`${source}: key "golden": malformed ${show(document)}`);
    }
    this.n = n as number;
    const expected = new Map([[keyOf(null, "architectures"), [this.n, space.nGenes]]]);
    const more = new Map<string, number>();
    for (const [target, { members, outputs, curve }] of cards) {
      for (const name of OUTPUTS) expected.set(keyOf(target, name), name === "members" ? [this.n, members] : [this.n]);
      if (Array.isArray(outputs)) for (const name of OF_OUTPUTS) more.set(keyOf(target, name), outputs.length);
      const at = isObject(curve) ? curve.at : null;
      if (!Array.isArray(at)) continue;
      for (const name of OF_KNOTS) more.set(keyOf(target, name), at.length);
      if (at.length > 1) for (const name of BETWEEN) more.set(keyOf(target, name), at.length - 1);
    }
    for (const array of arrays as unknown[]) this.#add(array, expected, more, file, source);
    for (const key of expected.keys()) {
      if (!this.#arrays.has(key)) throw new ArtifactError(`${source}: key "golden": no array of ${key}`);
    }
  }

  /** Number of architectures. */
  readonly n: number;

  override toString(): string {
    const targets = [...this.#arrays.keys()].filter((key) => key.startsWith('"mean" of')).length;
    return `Golden(${count(this.n, "architecture")}, ${count(targets, "target")})`;
  }

  /** The architectures: N rows of codes. */
  get codes(): Uint8Array {
    return this.#arrays.get(keyOf(null, "architectures"))!.slice();
  }

  /**
   * The bytes of a target's output: float32, little-endian. Those of several outputs and of curves are
   * of the first architectures: as many as the bytes are enough for.
   */
  bytes(target: string, name: GoldenName): Uint8Array {
    const found = this.#arrays.get(keyOf(target, name));
    if (!found) throw new ArtifactError(`there are no golden vectors of ${show(name)} of ${show(target)}`);
    return found.slice();
  }

  #add(
    array: unknown,
    expected: ReadonlyMap<string, number[]>,
    more: ReadonlyMap<string, number>,
    file: Uint8Array,
    source: string,
  ): void {
    const { target, name, dtype, shape, offset } = isObject(array) ? array : ({} as Record<string, unknown>);
    const key = keyOf(target, name);
    const columns = more.get(key);
    const rows = Array.isArray(shape) && isWhole(shape[0], 0, this.n) ? shape[0] : this.n;
    const wanted = columns === undefined ? expected.get(key) : [rows, columns];
    const size = key === keyOf(null, "architectures") ? 1 : 4;
    const bytes = wanted?.reduce((count, length) => count * length, size) ?? 0;
    const sound =
      wanted &&
      !this.#arrays.has(key) &&
      Array.isArray(shape) &&
      shape.length === wanted.length &&
      wanted.every((length, k) => shape[k] === length) &&
      dtype === (size === 1 ? "uint8" : "float32") &&
      Number.isSafeInteger(offset) &&
      (offset as number) >= 0 &&
      (offset as number) + bytes <= file.length;
    if (!sound) throw new ArtifactError(`${source}: key "golden": malformed array ${show(array)}`);
    this.#arrays.set(key, file.subarray(offset as number, (offset as number) + bytes));
  }
}

function keyOf(target: unknown, name: unknown): string {
  return target === null ? show(name) : `${show(name)} of ${show(target)}`;
}
