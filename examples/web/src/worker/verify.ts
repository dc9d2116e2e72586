import { type Catalog, type Golden, loadPure, type Surrogate } from "../anb";
import type { Verdict } from "./protocol";

type Counts = Pick<Verdict, "values" | "differing" | "rate">;

/** Compare every bit of every golden vector with what an engine computes in this browser. */
export async function verify(catalog: Catalog, engine: "pure" | "ort-web"): Promise<Verdict> {
  const golden = await catalog.readGolden();
  if (!golden) throw new Error("these artifacts come without golden vectors");
  const started = performance.now();
  const counts: Counts = { values: 0, differing: 0, rate: 0 };
  for (const target of catalog.targets) {
    const surrogate = await openEngine(catalog, target.name, engine);
    try {
      await compare(surrogate, golden, counts);
    } finally {
      await surrogate.dispose();
    }
  }
  const seconds = (performance.now() - started) / 1000;
  return { targets: catalog.targets.length, vectors: golden.n, seconds, ...counts };
}

async function compare(surrogate: Surrogate, golden: Golden, counts: Counts): Promise<void> {
  const { codes } = golden;
  const found = await surrogate.query(codes, { members: true });
  for (const name of ["mean", "std", "members"] as const) {
    const expected = golden.bytes(surrogate.target.name, name);
    const bits = new Uint32Array(expected.buffer, expected.byteOffset, expected.length / 4);
    const own = new Uint32Array(found[name]!.buffer);
    counts.values += bits.length;
    for (let i = 0; i < bits.length; i++) if (bits[i] !== own[i]) counts.differing++;
  }
  if (!counts.rate && surrogate.nMembers > 1) counts.rate = await measure(surrogate, codes);
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
