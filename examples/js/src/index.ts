/**
 * Surrogates of neural architecture benchmarks, of any search space; Accel-NASBench comes along.
 *
 *     import { load } from "anb-onnx";
 *     const surrogate = await load("throughput_a100");
 *     const { mean, std } = await surrogate.query([2169626640, { expansion: [...], ... }]);
 */

import { OrtEngine, type OrtModule } from "./engines/ort.js";
import { EngineError } from "./errors.js";
import { loadPure, openSeveral, openSource, type SourceOptions } from "./pure.js";
import { Surrogate } from "./surrogate.js";

export * from "./pure.js";
export type { OrtModule } from "./engines/ort.js";

/** All engines give the same bits. */
export const ENGINES = ["pure", "ort-node", "ort-web"] as const;
export type EngineName = (typeof ENGINES)[number];

export interface LoadOptions extends SourceOptions {
  /**
   * What computes: "pure" (default) reads the tables itself and needs nothing else; "ort-node"
   * and "ort-web" run the ONNX graph, and need the package onnxruntime-node or onnxruntime-web.
   */
  engine?: EngineName;
  /** The runtime, where you have imported and configured it yourself. */
  ort?: OrtModule;
}

/**
 * Load the surrogate of a target.
 *
 * @param target Name of a target ("accuracy", "throughput_a100") or a metric ("throughput", with
 *   the option `device`).
 *
 * Throws `TargetError`, `ArtifactError` or `EngineError`; each message says what is valid.
 */
export async function load(target: string, options: LoadOptions = {}): Promise<Surrogate> {
  const engine = options.engine ?? "pure";
  if (!ENGINES.includes(engine)) {
    throw new EngineError(`unknown engine ${String(engine)}; valid engines: ${ENGINES.join(", ")}`);
  }
  if (engine === "pure") return loadPure(target, options);
  const ort = options.ort ?? (await importRuntime(engine));
  const { catalog, found, model } = await openSource(target, options);
  const card = catalog.cards[found.name];
  const facts = { nGenes: catalog.space.nGenes, nMembers: card.members, source: card.file };
  const several = openSeveral(model, card, catalog.space);
  const opened = await OrtEngine.open(engine, ort, model, facts);
  return new Surrogate(found, catalog.space, card, opened, several);
}

async function importRuntime(engine: "ort-node" | "ort-web"): Promise<OrtModule> {
  const name = engine === "ort-node" ? "onnxruntime-node" : "onnxruntime-web";
  try {
    if (engine === "ort-node") {
      // By a variable, so that bundlers for browsers do not follow it.
      const module = await import(/* @vite-ignore */ /* webpackIgnore: true */ name);
      return (module.default ?? module) as OrtModule;
    }
    const ort = await import("onnxruntime-web/wasm");
    ort.env.wasm.numThreads = 1;
    return ort as unknown as OrtModule;
  } catch (error) {
    const mend = `install it with: npm install ${name}`;
    throw new EngineError(`${name} cannot be imported (${(error as Error).message}); ${mend}`);
  }
}
