import * as ort from "onnxruntime-web/wasm";
import wasm from "onnxruntime-web/ort-wasm-simd-threaded.wasm?url";
import { OrtEngine, type OrtModule } from "../../../js/src/engines/ort";
import { type Catalog, Surrogate } from "../anb";

ort.env.wasm.wasmPaths = { wasm: new URL(wasm, import.meta.url).href };
ort.env.wasm.numThreads = 1;

/** Load a target with ONNX Runtime Web. */
export async function loadOrt(catalog: Catalog, name: string): Promise<Surrogate> {
  const target = catalog.find(name);
  const card = catalog.cards[name];
  const facts = { nGenes: catalog.space.nGenes, nMembers: card.members, source: card.file };
  const model = await catalog.read(target);
  const engine = await OrtEngine.open("ort-web", ort as unknown as OrtModule, model, facts);
  return new Surrogate(target, catalog.space, card, engine);
}
