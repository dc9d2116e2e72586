/** Runs in the browser: see engines.test.ts. */

import * as ort from "onnxruntime-web/wasm";
import { Catalog, encode, loadPure, MNASNET, toCodes } from "../src/anb";
import { BENCHMARK } from "../src/benchmark";
import { loadOrt } from "../src/worker/ort";

/** Query two surrogates with one buffer, and say what has become of it and of the predictions. */
async function run(proxy: boolean) {
  ort.env.wasm.proxy = proxy; // before the first session
  const catalog = await Catalog.open("/artifacts/", { benchmark: BENCHMARK });
  const rows = 5000; // several calls of the runtime
  const codes = encode(Float64Array.from({ length: rows }, (_, k) => k * 20_897_110), MNASNET);
  const before = codes.slice();
  const found: Record<string, unknown>[] = [];
  for (const target of ["accuracy", "throughput_a100"]) {
    const pure = await loadPure(target, { artifacts: catalog });
    const expected = pure.querySync(codes, { members: true });
    const wanted = [...pure.querySync([0, 1, 2]).mean];
    const surrogate = await loadOrt(catalog, target);
    const prediction = await surrogate.query(codes, { members: true });
    const pending = [0, 1, 2].map((index) => {
      const buffer = toCodes(index, MNASNET);
      const query = surrogate.query(buffer);
      buffer.fill(255);
      return query;
    });
    const reused = (await Promise.all(pending)).map((p) => p.mean[0]);
    const ends = [surrogate.query(codes), surrogate.dispose(), surrogate.dispose()] as const;
    const last = (await ends[0]).mean.length;
    await Promise.all(ends);
    const late = await surrogate.query(codes).then(() => "answered", (error: Error) => error.name);
    const same = (["mean", "std", "members"] as const).every((name) => {
      const [a, b] = [prediction[name]!, expected[name]!].map((array) => new Uint32Array(array.buffer));
      return a.length === b.length && a.every((bits, i) => bits === b[i]);
    });
    found.push({ rows: prediction.mean.length, same, reused, wanted, last, late });
  }
  const intact = codes.length === before.length && codes.every((code, i) => code === before[i]);
  return { found, intact };
}

Object.assign(globalThis, { run });
document.title = "ready";
