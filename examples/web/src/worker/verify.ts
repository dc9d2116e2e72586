import { type Catalog, loadPure, type Surrogate } from "../anb";
import type { Verdict } from "./protocol";

interface GoldenArray {
  target: string | null;
  name: "architectures" | "mean" | "std" | "members";
  shape: number[];
  offset: number;
}

/** Compare every bit of every golden vector with what an engine computes in this browser. */
export async function verify(catalog: Catalog, engine: "pure" | "ort-web"): Promise<Verdict> {
  const golden = catalog.manifest.golden as { n: number; arrays: GoldenArray[] } | undefined;
  const file = await catalog.readGolden();
  if (!golden || !file) throw new Error("these artifacts come without golden vectors");
  const count = (a: GoldenArray) => a.shape.reduce((n, size) => n * size, 1);
  const inputs = golden.arrays.find((a) => a.name === "architectures")!;
  const codes = file.slice(inputs.offset, inputs.offset + count(inputs));
  const started = performance.now();
  let values = 0;
  let differing = 0;
  let rate = 0;
  for (const target of catalog.targets) {
    const surrogate = await openEngine(catalog, target.name, engine);
    const found = await surrogate.query(codes, { members: true });
    for (const array of golden.arrays.filter((a) => a.target === target.name)) {
      const expected = file.slice(array.offset, array.offset + 4 * count(array)).buffer;
      const bits = new Uint32Array(expected);
      const output = found[array.name as "mean" | "std" | "members"]!;
      const own = new Uint32Array(output.buffer);
      values += bits.length;
      for (let i = 0; i < bits.length; i++) if (bits[i] !== own[i]) differing++;
    }
    if (!rate && surrogate.nMembers > 1) rate = await measure(surrogate, codes);
    await surrogate.dispose();
  }
  const seconds = (performance.now() - started) / 1000;
  return { targets: catalog.targets.length, vectors: golden.n, values, differing, seconds, rate };
}

async function openEngine(
  catalog: Catalog,
  target: string,
  engine: "pure" | "ort-web",
): Promise<Surrogate> {
  if (engine === "pure") return loadPure(target, { artifacts: catalog });
  return (await import("./ort")).loadOrt(catalog, target);
}

/** Predictions per second: mean and std, one thread, the best of some runs. */
async function measure(surrogate: Surrogate, codes: Uint8Array): Promise<number> {
  let best = Infinity;
  for (let run = 0; run < 12; run++) {
    const start = performance.now();
    await surrogate.query(codes);
    best = Math.min(best, performance.now() - start);
  }
  return (codes.length / surrogate.space.nGenes / best) * 1000;
}
