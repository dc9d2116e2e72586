/** Damaged and hostile input from a seed, with an oracle: refused by our errors, or without effect. */

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import * as ort from "onnxruntime-node";
import { checkAgreement } from "../src/agreement.js";
import { OrtEngine, type OrtModule } from "../src/engines/ort.js";
import {
  AnbError,
  ArchitectureError,
  Catalog,
  codesToValues,
  EFFICIENTNET_B0,
  encode,
  loadPure,
  MNASNET,
  type PureSurrogate,
  toCodes,
} from "../src/index.js";
import { bytes, catalog, CONFORMANCE } from "./artifacts.js";
import { generator } from "./random.js";

const HOSTILE: unknown[] = [
  null, true, false, 0, -0, 1, -1, 0.5, 1e308, -1e308, 5e-324, 2 ** 31, 2 ** 53, "", "a", "\0", "../x", "__proto__",
  [], {}, [null], [[]], { toString: 1 }, { length: 28 }, [1, 2], "9".repeat(400), Array(300).fill(0),
];

// In a text of JSON this becomes an integer that no number holds.
const LARGE = "large integer";
HOSTILE.push(LARGE);

// Two have hinges and a regime; the second has terms of one to three blocks, and a block in none; the
// third is a curve.
const SUBJECTS = [
  { benchmark: "accel-nasbench", target: "throughput_tpuv3", opened: catalog, tries: 1500 },
  {
    benchmark: "mixed",
    target: "throughput_tpu",
    opened: await Catalog.open(CONFORMANCE, { benchmark: "mixed" }),
    tries: 1000,
  },
  {
    benchmark: "curves",
    target: "accuracy",
    opened: await Catalog.open(CONFORMANCE, { benchmark: "curves" }),
    tries: 500,
  },
];

/** Null for an error of ours; others go on. */
function refusal(error: unknown): null {
  if (!(error instanceof AnbError)) throw error;
  return null;
}

describe.each(SUBJECTS)("an artifact of $benchmark", ({ target, opened, tries }) => {
  const { space, benchmark } = opened;
  const card = opened.cards[target];
  let rows: Uint8Array;
  let folder: string;
  let file: Uint8Array;
  let original: PureSurrogate;
  let text: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "anb-js-"));
    const { golden: _, ...manifest } = structuredClone(opened.manifest) as any;
    manifest.targets = { [target]: { ...manifest.targets[target], verification: { n: 5000 } } };
    text = JSON.stringify(manifest);
    rows = (await opened.readGolden())!.codes.subarray(0, 512 * space.nGenes);
    file = await opened.read(opened.find(target));
    await writeFile(join(folder, card.file), file);
    original = await loadPure(target, { artifacts: opened });
  });
  afterAll(() => rm(folder, { recursive: true }));

  /** Load from a changed manifest; whatever is believed must give what the original gives. */
  async function outcome(changed: string): Promise<"refused" | "same"> {
    await writeFile(join(folder, "manifest.json"), changed);
    let loaded: PureSurrogate;
    try {
      loaded = await loadPure(target, { artifacts: folder, checkSha256: false });
    } catch (error) {
      expect(error, `${(error as Error).stack}\n${changed.slice(0, 2000)}`).toBeInstanceOf(AnbError);
      expect((error as Error).message).not.toMatch(/[\p{Cc}\p{Cf}]/u);
      expect((error as Error).message.length).toBeLessThan(2000);
      return "refused";
    }
    const [found, expected] = [loaded, original].map((s) => s.querySync(rows, { members: true }));
    for (const name of ["mean", "std", "members"] as const) {
      expect(Buffer.compare(bytes(found[name]!), bytes(expected[name]!)), changed.slice(0, 2000)).toBe(0);
    }
    expect(found.interval(0.9)).toEqual(expected.interval(0.9));
    const meaning = ({ target, space }: PureSurrogate) => [target, space.blocks, space.size];
    expect(meaning(loaded)).toEqual(meaning(original));
    return "same";
  }

  it("whose manifest has one character changed is refused, or means the same", async () => {
    const random = generator(1);
    const counts = { tried: 0, refused: 0, same: 0 };
    const letters = '0123456789"{}[],:.-eEtfn\\ \0';
    for (; counts.tried < tries; counts.tried++) {
      const at = random(text.length);
      // Mostly one digit for another, which JSON and shape survive.
      const digit = /\d/.test(text[at]) || random(4) ? text.slice(at).search(/\d/) : -1;
      const place = digit >= 0 ? at + digit : at;
      const other = digit >= 0 ? String(random(10)) : letters[random(letters.length)];
      counts[await outcome(text.slice(0, place) + other + text.slice(place + 1))]++;
    }
    console.log(`${benchmark}, one character changed: ${JSON.stringify(counts)}, believed with another meaning: 0`);
    expect(counts.refused).toBeGreaterThan(tries / 3);
  });

  it("whose manifest has a value replaced, removed or given twice is refused, or means the same", async () => {
    const random = generator(2);
    const counts = { tried: 0, refused: 0, same: 0 };
    for (; counts.tried < tries; counts.tried++) {
      const manifest = JSON.parse(text);
      let [parent, key]: [any, string] = [manifest, random(8) ? "targets" : "search_space"];
      for (let depth = random(7); depth >= 0; depth--) {
        if (typeof parent[key] !== "object" || parent[key] === null) break;
        const keys = Object.keys(parent[key]);
        if (!keys.length) break;
        [parent, key] = [parent[key], keys[random(keys.length)]];
      }
      if (random(5) === 0) {
        if (Array.isArray(parent)) parent.splice(Number(key), 1);
        else delete parent[key];
      } else parent[key] = HOSTILE[random(HOSTILE.length)];
      let changed = JSON.stringify(manifest).replaceAll(`"${LARGE}"`, "9".repeat(20));
      if (random(5) === 0) changed = changed.replace(/\{"(\w+)":/g, (all, name) => (random(20) ? all : `{"${name}":0,"${name}":`));
      counts[await outcome(changed)]++;
    }
    console.log(`${benchmark}, one value changed: ${JSON.stringify(counts)}, believed with another meaning: 0`);
    expect(counts.refused).toBeGreaterThan(tries / 3);
  });

  it("whose ONNX file is damaged where no hash is checked is refused, or no engine is misled by it", async () => {
    const random = generator(3);
    const { offset, entries, members, outputs = 1 } = card.tables as Record<string, number>;
    const after = offset + 4 * entries * members * outputs;
    const expected = original.querySync(rows, { members: true });
    const counts = { tried: 0, refused: 0, sameBits: 0, refusedByOrt: 0 };
    for (; counts.tried < 2 * tries; counts.tried++) {
      const damaged = counts.tried % 10 ? file.slice() : file.slice(0, random(file.length));
      for (let flips = 1 + random(3); flips > 0; flips--) {
        // Outside the tables, which take most of the file and have no structure.
        const at = random(offset + file.length - after);
        damaged[at < offset ? at : at - offset + after] ^= 1 << random(8);
      }
      try {
        checkAgreement({ card, benchmark, space, file: damaged, source: "manifest", name: "file" });
      } catch (error) {
        expect(error, (error as Error).stack).toBeInstanceOf(AnbError);
        expect((error as Error).message).not.toMatch(/[\p{Cc}\p{Cf}]/u);
        counts.refused++;
        continue;
      }
      // What the pure engine would take as it is: the graph must be the same to the runtime.
      const facts = { nGenes: space.nGenes, nMembers: members, source: "file" };
      const engine = await OrtEngine.open("ort-node", ort as unknown as OrtModule, damaged, facts).catch(refusal);
      const found = await engine?.predict(rows.slice(), true).catch(refusal);
      for (const name of found ? (["mean", "std", "members"] as const) : []) {
        expect(Buffer.compare(bytes(found![name]!), bytes(expected[name]!)), name).toBe(0);
      }
      counts[found ? "sameBits" : "refusedByOrt"]++;
      await engine?.dispose();
    }
    console.log(`${benchmark}, damaged ONNX files: ${JSON.stringify(counts)}, other bits or errors: 0`);
    expect(counts.refused).toBeGreaterThan(tries / 2);
  });

  it("whose ONNX file has a single bit changed is refused by its hash", async () => {
    const random = generator(4);
    await writeFile(join(folder, "manifest.json"), text);
    const name = join(folder, card.file);
    const copy = await Catalog.open(folder);
    for (let round = 0; round < 100; round++) {
      const damaged = file.slice();
      damaged[random(file.length)] ^= 1 << random(8);
      await writeFile(name, damaged);
      await expect(copy.read(copy.find(target))).rejects.toThrow("is damaged: expected sha256");
    }
    await writeFile(name, file);
  });
});

describe("an architecture", () => {
  const random = generator(5);
  const pick = <T>(from: readonly T[]) => from[random(from.length)];
  const values = codesToValues(toCodes(EFFICIENTNET_B0, MNASNET), MNASNET);

  /** Something like an architecture, with something wrong in it most of the time. */
  function strange(): unknown {
    const wild = () => pick([...HOSTILE, undefined, Number.NaN, Infinity, 10n ** 30n, -1n, Symbol("s"), () => 1, new Date(0), new Map(), /a/]);
    switch (random(8)) {
      case 0: return wild();
      case 1: return { ...values, [pick(Object.keys(values))]: wild() };
      case 2: return { ...values, [String(pick(["x", "", "__proto__", "\x1b[0m", "constructor"]))]: wild() };
      case 3: return { ...EFFICIENTNET_B0, [pick(["expansion", "kernel", "layers", "se"])]: wild() };
      case 4: return { ...EFFICIENTNET_B0, se: Array.from({ length: 7 }, () => pick([true, false, "True", 1, wild()])) };
      case 5: return Uint8Array.from({ length: pick([0, 27, 28, 29]) }, () => random(4));
      case 6: return pick([random(2 ** 31) * 60, BigInt(random(2 ** 31)) * 77n, random(2 ** 31) / 3, -random(9)]);
      default: return Object.fromEntries(Object.keys(values).filter(() => random(40)).map((key) => [key, values[key]]));
    }
  }

  /** An index by its digits, values by their places: not by way of the encoder. */
  function isWhatItSays(one: unknown, codes: Uint8Array): void {
    if (typeof one === "number" || typeof one === "bigint") {
      const index = codes.reduce((n, code, g) => n * BigInt(MNASNET.geneSizes[g]) + BigInt(code), 0n);
      return expect(index).toBe(BigInt(one));
    }
    if (one instanceof Uint8Array) return expect(codes).toEqual(one);
    const object = one as Record<string, unknown>;
    MNASNET.genes.forEach(({ name, choices }, g) => {
      const list = { e: "expansion", k: "kernel", l: "layers", se: "se" }[name.split("_")[1]]!;
      const value = name in object ? object[name] : (object[list] as unknown[])[Number(name[5])];
      const spelled = new Map<unknown, boolean>([["True", true], ["true", true], [1, true], ["False", false], ["false", false], [0, false]]);
      expect(typeof choices[0] === "boolean" ? (spelled.get(value) ?? value) : value).toBe(choices[codes[g]]);
    });
  }

  it("of any kind is refused by our error, or is what it says", () => {
    const counts = { tried: 0, refused: 0, taken: 0 };
    for (; counts.tried < 20_000; counts.tried++) {
      const given = strange();
      const batch = random(3) ? [given] : given;
      let codes: Uint8Array;
      try {
        codes = encode(batch as never, MNASNET);
      } catch (error) {
        expect(error, (error as Error).stack).toBeInstanceOf(ArchitectureError);
        expect((error as Error).message).not.toMatch(/[\p{Cc}\p{Cf}]/u);
        counts.refused++;
        continue;
      }
      counts.taken++;
      expect(codes.length % 28).toBe(0);
      expect(codes.every((code, k) => code < MNASNET.geneSizes[k % 28])).toBe(true);
      if (batch instanceof Uint8Array) expect(codes).toEqual(batch);
      else (Array.isArray(batch) ? batch : [batch]).forEach((one, row) => isWhatItSays(one, codes.subarray(28 * row, 28 * row + 28)));
    }
    console.log(`architectures: ${JSON.stringify(counts)}, other errors: 0`);
    expect(counts.taken).toBeGreaterThan(500);
  });
});
