/** What is proven: against every architecture of an invented space, and files that contradict themselves. */

import { describe, expect, it } from "vitest";
import { after, atLeast, atMost } from "../src/counts.js";
import { ArtifactError, load, SearchSpace, type Truth, TruthError } from "../src/index.js";
import { readTruths } from "../src/truthFile.js";
import { catalog } from "./artifacts.js";

const SIZES = [3, 4, 5];
const SPACE = new SearchSpace(
  "invented",
  SIZES.map((n, k) => ({ name: `b${k}`, genes: [{ name: `g${k}`, choices: Array.from({ length: n }, (_, c) => c) }] })),
);
const N = 60;
/** Means of all architectures, by index; some are equal. */
const MEANS = { gain: means(7), cost: means(3) };
const SUBJECTS = [
  { name: "gain", unit: "%", direction: "max", sha256: "a".repeat(64) },
  { name: "cost", unit: "ms", direction: "min", sha256: "b".repeat(64) },
] as const;

function means(factor: number): number[] {
  return Array.from({ length: N }, (_, i) => Math.fround(((i * factor * 7) % 41) / 10 - 1));
}

function codesOf(index: number): number[] {
  return [Math.floor(index / 20), Math.floor(index / 5) % 4, index % 5];
}

const isBetter = (direction: string, a: number, b: number) => (direction === "max" ? a > b : a < b);

interface Arrays {
  [key: string]: { of: unknown; name: unknown; data: Uint8Array | Float32Array | Uint32Array; shape: unknown; dtype?: string };
}
interface Parts {
  header: any;
  arrays: Arrays;
}

/** The parts of a right file: edges at every second value, the ten best, and a front. */
function parts(): Parts {
  const arrays: Arrays = {};
  const targets: Record<string, unknown> = {};
  const put = (of: unknown, name: string, data: Arrays[string]["data"], shape: number[]) =>
    (arrays[`${of}.${name}`] = { of, name, data, shape });
  for (const { name, direction, sha256 } of SUBJECTS) {
    const y = MEANS[name];
    const order = [...y.keys()].sort((a, b) => (direction === "max" ? y[b] - y[a] : y[a] - y[b]));
    const extreme = (key: string, value: number) => {
      const rows = [...y.keys()].filter((i) => y[i] === value);
      put(name, key, Uint8Array.from(rows.flatMap(codesOf)), [rows.length, 3]);
      return { value, count: rows.length };
    };
    const to = y[order[9]];
    const best = order.map((i) => y[i]).filter((v) => !isBetter(direction, to, v));
    put(name, "best", Float32Array.from(best), [best.length]);
    const values = [...new Set(y)].sort((a, b) => a - b);
    const mark = y[17];
    const inner = values.filter((_, k) => k % 2 === 0);
    const edges = [...new Set([...inner, mark, after(mark), after(values.at(-1)!)])].sort((a, b) => a - b);
    const counts = edges.slice(1).map((stop, k) => y.filter((v) => edges[k] <= v && v < stop).length);
    put(name, "edges", Float32Array.from(edges), [edges.length]);
    put(name, "counts", Uint32Array.from(counts), [counts.length]);
    targets[name] = {
      sha256,
      optimum: extreme("optimum", y[order[0]]),
      worst: extreme("worst", y[order.at(-1)!]),
      best_to: to,
      landmarks: {
        known: {
          codes: codesOf(17),
          value: mark,
          better: y.filter((v) => isBetter(direction, v, mark)).length,
          equal: y.filter((v) => v === mark).length,
        },
      },
    };
  }
  const dominated = (i: number) =>
    MEANS.gain.some((v, j) => {
      const [a, b] = [v - MEANS.gain[i], MEANS.cost[i] - MEANS.cost[j]];
      return a >= 0 && b >= 0 && a + b > 0;
    });
  const front = [...MEANS.gain.keys()].filter((i) => !dominated(i)).sort((a, b) => MEANS.gain[b] - MEANS.gain[a]);
  const pair = ["gain", "cost"];
  put(pair, "codes", Uint8Array.from(front.flatMap(codesOf)), [front.length, 3]);
  put(pair, "values", Float32Array.from(front.flatMap((i) => [MEANS.gain[i], MEANS.cost[i]])), [front.length, 2]);
  const header = { kind: "anb_onnx truth", version: 1, search_space: { name: "invented", size: N }, targets };
  return { header, arrays };
}

function pack({ header, arrays }: Parts): Uint8Array {
  const dtype = { Uint8Array: "uint8", Float32Array: "float32", Uint32Array: "uint32" } as Record<string, string>;
  const items = Object.values(arrays).map((a) => ({
    of: a.of,
    name: a.name,
    shape: a.shape,
    dtype: a.dtype ?? dtype[a.data.constructor.name],
  }));
  const text = new TextEncoder().encode(JSON.stringify({ ...header, arrays: items }));
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, BigInt(text.length), true);
  const data = Object.values(arrays).map((a) => Buffer.from(a.data.buffer, a.data.byteOffset, a.data.byteLength));
  return new Uint8Array(Buffer.concat([length, text, ...data]));
}

const read = (file: Uint8Array) => readTruths(file, SPACE, SUBJECTS, "truth.bin");

describe("steps between float32 numbers", () => {
  it("go to the next one, and never past a value", () => {
    for (const x of [0, -0, 1, -1, 0.1, -0.1, 1e-45, -1e-45, 3.4e38, -3.4e38, 1 + 2 ** -23]) {
      const y = Math.fround(x);
      expect(after(y)).toBeGreaterThan(y);
      expect(Math.fround((y + after(y)) / 2) === y || Math.fround((y + after(y)) / 2) === after(y)).toBe(true);
      expect(-after(-after(y)) === y || (y === 0 && Math.abs(-after(-after(y))) === 0)).toBe(true);
      expect(atMost(x)).toBeLessThanOrEqual(x);
      expect(atLeast(x)).toBeGreaterThanOrEqual(x);
      expect(after(atMost(x))).toBeGreaterThan(x);
    }
    expect(after(3.4028234663852886e38)).toBe(Infinity);
    expect(atMost(1e300)).toBe(3.4028234663852886e38);
    expect(atLeast(1e300)).toBe(Infinity);
  });
});

describe("what is proven", () => {
  const truths = read(pack(parts()));

  it.each(SUBJECTS)("$name ranks as all architectures say", ({ name, direction }) => {
    const truth = truths.get(name)!;
    const y = MEANS[name];
    const asked = y.flatMap((v) => [v, after(v), v + 1e-9, v - 1e-9, v + 0.03]).concat([-1e300, 1e300, 0, -0]);
    expect(truth.resolution).toBeGreaterThan(0);
    let exact = 0;
    for (const value of asked) {
      const wanted = BigInt(1 + y.filter((v) => isBetter(direction, v, value)).length);
      const [least, most] = truth.rankBounds(value);
      expect(least <= wanted && wanted <= most, `${value}`).toBe(true);
      const rank = truth.rank(value);
      expect(least <= rank && rank <= most).toBe(true);
      if (least === most) exact++;
      const share = y.filter((v) => v <= value).length / N;
      expect(Math.abs(truth.quantile(value) - share)).toBeLessThanOrEqual(truth.resolution!);
      const worse = y.filter((v) => isBetter(direction, value, v)).length / N;
      expect(Math.abs(truth.betterThan(value) - worse)).toBeLessThanOrEqual(truth.resolution! + 1e-12);
      if (!isBetter(direction, truth.best!.to, value)) expect(least).toBe(most);
    }
    expect(exact).toBeGreaterThan(80);
    const { value, better, equal } = truth.landmarks.get("known")!;
    expect(truth.rank(value)).toBe(better + 1n);
    expect(equal).toBe(BigInt(y.filter((v) => v === value).length));
  });

  it("tells regret, and refuses what is better than the optimum, or no number", () => {
    const truth = truths.get("gain")!;
    expect(truth.regret(truth.optimum.value)).toBe(0);
    expect(truths.get("cost")!.regret(2)).toBe(2 - truths.get("cost")!.optimum.value);
    expect(() => truth.regret(after(truth.optimum.value))).toThrow(TruthError);
    for (const value of [NaN, Infinity, "1", null, undefined, 1n, [1]] as unknown as number[]) {
      for (const ask of ["rank", "rankBounds", "quantile", "betterThan", "regret"] as const) {
        expect(() => truth[ask](value), String(value)).toThrow("must be a finite number");
      }
    }
  });

  it("has the front of both targets", () => {
    const [front] = truths.get("gain")!.fronts;
    expect(truths.get("cost")!.fronts).toEqual([front]);
    expect(front.targets).toEqual(["gain", "cost"]);
    expect(front.values[0]).toBe(truths.get("gain")!.optimum.value);
    expect(front.values.length / 2).toBe(front.codes.length / 3);
  });

  it("knows the best alone where nobody counted the rest", () => {
    const some = parts();
    for (const name of ["gain", "cost"]) for (const key of ["edges", "counts"]) delete some.arrays[`${name}.${key}`];
    const bare = read(pack(some)).get("gain")!;
    const full = truths.get("gain")!;
    expect(bare.resolution).toBeNull();
    for (const value of full.best!.values) expect(bare.rank(value)).toBe(full.rank(value));
    expect(() => bare.quantile(0)).toThrow("was never counted");
    expect(() => bare.rank(0)).toThrow("was never counted");
    expect(bare.rankBounds(0)).toEqual([BigInt(full.best!.values.length + 1), BigInt(N + 1)]);
  });
});

const array = (key: string, change: (a: Arrays[string]) => void) => ({ arrays }: Parts) => change(arrays[key]);
const drop = (key: string) => ({ arrays }: Parts) => void delete arrays[key];
const set = (key: string, at: number, value: number) => array(key, ({ data }) => (data[data.length * Number(at < 0) + at] = value));
const gain = (change: (entry: any) => void) => ({ header }: Parts) => change(header.targets.gain);

/** Leave only some rows of the front, by which of its different points they are. */
function cut(arrays: Arrays, stays: (point: number, last: number) => boolean): void {
  const [codes, values] = ["codes", "values"].map((name) => arrays[`gain,cost.${name}`]);
  const gains = [...new Set(values.data.filter((_, k) => k % 2 === 0))];
  const rows = Array.from({ length: values.data.length / 2 }, (_, row) => row).filter((row) =>
    stays(gains.indexOf(values.data[2 * row]), gains.length - 1),
  );
  codes.data = Uint8Array.from(rows.flatMap((row) => [...codes.data.subarray(3 * row, 3 * row + 3)]));
  values.data = Float32Array.from(rows.flatMap((row) => [...values.data.subarray(2 * row, 2 * row + 2)]));
  codes.shape = [rows.length, 3];
  values.shape = [rows.length, 2];
}

const CONTRADICTIONS: [string, (parts: Parts) => unknown][] = [
  ["of kind", ({ header }) => (header.kind = "x")],
  ["of kind", ({ header }) => (header.version = 2)],
  ["search_space", ({ header }) => (header.search_space.size = 61)],
  ["search_space", ({ header }) => (header.search_space = null)],
  ["must be an object that is not empty", ({ header }) => (header.targets = {})],
  ["it is not in the manifest", ({ header }) => (header.targets.other = {})],
  ["another artifact", gain((e) => (e.sha256 = "c".repeat(64)))],
  ["another artifact", ({ header }) => (header.targets.gain = null)],
  ["must be a number of float32", gain((e) => (e.optimum.value = 0.1))],
  ["must be a number of float32", gain((e) => (e.optimum.value = "1"))],
  ["must be from", gain((e) => (e.optimum.count = 0))],
  ["must be from", gain((e) => (e.worst.count = 1e15))],
  ["must be an object", gain((e) => (e.worst = 3))],
  ["worse than its worst", gain((e) => (e.worst.value = 100))],
  ["does not begin with the optimum", gain((e) => (e.optimum.value = 100))],
  ["is better than the last", gain((e) => (e.best_to = 100))],
  ["disagree", gain((e) => (e.best_to = 0.5))],
  ["must be a number", gain((e) => delete e.best_to)],
  ["need each other", drop("gain.best")],
  ["need each other", drop("gain.edges")],
  ["need each other", drop("gain.counts")],
  ["need each other", gain((e) => (e.shards = {}))],
  ["is missing", drop("gain.optimum")],
  ["is missing", drop("gain,cost.values")],
  ["is unknown", drop("gain,cost.codes")],
  ["codes that the space has not", set("gain.worst", 0, 3)],
  ["is not sorted", set("gain.best", 4, 99)],
  ["not finite", set("gain.best", 4, NaN)],
  ["is not increasing", set("gain.edges", 2, 99)],
  ["does not reach", set("gain.edges", 0, -2)],
  ["does not add up", set("gain.counts", 1, 7777)],
  ["another one dominates", set("gain,cost.values", 3, 99)],
  ["does not reach the optima", ({ arrays }) => cut(arrays, (row) => row > 0)],
  ["does not reach the optima", ({ arrays }) => cut(arrays, (row, last) => row < last)],
  ["its rank is not what was counted", gain((e) => (e.landmarks.known.better = 2))],
  ["its rank is not what was counted", gain((e) => (e.landmarks.known.equal = 9))],
  ["its codes are", gain((e) => (e.landmarks.known.codes = [0, 0]))],
  ["its codes are", gain((e) => (e.landmarks.known.codes = [3, 0, 0]))],
  ["must be an object", gain((e) => (e.landmarks = []))],
  ["malformed array", array("gain.best", (a) => (a.of = 7))],
  ["malformed array", array("gain.best", (a) => (a.of = ["gain"]))],
  ["malformed array", array("gain.best", (a) => (a.name = null))],
  ["malformed array", array("gain.best", (a) => (a.dtype = "float64"))],
  ["malformed array", array("gain.best", (a) => (a.shape = [-1]))],
  ["malformed array", array("gain.best", (a) => (a.shape = [2 ** 60, 2 ** 60]))],
  ["malformed array", array("gain.best", (a) => (a.shape = []))],
  ["stands twice", array("gain.best", (a) => (a.name = "optimum"))],
  ["is uint8 [1,3]", array("gain.best", (a) => Object.assign(a, { data: new Uint8Array(3), shape: [1, 3] }))],
];

describe("what contradicts itself", () => {
  it.each(CONTRADICTIONS)("%s (%#)", (message, change) => {
    const changed = parts();
    change(changed);
    const file = pack(changed);
    expect(() => read(file)).toThrow(ArtifactError);
    expect(() => read(file)).toThrow(message);
  });

  it("a count moved to another bin, where the best are listed", () => {
    const changed = parts();
    const { data } = changed.arrays["gain.counts"];
    data[data.length - 2]++;
    data[0]--;
    expect(() => read(pack(changed))).toThrow("disagree");
  });

  it("bytes that are cut off, added or damaged", () => {
    const file = pack(parts());
    for (const length of [0, 7, 8, 100, file.length - 1]) expect(() => read(file.slice(0, length))).toThrow(ArtifactError);
    expect(() => read(new Uint8Array([...file, 0]))).toThrow("the arrays end at byte");
    let state = 1;
    const next = (n: number) => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) % n;
    for (let round = 0; round < 2000; round++) {
      const damaged = file.slice();
      for (let k = 0; k <= round % 4; k++) damaged[next(file.length)] = next(256);
      try {
        read(damaged);
      } catch (error) {
        expect(error).toBeInstanceOf(ArtifactError);
      }
    }
  });
});

describe("the bundled targets", async () => {
  const truths = (await catalog.readTruth())!;

  it("are all proven", () => {
    expect([...truths.keys()].sort()).toEqual(catalog.targets.map((t) => t.name).sort());
  });

  it.each(catalog.targets)("$name: optimum, worst and front are what the engine computes", async ({ name }) => {
    const truth = truths.get(name)!;
    const surrogate = await load(name, { artifacts: catalog });
    for (const { value, codes } of [truth.optimum, truth.worst, ...truth.landmarks.values()]) {
      for (const mean of (await surrogate.query(codes)).mean) expect(mean).toBe(value);
    }
    for (const { targets, codes, values } of truth.fronts) {
      const { mean } = await surrogate.query(codes);
      expect(mean).toEqual(values.filter((_, k) => k % 2 === targets.indexOf(name)));
    }
    const b0: Truth["landmarks"] = truth.landmarks;
    expect(truth.rank(b0.get("efficientnet-b0")!.value)).toBe(b0.get("efficientnet-b0")!.better + 1n);
    expect(truth.rank(truth.optimum.value)).toBe(1n);
    expect(truth.quantile(truth.direction === "max" ? truth.optimum.value : truth.worst.value)).toBe(1);
    expect(truth.resolution).toBeLessThan(0.005);
    await surrogate.dispose();
  });
});
