import { ArtifactError, show } from "./errors.js";
import { count, Shown } from "./inspect.js";
import { isObject } from "./json.js";
import type { SearchSpace } from "./space.js";

const OUTPUTS = ["mean", "std", "members"] as const;

export type GoldenName = (typeof OUTPUTS)[number];

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
    members: ReadonlyMap<string, number>,
    source: string,
  ) {
    super();
    const { n, arrays } = document;
    if (!Number.isSafeInteger(n) || (n as number) < 1 || !Array.isArray(arrays)) {
      throw new ArtifactError(`${source}: key "golden": malformed ${show(document)}`);
    }
    this.n = n as number;
    const expected = new Map([[keyOf(null, "architectures"), [this.n, space.nGenes]]]);
    for (const [target, nMembers] of members) {
      for (const name of OUTPUTS) expected.set(keyOf(target, name), name === "members" ? [this.n, nMembers] : [this.n]);
    }
    for (const array of arrays as unknown[]) this.#add(array, expected, file, source);
    for (const key of expected.keys()) {
      if (!this.#arrays.has(key)) throw new ArtifactError(`${source}: key "golden": no array of ${key}`);
    }
  }

  /** Number of architectures. */
  readonly n: number;

  override toString(): string {
    return `Golden(${count(this.n, "architecture")}, ${count((this.#arrays.size - 1) / OUTPUTS.length, "target")})`;
  }

  /** The architectures: N rows of codes. */
  get codes(): Uint8Array {
    return this.#arrays.get(keyOf(null, "architectures"))!.slice();
  }

  /** The bytes of a target's output: float32, little-endian. */
  bytes(target: string, name: GoldenName): Uint8Array {
    const found = this.#arrays.get(keyOf(target, name));
    if (!found) throw new ArtifactError(`there are no golden vectors of ${show(name)} of ${show(target)}`);
    return found.slice();
  }

  #add(array: unknown, expected: ReadonlyMap<string, number[]>, file: Uint8Array, source: string): void {
    const { target, name, dtype, shape, offset } = isObject(array) ? array : ({} as Record<string, unknown>);
    const key = keyOf(target, name);
    const wanted = expected.get(key);
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
