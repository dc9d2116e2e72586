import { ArtifactError, EngineError, messageOf } from "../errors.js";
import { checkOutputs, makeOutputs, type Outputs } from "../outputs.js";
import type { Engine } from "../surrogate.js";

/** What is used of onnxruntime-node and onnxruntime-web, which share it. */
export interface OrtModule {
  InferenceSession: {
    create(model: Uint8Array, options?: Record<string, unknown>): Promise<OrtSession>;
  };
  Tensor: new (type: "uint8", data: Uint8Array, dims: number[]) => OrtTensor;
}

interface OrtTensor {
  readonly data: unknown;
  readonly dims: readonly number[];
}

interface OrtSession {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  run(feeds: Record<string, OrtTensor>, fetches: string[]): Promise<Record<string, OrtTensor>>;
  release(): Promise<void>;
}

const INPUT = "architectures";
const OUTPUTS = ["mean", "std", "members"];

// Rows per call: larger intermediates leave the cache and are slower, smaller ones pay per call.
const CHUNK = 2048;

/** An ONNX Runtime session of one artifact, on the CPU or in WebAssembly. */
export class OrtEngine implements Engine {
  // A session runs one call at a time.
  #queue: Promise<unknown> = Promise.resolve();
  #disposal: Promise<void> | null = null;

  private constructor(
    readonly name: string,
    readonly nMembers: number,
    private readonly nGenes: number,
    private readonly ort: OrtModule,
    private readonly session: OrtSession,
  ) {}

  static async open(
    name: string,
    ort: OrtModule,
    model: Uint8Array,
    facts: { nGenes: number; nMembers: number; source: string },
  ): Promise<OrtEngine> {
    const provider = name === "ort-node" ? "cpu" : "wasm";
    let session: OrtSession;
    try {
      session = await ort.InferenceSession.create(model, {
        executionProviders: [provider],
        intraOpNumThreads: 1,
        interOpNumThreads: 1,
      });
    } catch (error) {
      throw new EngineError(`${name} cannot open ${facts.source}: ${messageOf(error)}`);
    }
    const { inputNames, outputNames } = session;
    if (!inputNames.includes(INPUT) || !OUTPUTS.every((output) => outputNames.includes(output))) {
      const found = `inputs ${inputNames.join(", ")}; outputs ${outputNames.join(", ")}`;
      throw new ArtifactError(`${facts.source} is not an anb_onnx artifact (${found})`);
    }
    return new OrtEngine(name, facts.nMembers, facts.nGenes, ort, session);
  }

  predict(codes: Uint8Array, members: boolean): Promise<Outputs> {
    if (this.#disposal) throw new EngineError(`this ${this.name} engine is disposed of`);
    const result = this.#queue.then(() => this.#run(codes, members));
    this.#queue = result.catch(() => undefined);
    return result;
  }

  async #run(codes: Uint8Array, members: boolean): Promise<Outputs> {
    const n = codes.length / this.nGenes;
    const nMembers = members ? this.nMembers : 0;
    const out = makeOutputs(n, nMembers);
    const wanted = members ? OUTPUTS : OUTPUTS.slice(0, 2);
    for (let start = 0; start < n; start += CHUNK) {
      const rows = Math.min(CHUNK, n - start);
      // A copy: a runtime may transfer the whole buffer to its worker (`wasm.proxy`).
      const data = codes.slice(start * this.nGenes, (start + rows) * this.nGenes);
      const found = await this.#call(data, rows, wanted);
      checkOutputs(found, rows, nMembers, this.name);
      // Copied, because these may be views of memory that the runtime uses again.
      out.mean.set(found.mean, start);
      out.std.set(found.std, start);
      out.members?.set(found.members, start * this.nMembers);
    }
    return out;
  }

  /** Run the graph; returns the data of its outputs by their names. */
  async #call(data: Uint8Array, rows: number, wanted: string[]): Promise<Record<string, unknown>> {
    try {
      const input = new this.ort.Tensor("uint8", data, [rows, this.nGenes]);
      const found = await this.session.run({ [INPUT]: input }, wanted);
      return Object.fromEntries(wanted.map((name) => [name, found[name]?.data]));
    } catch (error) {
      throw new EngineError(`${this.name} cannot run the graph: ${messageOf(error)}`);
    }
  }

  dispose(): Promise<void> {
    this.#disposal ??= this.#queue.then(() => this.session.release());
    return this.#disposal;
  }
}
