/** Artifacts of several outputs, and curves: golden bits, fidelities, intervals, and what is refused. */

import { readFile } from "node:fs/promises";
import * as ortNode from "onnxruntime-node";
import * as ortWeb from "onnxruntime-web/wasm";
import { describe, expect, it } from "vitest";
import {
  ArtifactError, Calibration, Catalog, EngineError, ENGINES, FidelityError, type GoldenName, load, loadPure,
  type Prediction, type PureSurrogate, TableEngine,
} from "../src/index.js";
import { bytes, CONFORMANCE } from "./artifacts.js";

const MORE = ["output_means", "output_stds", "curve_mean", "curve_std", "between_mean", "between_std"] as const;
const CASES = [["curves", "accuracy"], ["curves", "loss"], ["curves", "score"], ["several", "loss"], ["several", "size"]] as const;

async function open(benchmark: string, target: string) {
  const catalog = await Catalog.open(CONFORMANCE, { benchmark });
  const golden = (await catalog.readGolden())!;
  return { catalog, golden, surrogate: await loadPure(target, { artifacts: catalog }) };
}

const known = new Map<string, ReturnType<typeof open>>();

function opened(benchmark: string, target: string): ReturnType<typeof open> {
  const key = `${benchmark}/${target}`;
  if (!known.has(key)) known.set(key, open(benchmark, target));
  return known.get(key)!;
}

/** Golden float32 numbers, [rows, columns]. */
async function wanted(benchmark: string, target: string, name: GoldenName): Promise<Float32Array> {
  const found = (await opened(benchmark, target)).golden.bytes(target, name);
  return new Float32Array(found.buffer.slice(found.byteOffset, found.byteOffset + found.byteLength));
}

/** Columns as rows of one array. */
function columns(parts: readonly Float32Array[]): Float32Array {
  return Float32Array.from({ length: parts.length * parts[0].length }, (_, at) => {
    return parts[at % parts.length][Math.floor(at / parts.length)];
  });
}

describe.each(CASES)("%s, %s", (benchmark, target) => {
  it.each(ENGINES)("every golden bit of outputs and curves by %s", async (engine) => {
    const { catalog, golden } = await opened(benchmark, target);
    const surrogate = await load(target, { engine, artifacts: catalog });
    const { codes } = golden;
    const outputs = await Promise.all([...surrogate.outputs.values()].map((output) => output.query(codes)));
    const found: Partial<Record<GoldenName, Float32Array>> = {
      output_means: columns(outputs.map(({ mean }) => mean)),
      output_stds: columns(outputs.map(({ std }) => std)),
    };
    const curved = surrogate.fidelities.find(({ name }) => name !== "seeds");
    if (curved) {
      const curve = await surrogate.curve(codes, { members: true });
      const { mean, std } = await surrogate.query(codes, { fidelity: curved.most });
      const last = await surrogate.query(codes);
      expect([mean, std]).toEqual([last.mean, last.std]);
      Object.assign(found, { curve_mean: curve.mean, curve_std: curve.std });
      const at = curved.values;
      curved.values.forEach((t, i) => {
        const { mean } = curve.at(t, { members: true });
        expect(mean).toEqual(curve.mean.filter((_, k) => k % at.length === i));
      });
      const middles = at.slice(1).map((t, i) => at[i] + (t - at[i]) / 2);
      const between = await Promise.all(middles.map((t) => surrogate.query(codes, { fidelity: t })));
      if (between.length) {
        found.between_mean = columns(between.map(({ mean }) => mean));
        found.between_std = columns(between.map(({ std }) => std));
        // One for each architecture.
        const rows = codes.length / surrogate.space.nGenes;
        const each = Float64Array.from({ length: rows }, (_, row) => middles[row % middles.length]);
        const mixed = curve.at(each).mean;
        expect([...mixed]).toEqual(Array.from(each, (_, row) => between[row % middles.length].mean[row]));
      }
    }
    for (const name of MORE) {
      if (!found[name]) expect(() => golden.bytes(target, name)).toThrow("there are no golden vectors");
      else expect(Buffer.compare(bytes(found[name]), golden.bytes(target, name)), name).toBe(0);
    }
    await surrogate.dispose();
    for (const output of surrogate.outputs.values()) await expect(output.query(codes)).rejects.toThrow(EngineError);
    await expect(surrogate.curve(codes)).rejects.toThrow(EngineError);
  });

  it.each([["onnxruntime-node", ortNode], ["onnxruntime-web", ortWeb]] as const)("the graph gives them in %s", async (_, ort) => {
    const { catalog, golden } = await opened(benchmark, target);
    const session = await ort.InferenceSession.create(await catalog.read(catalog.find(target)));
    const { codes } = golden;
    const input = new ort.Tensor("uint8", codes, [golden.n, catalog.space.nGenes]);
    const outputs = await session.run({ architectures: input });
    const names = MORE.filter((name) => session.outputNames.includes(name));
    expect(names.length).toBe(benchmark === "curves" ? 4 : 2);
    for (const name of names) {
      expect(Buffer.compare(bytes(outputs[name].data as Float32Array), golden.bytes(target, name)), name).toBe(0);
    }
    await session.release();
  });

  it("is read from its ONNX file alone", async () => {
    const { catalog, golden, surrogate } = await opened(benchmark, target);
    const file = await catalog.read(catalog.find(target));
    const alone = await Catalog.fromFiles(new Map([[`${target}.onnx`, file]]));
    expect(alone.cards[target].tables).toEqual(catalog.cards[target].tables);
    const found = await loadPure(target, { artifacts: alone });
    expect(found.querySync(golden.codes).mean).toEqual(surrogate.querySync(golden.codes).mean);
  });
});

describe("fidelities", async () => {
  const { surrogate, golden } = await opened("curves", "accuracy");
  const codes = golden.codes;
  const several = (await opened("several", "loss")).surrogate;
  const loss = (await opened("curves", "loss")).surrogate;
  const plain = (await opened("one-block", "energy")).surrogate;

  it("are named, with what is allowed", () => {
    expect(surrogate.fidelities.map(({ name }) => name)).toEqual(["epoch", "seeds"]);
    expect(surrogate.fidelities[0]).toMatchObject({ unit: "epochs", least: 1, most: 50, whole: false });
    expect(loss.fidelities.map(({ name }) => name)).toEqual(["step"]);
    expect(several.fidelities.map(({ name }) => name)).toEqual(["seeds"]);
    expect([...several.outputs.keys()]).toEqual(["loss", "time", "noise"]);
    expect([plain.fidelities, [...plain.outputs]]).toEqual([[], []]);
  });

  it.each([
    [0.999, /fidelity "epoch" must be a number from 1 to 50 epochs, not 0.999/],
    [50.001, /not 50.001/],
    [NaN, /not null|not NaN/],
    ["3", /not "3"/],
    [[3, 4], /one for each of 80 architectures, not 2 numbers/],
    [new Array(80).fill(2).with(7, 99), /row 7, fidelity "epoch" must be/],
    [{ epochs: 3 }, /has no fidelity "epochs"; it has epoch, seeds/],
    [{ seeds: 0 }, /fidelity "seeds" must be a whole number of runs, 1 or more, not 0/],
    [{ seeds: 1.5 }, /must be a whole number/],
    [{ epoch: 3, seeds: 2 }, /"seeds" is known of epoch 50 only/],
  ])("%j is refused", async (fidelity, message) => {
    await expect(surrogate.query(codes, { fidelity } as object)).rejects.toThrow(FidelityError);
    await expect(surrogate.query(codes, { fidelity } as object)).rejects.toThrow(message);
    expect(() => surrogate.querySync(codes, { fidelity } as object)).toThrow(message);
  });

  it("are refused where there are none", async () => {
    await expect(plain.query([0], { fidelity: 3 })).rejects.toThrow("the artifact of energy has no fidelity, found 3");
    await expect(several.curve([0])).rejects.toThrow(FidelityError);
    await expect(several.query([0], { fidelity: { epoch: 1 } })).rejects.toThrow("it has seeds");
  });

  it("give intervals: of a new measurement, at an epoch, of the mean of runs", async () => {
    const { calibration } = surrogate;
    const noise = surrogate.outputs.get("noise")!;
    const full = surrogate.querySync(codes);
    const same = (a: Prediction, mean: Float32Array, std: Float32Array) => expect([a.mean, a.std]).toEqual([mean, std]);
    const at = surrogate.querySync(codes, { fidelity: 21.3 });
    const curve = surrogate.curveSync(codes).at(21.3);
    same(curve, at.mean, at.std);
    expect(curve.predictiveStd).toEqual(at.predictiveStd);
    const scale = (m: number, s: number, noise: number) => Math.sqrt((1.5 * s) ** 2 + (noise * m) ** 2);
    expect(at.predictiveStd[3]).toBe(Math.fround(scale(at.mean[3], at.std[3], 0.7)));
    expect(full.predictiveStd).toEqual(calibration!.predictiveStd(full.mean, full.std));
    const runs = surrogate.querySync(codes, { fidelity: { seeds: 4, epoch: 50 } });
    same(runs, full.mean, full.std);
    const v = Math.max((await noise.query(codes)).mean[3], 0);
    const own = Calibration.fromDocument((surrogate.metadata.seed_noise as { calibration: object }).calibration, "");
    const s = Math.sqrt((own.spread * full.std[3]) ** 2 + (own.noise * full.mean[3] * full.mean[3]) ** 2);
    expect(runs.predictiveStd[3]).toBeCloseTo(Math.sqrt(s * s + (v * v) / 4), 5);
    expect(loss.querySync([0], { fidelity: 3 }).calibration).toBeNull();
    expect(loss.querySync([0], { fidelity: loss.fidelities[0].most }).calibration).not.toBeNull();
    const one = await surrogate.queryOne(5, { fidelity: 3.5 });
    const batch = surrogate.querySync([5], { fidelity: 3.5 });
    expect([one.mean, one.predictiveStd]).toEqual([batch.mean[0], batch.predictiveStd[0]]);
  });

  it("show themselves in one line", () => {
    expect(String(surrogate.curveSync([0, 1]))).toBe("Curve(accuracy: 2 architectures, epoch 1 to 50 epochs)");
    expect(String(surrogate.tables)).toBe("VectorEngine(4 members, 5 outputs)");
  });
});

describe("where a level is crossed", async () => {
  const { surrogate, golden } = await opened("curves", "accuracy");
  const { codes } = golden;
  const curve = surrogate.curveSync(codes);
  const at = surrogate.fidelities[0].values;

  it.each([10, 60, 90, 97.5])("%d: the first knot at or above it, and a line before it", (level) => {
    const found = curve.crossing(level);
    let crossed = 0;
    found.forEach((t, row) => {
      const mean = curve.mean.subarray(row * at.length, (row + 1) * at.length);
      const first = mean.findIndex((value) => value >= level);
      if (first < 0) return expect(t).toBeNaN();
      if (first === 0) return expect(t).toBe(at[0]);
      crossed++;
      expect(t).toBeGreaterThanOrEqual(at[first - 1]);
      expect(t).toBeLessThanOrEqual(at[first]);
      const share = (level - mean[first - 1]) / (mean[first] - mean[first - 1]);
      expect(t).toBeCloseTo(at[first - 1] + (at[first] - at[first - 1]) * share, 2);
    });
    expect(crossed).toBeGreaterThan(0);
  });

  it("is nowhere above all, and at once below", () => {
    expect([...curve.crossing(101)].every(Number.isNaN)).toBe(true);
    expect([...curve.crossing(-1)].every((t) => t === at[0])).toBe(true);
    expect([...curve.crossing(-Infinity)].every((t) => t === at[0])).toBe(true);
    expect(() => curve.crossing(NaN)).toThrow(FidelityError);
  });

  it("is where a falling curve comes below, and of one knot that one", async () => {
    const loss = (await opened("curves", "loss")).surrogate.curveSync(codes);
    const found = loss.crossing(1.4);
    expect([...found].some((t) => t > 1 && t < 27)).toBe(true);
    expect([...loss.crossing(9)].every((t) => t === 1)).toBe(true);
    const score = (await opened("curves", "score")).surrogate.curveSync(codes);
    expect(new Set(score.crossing(1.2))).toEqual(new Set([12, NaN]));
  });
});

describe("a manifest", async () => {
  const folder = `${CONFORMANCE}/curves/`;
  const files = new Map<string, Uint8Array>();
  for (const name of ["accuracy.onnx", "loss.onnx", "score.onnx"]) files.set(name, await readFile(folder + name));
  const text = await readFile(`${folder}manifest.json`, "utf-8");

  type Entry = Record<string, any>;

  async function changed(change: (entry: Entry) => unknown): Promise<PureSurrogate> {
    const manifest = JSON.parse(text);
    change(manifest.targets.accuracy);
    const own = new Map(files).set("manifest.json", new TextEncoder().encode(JSON.stringify(manifest)));
    return loadPure("accuracy", { artifacts: await Catalog.fromFiles(own) });
  }

  it("is read as it is", async () => {
    expect((await changed(() => {})).nMembers).toBe(4);
  });

  it.each<[string, (entry: Entry) => unknown]>([
    ["another form", (e) => (e.form = "tables")],
    ["no outputs", (e) => delete e.outputs],
    ["an output less", (e) => e.outputs.pop()],
    ["outputs in another order", (e) => e.outputs.reverse()],
    ["another unit of an output", (e) => (e.outputs[1].unit = "s")],
    ["another link of an output", (e) => (e.outputs[1].link.inverse = ["sqrt"])],
    ["an output with another key", (e) => (e.outputs[0].colour = "blue")],
    ["no curve", (e) => delete e.curve],
    ["another knot", (e) => (e.curve.at[1] = 2.5)],
    ["knots that fall", (e) => e.curve.at.reverse()],
    ["a knot too many", (e) => e.curve.at.push(60)],
    ["another weight", (e) => (e.curve.basis[2][1] *= 1 + 2 ** -50)],
    ["a weight too few", (e) => e.curve.basis[2].pop()],
    ["another offset", (e) => (e.curve.offset[0] += 0.125)],
    ["an offset of -0.0", (e) => (e.curve.offset[0] = -0)],
    ["another gate", (e) => (e.curve.gate.output = 3)],
    ["a gate among the coefficients", (e) => (e.curve.gate.output = 2)],
    ["a gate that is not there", (e) => (e.curve.gate.output = 5)],
    ["no gate", (e) => (e.curve.gate = null)],
    ["another rest", (e) => (e.curve.gate.rest[5] = 0.02)],
    ["another range", (e) => (e.curve.range[1] = 0.8)],
    ["a range of one number", (e) => (e.curve.range = [0.5, 0.5])],
    ["no range", (e) => (e.curve.range = null)],
    ["another noise", (e) => (e.curve.noise[0] = 3)],
    ["a negative noise", (e) => (e.curve.noise[0] = -3)],
    ["one coefficient less", (e) => (e.curve.coefficients = 2)],
    ["a curve with another key", (e) => (e.curve.colour = "blue")],
    ["a fidelity without a name", (e) => delete e.curve.fidelity.name],
    ["noise of another output", (e) => (e.seed_noise.output = "c0")],
    ["noise of no output", (e) => (e.seed_noise.output = "none")],
    ["another calibration of the noise", (e) => (e.seed_noise.calibration.spread = 2)],
    ["another link of the curve", (e) => (e.link.hinges[0][0] = 97)],
    ["another scale", (e) => (e.tables.scale[4] *= 2)],
    ["scales in another order", (e) => e.tables.scale.reverse()],
    ["one scale", (e) => (e.tables.scale = e.tables.scale[0])],
    ["another shift", (e) => (e.tables.shift[0] += 1)],
    ["another offset of the tables", (e) => (e.tables.offset += 4)],
    ["tables that end behind the file", (e) => (e.tables.offset = 2 ** 40)],
    ["another number of outputs", (e) => (e.tables.outputs = 4)],
    ["no number of outputs", (e) => delete e.tables.outputs],
    ["tables with another key", (e) => (e.tables.colour = 1)],
    ["another number of members", (e) => ((e.members = 5), (e.tables.members = 5))],
    ["terms in another order", (e) => e.terms.reverse()],
  ])("with %s is refused", async (_, change) => {
    await expect(changed(change)).rejects.toThrow(ArtifactError);
  });

  it("of one output has no key of several", async () => {
    const scalar = JSON.parse(await readFile(`${CONFORMANCE}/one-block/manifest.json`, "utf-8"));
    scalar.targets.energy.outputs = [];
    const own = new Map([["energy.onnx", new Uint8Array(await readFile(`${CONFORMANCE}/one-block/energy.onnx`))]]);
    own.set("manifest.json", new TextEncoder().encode(JSON.stringify(scalar)));
    await expect(loadPure("energy", { artifacts: await Catalog.fromFiles(own) })).rejects.toThrow(ArtifactError);
  });

  it("is not read as tables of one output", async () => {
    const { targets } = JSON.parse(text);
    const { space } = await Catalog.open(CONFORMANCE, { benchmark: "curves" });
    const read = () => TableEngine.fromOnnx(files.get("loss.onnx")!, targets.loss, space, "loss.onnx");
    expect(read).toThrow("loss.onnx has several outputs");
  });
});

it("golden vectors are of the first architectures", async () => {
  expect((await wanted("curves", "accuracy", "curve_mean")).length).toBe(80 * 6);
});
