/** Reading of what is proven: nothing is believed that contradicts itself, or is of other files. */

import { after } from "./counts.js";
import { ArtifactError, show } from "./errors.js";
import { isName, isObject, parseObject } from "./json.js";
import type { SearchSpace } from "./space.js";
import { belowOf, type Extreme, type Front, type Landmark, type Proven, Truth } from "./truth.js";

const KIND = "anb_onnx truth";
const VERSION = 1;
const SIZES = new Map([["uint8", 1], ["uint32", 4], ["int64", 8], ["float32", 4]]);

/** A target of the manifest. */
export interface Subject {
  readonly name: string;
  readonly unit: string;
  readonly direction: "max" | "min";
  readonly sha256: string;
}

interface Stored {
  readonly dtype: string;
  readonly shape: readonly number[];
  /** In memory of its own, so that it can be read as numbers. */
  readonly bytes: Uint8Array;
}

/**
 * Read what is proven of targets, by name.
 *
 * Throws `ArtifactError` where the file is malformed, contradicts itself, or was proven of other
 * artifacts than `subjects`; `source` names it.
 */
export function readTruths(
  file: Uint8Array,
  space: SearchSpace,
  subjects: readonly Subject[],
  source: string,
): ReadonlyMap<string, Truth> {
  const { header, arrays } = unpack(file, source);
  const stated = header.search_space;
  if (!isObject(stated) || stated.name !== space.name || !isCount(stated.size) || BigInt(stated.size) !== space.size) {
    throw new ArtifactError(`${source}: key "search_space" is ${show(stated)}, not that of the manifest`);
  }
  if (!isObject(header.targets) || !Object.keys(header.targets).length) {
    throw new ArtifactError(`${source}: key "targets" must be an object that is not empty`);
  }
  const proven = new Map<string, Proven>();
  for (const [name, entry] of Object.entries(header.targets)) {
    const subject = subjects.find((s) => s.name === name);
    const part: Part = new Part(source, `target ${show(name)}`, name, space, arrays);
    if (!subject) part.refuse("it is not in the manifest");
    if (!isObject(entry) || entry.sha256 !== subject.sha256) part.refuse("it was proven of another artifact");
    proven.set(name, readProven(subject, entry, part));
  }
  const fronts = readFronts(proven, space, source, arrays);
  const [unknown] = arrays.keys();
  if (unknown !== undefined) throw new ArtifactError(`${source}: array ${unknown} is unknown`);
  const truths = new Map<string, Truth>();
  for (const [name, facts] of proven) truths.set(name, new Truth(facts, fronts.filter((f) => f.targets.includes(name))));
  return truths;
}

/** The JSON and the arrays of a file; arrays by what they are of and their name. */
function unpack(file: Uint8Array, source: string): { header: Record<string, unknown>; arrays: Map<string, Stored> } {
  const length = file.length < 8 ? 0n : new DataView(file.buffer, file.byteOffset).getBigUint64(0, true);
  if (length < 1n || length > BigInt(file.length - 8)) {
    throw new ArtifactError(`${source}: its JSON would end outside of its ${file.length} bytes`);
  }
  let end = 8 + Number(length);
  const header = parseObject(file.subarray(8, end), `${source}: its JSON`);
  if (header.kind !== KIND || header.version !== VERSION) {
    const found = `${show(header.kind)}, version ${show(header.version)}`;
    throw new ArtifactError(`${source} is of kind ${found}; this release reads ${show(KIND)}, version ${VERSION}`);
  }
  if (!Array.isArray(header.arrays)) throw new ArtifactError(`${source}: key "arrays" must be a list`);
  const arrays = new Map<string, Stored>();
  for (const item of header.arrays as unknown[]) {
    const { of, name, dtype, shape } = isObject(item) ? item : ({} as Record<string, unknown>);
    const size = SIZES.get(dtype as string);
    const isPair = Array.isArray(of) && of.length === 2 && of.every(isName);
    const isShape = Array.isArray(shape) && [1, 2].includes(shape.length) && shape.every((n) => Number.isSafeInteger(n) && n >= 0);
    const bytes = isShape && size ? (shape as number[]).reduce((n, m) => n * m, size) : Number.NaN;
    if (!(isName(of) || isPair) || !isName(name) || !(end + bytes <= file.length)) {
      throw new ArtifactError(`${source}: malformed array ${show(item)}`);
    }
    const key = keyOf(of as string | string[], name);
    if (arrays.has(key)) throw new ArtifactError(`${source}: array ${key} stands twice`);
    arrays.set(key, { dtype: dtype as string, shape: shape as number[], bytes: file.slice(end, end + bytes) });
    end += bytes;
  }
  if (end !== file.length) throw new ArtifactError(`${source}: the arrays end at byte ${end} of ${file.length}`);
  return { header, arrays };
}

function keyOf(of: string | readonly string[], name: string): string {
  return `${JSON.stringify(name)} of ${JSON.stringify(of)}`;
}

function isCount(value: unknown): value is number | bigint {
  return (typeof value === "bigint" && value >= 0n) || (Number.isSafeInteger(value) && (value as number) >= 0);
}

/** A part of the file: takes the arrays that are of it, and refuses what is wrong there. */
class Part {
  constructor(
    private readonly source: string,
    private readonly what: string,
    private readonly of: string | readonly string[],
    readonly space: SearchSpace,
    private readonly arrays: Map<string, Stored>,
  ) {}

  // An annotation of its own lets TypeScript see that nothing comes after it.
  readonly refuse: (problem: string) => never = (problem) => {
    throw new ArtifactError(`${this.source}: ${this.what}: ${problem}`);
  };

  /** An array, undefined where there is none; null in a shape is a size of 1 or more. */
  take(name: string, dtypes: readonly string[], shape: readonly (number | null)[]): Stored | undefined {
    const key = keyOf(this.of, name);
    const found = this.arrays.get(key);
    this.arrays.delete(key);
    if (!found) return undefined;
    const fits =
      found.shape.length === shape.length && shape.every((n, k) => (n === null ? found.shape[k] > 0 : found.shape[k] === n));
    if (!fits || !dtypes.includes(found.dtype)) {
      return this.refuse(`array ${show(name)} is ${found.dtype} ${show(found.shape)}`);
    }
    return found;
  }

  /** Finite float32 numbers. */
  values(name: string, shape: readonly (number | null)[]): Float32Array | undefined {
    const found = this.take(name, ["float32"], shape);
    if (!found) return undefined;
    const values = new Float32Array(found.bytes.buffer);
    if (!values.every(Number.isFinite)) this.refuse(`array ${show(name)} holds a number that is not finite`);
    return values;
  }

  /** Codes of architectures of the space, at least one. */
  codes(name: string): Uint8Array {
    const n = this.space.nGenes;
    const codes = this.take(name, ["uint8"], [null, n])?.bytes ?? this.refuse(`array ${show(name)} is missing`);
    if (!codes.every((code, i) => code < this.space.geneSizes[i % n])) {
      this.refuse(`array ${show(name)} holds codes that the space has not`);
    }
    return codes;
  }

  number(value: unknown, key: string): number {
    if (typeof value === "number" && Math.fround(value) === value && Number.isFinite(value)) return value;
    return this.refuse(`key ${show(key)} must be a number of float32, not ${show(value)}`);
  }

  count(value: unknown, key: string, least: number): bigint {
    const found = isCount(value) ? BigInt(value) : -1n;
    if (found >= BigInt(least) && found <= this.space.size) return found;
    return this.refuse(`key ${show(key)} must be from ${least} to ${this.space.size}, not ${show(value)}`);
  }

  object(value: unknown, key: string): Record<string, unknown> {
    return isObject(value) ? value : this.refuse(`key ${show(key)} must be an object, not ${show(value)}`);
  }
}

function readProven({ name, unit, direction }: Subject, entry: Record<string, unknown>, part: Part): Proven {
  const [optimum, worst] = (["optimum", "worst"] as const).map((key) => readExtreme(entry, key, part));
  const sign = direction === "max" ? 1 : -1;
  if (sign * optimum.value < sign * worst.value) part.refuse("its optimum is worse than its worst");
  const proven = {
    target: name,
    unit,
    direction,
    total: part.space.size,
    optimum,
    worst,
    best: readBest(entry, optimum, sign, part),
    distribution: readDistribution([optimum.value, worst.value].sort((a, b) => a - b), part),
  };
  const digests = part.take("digests", ["uint8"], [null, 8]);
  if ((digests === undefined) !== (entry.shards === undefined)) part.refuse('key "shards" and "digests" need each other');
  const whole = { ...proven, landmarks: new Map<string, Landmark>() };
  checkAgreement(whole, part);
  return { ...proven, landmarks: readLandmarks(whole, entry, part) };
}

function readExtreme(entry: Record<string, unknown>, key: "optimum" | "worst", part: Part): Extreme {
  const stated = part.object(entry[key], key);
  const codes = part.codes(key);
  const count = part.count(stated.count, `${key}.count`, codes.length / part.space.nGenes);
  return { value: part.number(stated.value, `${key}.value`), codes, count };
}

function readBest(entry: Record<string, unknown>, optimum: Extreme, sign: number, part: Part): Proven["best"] {
  const values = part.values("best", [null]);
  if (values === undefined && entry.best_to === undefined) return null;
  if (values === undefined) return part.refuse('key "best_to" and array "best" need each other');
  const to = part.number(entry.best_to, "best_to");
  if (!values.every((v, i) => i === 0 || sign * v <= sign * values[i - 1])) part.refuse('array "best" is not sorted');
  const first = values.filter((v) => v === optimum.value).length;
  if (values[0] !== optimum.value || BigInt(first) !== optimum.count) part.refuse('array "best" does not begin with the optimum');
  if (sign * to > sign * values.at(-1)!) part.refuse('key "best_to" is better than the last of array "best"');
  return { values, to };
}

function readDistribution([low, high]: readonly number[], part: Part): Proven["distribution"] {
  const edges = part.values("edges", [null]);
  const stored = part.take("counts", ["uint32", "int64"], [null]);
  if (!edges && !stored) return null;
  if (!edges || !stored || edges.length !== stored.shape[0] + 1) {
    return part.refuse('arrays "edges" and "counts" need each other, and one edge more than counts');
  }
  const { buffer } = stored.bytes;
  const wide = stored.dtype === "int64";
  const counts = wide ? Float64Array.from(new BigInt64Array(buffer), Number) : Float64Array.from(new Uint32Array(buffer));
  if (!edges.every((edge, i) => i === 0 || edge > edges[i - 1])) part.refuse('array "edges" is not increasing');
  if (edges[0] !== low || edges.at(-1) !== after(high)) part.refuse('array "edges" does not reach from the least to the largest');
  const sum = counts.reduce((total, count) => (count >= 0 ? total + count : Number.NaN), 0);
  if (!(sum <= Number.MAX_SAFE_INTEGER) || BigInt(sum) !== part.space.size) {
    part.refuse(`array "counts" does not add up to the ${part.space.size} architectures of the space`);
  }
  return { edges, counts };
}

/** Check that the distribution, the list of the best and the extremes count the same architectures. */
function checkAgreement(proven: Proven, part: Part): void {
  const { distribution } = proven;
  const below = belowOf(proven);
  if (below.counts.some((count, i) => i > 0 && count < below.counts[i - 1])) part.refuse("its counts disagree");
  if (!distribution) return;
  let sum = 0n;
  distribution.edges.forEach((edge, i) => {
    const [least, most] = below.bounds(edge);
    if (least !== sum || most !== sum) part.refuse("the list of the best and the distribution disagree");
    sum += BigInt(distribution.counts[i] ?? 0);
  });
}

function readLandmarks(proven: Proven, entry: Record<string, unknown>, part: Part): Map<string, Landmark> {
  const found = new Map<string, Landmark>();
  const truth = new Truth(proven, []);
  const { geneSizes } = part.space;
  for (const [name, stated] of Object.entries(part.object(entry.landmarks ?? {}, "landmarks"))) {
    const { codes, value, better, equal } = part.object(stated, name);
    const sound =
      isName(name) &&
      Array.isArray(codes) &&
      codes.length === geneSizes.length &&
      codes.every((code, gene) => Number.isSafeInteger(code) && code >= 0 && code < geneSizes[gene]);
    if (!sound) part.refuse(`landmark ${show(name)}: its codes are ${show(codes)}`);
    const landmark = {
      codes: Uint8Array.from(codes as number[]),
      value: part.number(value, `${name}.value`),
      better: part.count(better, `${name}.better`, 0),
      equal: part.count(equal, `${name}.equal`, 1),
    };
    const { below, total } = truth;
    // Those that are better, and those that are at least as good.
    let bounds = [landmark.value, after(landmark.value)].map((x) => below.bounds(x));
    if (truth.direction === "max") bounds = bounds.reverse().map(([least, most]) => [total - most, total - least]);
    const counts = [landmark.better, landmark.better + landmark.equal];
    if (counts.some((count, k) => count < bounds[k][0] || count > bounds[k][1])) {
      part.refuse(`landmark ${show(name)}: its rank is not what was counted`);
    }
    found.set(name, landmark);
  }
  return found;
}

function readFronts(
  proven: ReadonlyMap<string, Proven>,
  space: SearchSpace,
  source: string,
  arrays: Map<string, Stored>,
): Front[] {
  const fronts: Front[] = [];
  for (const first of proven.values()) {
    for (const second of proven.values()) {
      const pair = [first.target, second.target] as const;
      if (first === second || !arrays.has(keyOf(pair, "codes"))) continue;
      const part = new Part(source, `front of ${pair.map(show).join(" and ")}`, pair, space, arrays);
      const codes = part.codes("codes");
      const n = codes.length / space.nGenes;
      const values = part.values("values", [n, 2]) ?? part.refuse('array "values" is missing');
      checkFront([first, second], values, part);
      fronts.push({ targets: pair, codes, values });
    }
  }
  return fronts;
}

function checkFront(targets: readonly [Proven, Proven], values: Float32Array, part: Part): void {
  // As if less were better for both: from the best of the first on, the second improves.
  const [a, b] = targets.map((t, k) => {
    const sign = t.direction === "max" ? -1 : 1;
    return Array.from({ length: values.length / 2 }, (_, row) => sign * values[2 * row + k]);
  });
  for (let row = 1; row < a.length; row++) {
    const equal = a[row] === a[row - 1] && b[row] === b[row - 1];
    if (!equal && !(a[row] > a[row - 1] && b[row] < b[row - 1])) {
      part.refuse("it holds a point that another one dominates, or is not sorted");
    }
  }
  if (values[0] !== targets[0].optimum.value || values.at(-1) !== targets[1].optimum.value) {
    part.refuse("it does not reach the optima of its targets");
  }
}
