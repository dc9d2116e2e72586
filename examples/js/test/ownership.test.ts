import { runInNewContext } from "node:vm";
import { Worker } from "node:worker_threads";
import { beforeAll, describe, expect, it } from "vitest";
import {
  AnbError,
  ArchitectureError,
  encode,
  ENGINES,
  EngineError,
  Link,
  load,
  loadPure,
  MNASNET,
  type PureSurrogate,
  SearchSpace,
  Surrogate,
  TableEngine,
  Terms,
  toCodes,
} from "../src/index.js";
import { bytes, catalog, goldenCodes } from "./artifacts.js";
import { hostileRuntime } from "./hostile_runtime.js";

const INDICES = [0, 2169626640, 104485552127];
const ROWS = INDICES.map((index) => toCodes(index, MNASNET));
const N = MNASNET.nGenes;

let pure: PureSurrogate;
let wanted: number[];
beforeAll(async () => {
  pure = await loadPure("accuracy", { artifacts: catalog });
  wanted = ROWS.map((codes) => pure.querySync(codes).mean[0]);
});

/** An ArrayBuffer of ES2024, which the types of ES2023 do not know. */
function resizableBuffer(length: number, maxByteLength: number) {
  const Resizable = ArrayBuffer as unknown as new (n: number, options: object) => ArrayBuffer;
  return new Resizable(length, { maxByteLength }) as ArrayBuffer & { resize(n: number): void };
}

type Open = () => Promise<Surrogate>;
const engines: [string, Open][] = ENGINES.map((engine) => [
  engine,
  () => load("accuracy", { engine, artifacts: catalog }),
]);
engines.push([
  "a runtime that transfers its input",
  async () => {
    const { ort } = hostileRuntime((await loadPure("accuracy", { artifacts: catalog })).tables);
    return load("accuracy", { engine: "ort-web", artifacts: catalog, ort });
  },
]);

describe.each(engines)("a query of %s", (_, open) => {
  it("has read its input when it returns", async () => {
    const surrogate = await open();
    const buffer = new Uint8Array(N);
    const pending = ROWS.map((row) => {
      buffer.set(row);
      return surrogate.query(buffer);
    });
    const single = surrogate.queryOne(buffer.fill(0));
    buffer.fill(255); // not even codes
    const indices = Float64Array.from(INDICES);
    const byIndex = surrogate.query(indices);
    indices.fill(-1);
    const list = [...ROWS];
    const byRow = surrogate.query(list);
    list.length = 0;
    expect((await Promise.all(pending)).map((p) => p.mean[0])).toEqual(wanted);
    expect((await single).mean).toBe(wanted[0]);
    expect([...(await byIndex).mean]).toEqual(wanted);
    expect([...(await byRow).mean]).toEqual(wanted);
    await surrogate.dispose();
  });

  it("leaves its input as it was, and hands out arrays of its own", async () => {
    const surrogate = await open();
    const rows = 5000; // several calls of a runtime
    const codes = new Uint8Array(8 + rows * N); // a view into something larger
    const batch = codes.subarray(8);
    for (let at = 0; at < batch.length; at += goldenCodes.length) {
      batch.set(goldenCodes.subarray(0, batch.length - at), at);
    }
    const before = codes.slice();
    const first = await surrogate.query(batch, { members: true });
    expect(codes.length).toBe(before.length); // 0 if it had been transferred
    expect(Buffer.compare(codes, before)).toBe(0);
    const kept = [first.mean, first.std, first.members!].map((array) => array.slice());
    const second = await surrogate.query(ROWS, { members: true });
    await surrogate.dispose();
    const expected = pure.querySync(batch, { members: true });
    for (const [k, name] of (["mean", "std", "members"] as const).entries()) {
      expect(Buffer.compare(bytes(kept[k]), bytes(expected[name]!)), name).toBe(0);
      // After another run, and the end of the engine:
      expect(Buffer.compare(bytes(first[name]!), bytes(kept[k])), name).toBe(0);
    }
    expect([...second.mean]).toEqual(wanted);
  });

  it("takes bytes wherever they lie", async () => {
    const surrogate = await open();
    const flat = Buffer.concat(ROWS);
    const shared = new Uint8Array(new SharedArrayBuffer(flat.length + 3), 3, flat.length);
    shared.set(flat);
    const resizable = new Uint8Array(resizableBuffer(flat.length, 1 << 20));
    resizable.set(flat);
    const foreign = runInNewContext("Uint8Array.from(values)", { values: [...flat] }) as Uint8Array;
    for (const batch of [flat, shared, resizable, foreign]) {
      expect([...(await surrogate.query(batch)).mean]).toEqual(wanted);
    }
    expect([...(await surrogate.query(ROWS, null as never)).mean]).toEqual(wanted);
    expect((await surrogate.queryOne(Buffer.from(ROWS[1]))).mean).toBe(wanted[1]);
    const signed = BigInt64Array.from(INDICES, BigInt);
    const unsigned = BigUint64Array.from(INDICES, BigInt);
    for (const batch of [signed, unsigned, INDICES.map(BigInt)]) {
      expect([...(await surrogate.query(batch)).mean]).toEqual(wanted);
    }
    await surrogate.dispose();
  });

  it("is an error where its input is none, also where a length of 0 hides it", async () => {
    const surrogate = await open();
    const detached = new Uint8Array(2 * N);
    structuredClone(detached.buffer, { transfer: [detached.buffer] });
    const large = resizableBuffer(4 * N, 4 * N);
    const cutOff = new Uint8Array(large, N, 3 * N);
    large.resize(N);
    const gone = new Float64Array(2);
    structuredClone(gone.buffer, { transfer: [gone.buffer] });
    for (const batch of [detached, cutOff, gone]) {
      await expect(surrogate.query(batch)).rejects.toThrow(/^the buffer of this \w+ is detached/);
      await expect(surrogate.query(batch)).rejects.toThrow(ArchitectureError);
    }
    await expect(surrogate.query([detached])).rejects.toThrow("row 0, the buffer of this Uint8Array");
    const wrong: [unknown, RegExp][] = [
      [new Uint8ClampedArray(N), /^Uint8ClampedArray of 28 bytes is not a batch/],
      [new Int8Array(N), /^Int8Array of 28 bytes is not a batch/],
      [new Int32Array(N), /^Int32Array of 112 bytes is not a batch/],
      [new Float32Array(N), /is not a batch/],
      [new DataView(new ArrayBuffer(N)), /^DataView of 28 bytes is not a batch/],
      [new ArrayBuffer(N), /^ArrayBuffer of 28 bytes is not a batch/],
      [new Uint8Array(N + 1), /got 29 bytes/],
      [[...ROWS[1]], /looks like one row of codes/],
      [[[...ROWS[1], 0]], /^row 0, an architecture of "mnasnet" has 28 codes or values, one for each gene, not 29/],
      [[new Uint8ClampedArray(N)], /^row 0, Uint8ClampedArray of 28 bytes is not an architecture/],
      [[new DataView(new ArrayBuffer(N))], /is not an architecture/],
      [Float64Array.of(0, Number.NaN), /^row 1, index (null|NaN): an index is an integer/],
      [BigInt64Array.of(0n, -1n), /^row 1, index -1 is out of range/],
      [BigUint64Array.of(2n ** 64n - 1n), /^row 0, index 18446744073709551615 is out of range/],
      [new Array(3), /^row 0, undefined is not an architecture/],
      [[Symbol("a")], /is not an architecture/],
      [null, /^null is not a batch/],
      ["zero", /^"zero" is no architecture/],
      [true, /^true is not a batch/],
      [new Proxy(new Uint8Array(N), {}), /is not a batch/],
    ];
    for (const [batch, message] of wrong) {
      const refused = surrogate.query(batch as never);
      await expect(refused).rejects.toThrow(message);
      await expect(refused).rejects.toThrow(ArchitectureError);
    }
    await surrogate.dispose();
  });

  it("that has begun is answered, one that begins after the end is an error", async () => {
    const surrogate = await open();
    const begun = [surrogate.query(goldenCodes), surrogate.query(ROWS), surrogate.queryOne(ROWS[1])];
    const ends = [surrogate.dispose(), surrogate.dispose()];
    const late = [surrogate.query(ROWS), surrogate.queryOne(ROWS[0])];
    for (const query of late) {
      await expect(query).rejects.toThrow(EngineError);
      await expect(query).rejects.toThrow("the surrogate of accuracy is disposed of");
    }
    const [all, some, one] = await Promise.all(begun);
    expect(all.mean).toEqual(pure.querySync(goldenCodes).mean);
    expect([...(some.mean as Float32Array)]).toEqual(wanted);
    expect(one.mean).toBe(wanted[1]);
    await Promise.all(ends);
    await surrogate.dispose();
  });
});

describe("a runtime that misbehaves", () => {
  const open = async (spoil: Parameters<typeof hostileRuntime>[1]) => {
    const runtime = hostileRuntime(pure.tables, spoil);
    const options = { engine: "ort-web", artifacts: catalog, ort: runtime.ort } as const;
    return { surrogate: await load("accuracy", options), ...runtime };
  };

  it.each<[string, number, (outputs: any) => void, string]>([
    ["no rows", 0, (o) => (o.mean.data = new Float32Array(0)), '0 values of "mean" for 3 architectures'],
    ["a row too few", 0, (o) => (o.std.data = o.std.data.subarray(1)), '2 values of "std" for 3'],
    ["a row too many", 0, (o) => (o.mean.data = new Float32Array(4)), '4 values of "mean" for 3'],
    ["other numbers", 0, (o) => (o.mean.data = Float64Array.from(o.mean.data)), 'no Float32Array of "mean"'],
    ["no std", 0, (o) => delete o.std, 'no Float32Array of "std"'],
    ["too few members", 1, (o) => (o.members.data = new Float32Array(3)), '3 values of "members" for 3'],
    ["no result", 0, () => { throw new Error("out of\nmemory"); }, "cannot run the graph: out of\\u000amemory"],
    ["no error", 0, () => { throw 7; }, "ort-web cannot run the graph: 7"],
  ])("is an error where it gives %s", async (_, members, spoil, message) => {
    const { surrogate } = await open(spoil);
    const refused = surrogate.query(ROWS, { members: members === 1 });
    await expect(refused).rejects.toThrow(message);
    await expect(refused).rejects.toThrow(EngineError);
  });

  it("fails one query, and not those behind it", async () => {
    let run = 0;
    const { surrogate, counts } = await open((outputs) => {
      if (++run === 1) delete outputs.mean;
    });
    const [first, second] = [surrogate.query(ROWS), surrogate.query(ROWS)];
    await expect(first).rejects.toThrow(EngineError);
    expect([...(await second).mean]).toEqual(wanted);
    await Promise.all([surrogate.dispose(), surrogate.dispose()]);
    expect(counts.released).toBe(1);
  });

  it("is noticed in an engine of one's own, too", async () => {
    const short = { ...pure.tables.predict(ROWS[0]), members: null };
    const engine = { name: "own", nMembers: 8, predict: () => short, dispose: () => {} };
    const surrogate = new Surrogate(pure.target, pure.space, pure.metadata, engine);
    await expect(surrogate.query(ROWS)).rejects.toThrow('own gave 1 values of "mean" for 3 architectures');
    expect((await surrogate.query([ROWS[0]])).mean[0]).toBe(wanted[0]);
  });
});

describe("the tables alone", () => {
  it("refuse rows and codes that are not there, and short outputs", () => {
    const { tables } = pure;
    const out = tables.predict(goldenCodes, true);
    const wrong = goldenCodes.slice();
    wrong[300 * N + 5] = 2;
    const row300 = 'row 300, gene "block1_k": code 2 is out of range; allowed are 0 to 1';
    expect(() => tables.predict(wrong)).toThrow(row300);
    expect(() => tables.predictInto(wrong, 0, 300, out)).not.toThrow();
    expect(() => tables.predictInto(wrong, 299, 301, out)).toThrow(row300);
    expect(() => tables.predict(goldenCodes.subarray(1))).toThrow(ArchitectureError);
    expect(() => tables.predict(new Uint16Array(N) as never)).toThrow(ArchitectureError);
    for (const [start, stop] of [[-1, 2], [3, 2], [0, 4097], [0, 0.5], [Number.NaN, 1]] as const) {
      expect(() => tables.predictInto(goldenCodes, start, stop, out)).toThrow("4096 rows of codes");
    }
    const short = { ...out, members: new Float32Array(8) };
    expect(() => tables.predictInto(goldenCodes, 0, 2, short)).toThrow("output arrays are too short");
    expect(() => tables.predictInto(goldenCodes, 0, 2, short)).toThrow(AnbError);
  });

  it("are let go with the surrogate, whoever still holds them", async () => {
    const own = await loadPure("macs", { artifacts: catalog });
    const { tables } = own;
    await own.dispose();
    await own.dispose();
    expect(() => own.querySync(ROWS)).toThrow(EngineError);
    expect(() => own.tables).toThrow("the surrogate of macs is disposed of");
    expect(() => tables.predict(ROWS[0])).toThrow(EngineError);
  });
});

describe("a thread that writes while a query reads", () => {
  // Two blocks of one gene with two choices: every architecture has a value of its own, and
  // whatever lies outside of the table would count as 0.
  const gene = (name: string) => ({ name, genes: [{ name, choices: [0, 1] }] });
  const space = new SearchSpace("tiny", [gene("a"), gene("b")]);
  const link = Link.fromDocument({ name: "y", inverse: [], offset: null }, "tiny", space);
  const terms = Terms.fromDocument([[0, 1]], space, "tiny");
  const tables = new TableEngine(space, terms, Int32Array.of(1, 2, 3, 4), 1, 1, 0, link);
  const ROUNDS = 300;

  it("gives an error or the prediction of an architecture, never anything else", async () => {
    const shared = new Uint8Array(new SharedArrayBuffer(8192));
    const script =
      "const { workerData, parentPort } = require('node:worker_threads');" +
      "parentPort.on('message', () => process.exit());" +
      "parentPort.postMessage('writes');" +
      // Half of the time codes only, else one that is none: about as long as a read takes.
      "const d = workerData; const write = () => { for (let k = 0; k < 100000; k++) {" +
      "  const at = (k * 7919) % d.length, phase = k % 8000; d[at] = k & 1;" +
      "  if (phase >= 4000) d[phase === 4000 ? at : 5] = 200; else d[5] = 1;" +
      "  if (phase === 7999) d.fill(1); } setImmediate(write); }; write();";
    const writer = new Worker(script, { eval: true, workerData: shared });
    await new Promise((resolve) => writer.once("message", resolve));
    const outcomes = { predicted: 0, refused: 0 };
    try {
      for (let round = 0; round < ROUNDS; round++) {
        for (const read of [
          () => [...encode(shared, space)].filter((code) => code > 1),
          () => [...tables.predict(shared).mean].filter((mean) => ![1, 2, 3, 4].includes(mean)),
        ]) {
          try {
            expect(read()).toEqual([]);
            outcomes.predicted++;
          } catch (error) {
            if (!(error instanceof ArchitectureError)) throw error;
            expect(error.message).toContain("code 200 is out of range");
            outcomes.refused++;
          }
        }
      }
    } finally {
      await writer.terminate();
    }
    console.log(`a writer against ${2 * ROUNDS} reads: ${JSON.stringify(outcomes)}`);
    expect(outcomes.predicted + outcomes.refused).toBe(2 * ROUNDS);
  });
});
