/** Runtimes that do what onnxruntime may do to arrays, and what it must not do. */

import type { OrtModule, TableEngine, VectorEngine } from "../src/index.js";

type Outputs = Record<string, { data: unknown; dims: number[] }>;

/**
 * A runtime that, like onnxruntime-web with `wasm.proxy`, transfers the whole buffer of its input
 * away, and whose outputs are views of one heap that each run and each release writes anew.
 *
 * @param spoil Changes the outputs of a run before they are handed out.
 */
export function hostileRuntime(tables: TableEngine | VectorEngine, spoil: (outputs: Outputs) => void = () => {}) {
  const heap = new Float32Array(1 << 16);
  const counts = { runs: 0, released: 0, inside: 0 };
  const session = {
    inputNames: ["architectures"],
    outputNames: ["mean", "std", "members"],
    async run(feeds: Record<string, { data: unknown; dims: number[] }>, wanted: string[]) {
      if (++counts.inside > 1) throw new Error("session already started");
      const { data, dims } = feeds.architectures;
      const given = data as Uint8Array<ArrayBuffer>;
      const { byteOffset, length } = given;
      const kept = structuredClone(given.buffer, { transfer: [given.buffer] });
      await new Promise((resolve) => setImmediate(resolve));
      counts.runs++;
      const found = tables.predict(new Uint8Array(kept, byteOffset, length), true);
      heap.fill(Number.NaN);
      let at = 0;
      const outputs: Outputs = {};
      for (const name of wanted) {
        const values = found[name as "mean" | "std" | "members"]!;
        heap.set(values, at);
        outputs[name] = { data: heap.subarray(at, at + values.length), dims: [dims[0]] };
        at += values.length;
      }
      spoil(outputs);
      counts.inside--;
      return outputs;
    },
    async release() {
      counts.released++;
      heap.fill(Number.NaN);
    },
  };
  const Tensor = class {
    constructor(
      readonly type: string,
      readonly data: Uint8Array,
      readonly dims: number[],
    ) {}
  };
  const ort = { InferenceSession: { create: async () => session }, Tensor } as unknown as OrtModule;
  return { ort, counts };
}
