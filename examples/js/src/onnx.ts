/**
 * Reads ONNX files without a runtime: the metadata, which onnxruntime's JavaScript does not show,
 * and what the graph of a table-form file computes. An ONNX file is a protocol buffer message:
 * fields of a number and a value (onnx/onnx.proto). Nothing in it is believed: every length is
 * checked, and the number of parts is bounded.
 */

import { ArtifactError, escaped, show } from "./errors.js";
import type { Hinge, Step } from "./link.js";

const GRAPH = 7, METADATA = 14, FUNCTIONS = 25; // of a model
const NODE = 1, INITIALIZER = 5; // of a graph
const INT32 = 6, DOUBLE = 11; // types of tensors

// Far more than 64 blocks, 1,024 members and 128 hinges need.
const MAX_PARTS = 50_000;

/** A value that a field holds: bytes, or an integer. */
interface Field {
  readonly number: number;
  readonly start: number;
  readonly stop: number;
  /** Of an integer; else -1. */
  readonly value: number;
}

interface Tensor {
  readonly type: number;
  readonly dims: readonly number[];
  readonly start: number;
  readonly stop: number;
}

interface Node {
  readonly operator: string;
  readonly inputs: readonly string[];
}

/** What the graph of a table-form file says about its tables, and about what follows their sum. */
export interface TableGraph {
  readonly offset: number;
  readonly entries: number;
  readonly members: number;
  readonly scale: number;
  readonly shift: number;
  readonly inverse: readonly Step[];
  /** Of the step reflect. */
  readonly link_offset: number | null;
  readonly hinges: readonly Hinge[];
  readonly regime_hinges: readonly Hinge[];
}

/** The `metadata_props` of an ONNX file. */
export function readMetadata(file: Uint8Array, source: string): Map<string, string> {
  return refusing(source, "it is no ONNX file", () => {
    const found = new Map<string, string>();
    for (const field of fields(file, 0, file.length)) {
      if (field.number !== METADATA) continue;
      let [key, value] = ["", ""];
      for (const part of fields(file, field.start, field.stop)) {
        if (part.number === 1) key = text(file, part);
        else if (part.number === 2) value = text(file, part);
      }
      if (found.has(key)) throw new Error(`metadata ${show(key)} stands twice`);
      if (found.set(key, value).size > MAX_PARTS) throw new Error("it has too much metadata");
    }
    return found;
  });
}

/** Read a table-form file's graph, from its output `members` back to the sum of the tables. */
export function readGraph(file: Uint8Array, source: string): TableGraph {
  return refusing(source, "its graph is not that of tables", () => {
    const { tensors, nodes } = parseGraph(file);
    const tables = tensors.get("tables");
    const [entries, members] = tables?.dims ?? [];
    const size = tables ? tables.stop - tables.start : 0;
    if (tables?.type !== INT32 || tables.dims.length !== 2 || size !== 4 * entries * members) {
      throw new Error(`its tables have the shape [${tables?.dims ?? ""}] and ${size} bytes`);
    }
    return { offset: tables.start, entries, members, ...new Unwinder(file, tensors, nodes).read() };
  });
}

function refusing<T>(source: string, what: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new ArtifactError(`${source}: ${what} (${escaped((error as Error).message)})`);
  }
}

function parseGraph(file: Uint8Array) {
  const graphs: Field[] = [];
  for (const field of fields(file, 0, file.length)) {
    if (field.number === FUNCTIONS) throw new Error("it defines functions");
    if (field.number === GRAPH && graphs.push(field) > 1) throw new Error("it has two graphs");
  }
  if (!graphs.length) throw new Error("it has no graph");
  const tensors = new Map<string, Tensor>();
  const nodes = new Map<string, Node>();
  for (const field of fields(file, graphs[0].start, graphs[0].stop)) {
    if (field.number === INITIALIZER) addTensor(file, field, tensors);
    else if (field.number === NODE) addNode(file, field, nodes);
    if (tensors.size + nodes.size > MAX_PARTS) throw new Error(`it has more than ${MAX_PARTS} parts`);
  }
  return { tensors, nodes };
}

function addTensor(file: Uint8Array, { start, stop }: Field, to: Map<string, Tensor>): void {
  const dims: number[] = [];
  const parts = new Map<number, Field>();
  for (const part of fields(file, start, stop)) {
    if (part.number === 1 && part.value >= 0) {
      if (dims.push(part.value) > 8) throw new Error("a constant has more than 8 dimensions");
    } else if (![2, 8, 9, 12].includes(part.number) || parts.has(part.number)) {
      throw new Error(`a constant has a part of number ${part.number} too many`);
    } else parts.set(part.number, part);
  }
  const raw = parts.get(9) ?? { start: 0, stop: 0 };
  const name = parts.has(8) ? text(file, parts.get(8)!) : "";
  if (to.has(name)) throw new Error(`the name ${show(name)} is given twice`);
  to.set(name, { type: parts.get(2)?.value ?? 0, dims, start: raw.start, stop: raw.stop });
}

function addNode(file: Uint8Array, { start, stop }: Field, to: Map<string, Node>): void {
  const inputs: string[] = [];
  const outputs: string[] = [];
  let operator = "";
  for (const part of fields(file, start, stop)) {
    if (part.number === 1) inputs.push(text(file, part));
    else if (part.number === 2) outputs.push(text(file, part));
    else if (part.number === 4) operator = text(file, part);
    else if (part.number === 7 && part.stop > part.start) throw new Error("it has operators of other domains");
    if (inputs.length + outputs.length > 64) throw new Error("an operator has more than 64 inputs");
  }
  if (outputs.length !== 1) throw new Error(`an operator has ${outputs.length} outputs`);
  if (to.has(outputs[0])) throw new Error(`the name ${show(outputs[0])} is given twice`);
  to.set(outputs[0], { operator, inputs });
}

interface Unwound {
  readonly step: Step;
  readonly numbers: readonly number[];
  readonly before: string;
}

/** Walks from the members back to what they are computed from. */
class Unwinder {
  constructor(
    private readonly file: Uint8Array,
    private readonly tensors: ReadonlyMap<string, Tensor>,
    private readonly nodes: ReadonlyMap<string, Node>,
  ) {}

  read(): Omit<TableGraph, "offset" | "entries" | "members"> {
    const steps: Unwound[] = [];
    let [value] = this.#inputs("members", "Cast", 1);
    for (let found = this.#lastStep(value); found; found = this.#lastStep(value)) {
      if (steps.push(found) > MAX_PARTS) throw new Error("its link goes round in circles");
      value = found.before;
    }
    steps.reverse();
    const [scaled, shift] = this.#withConstant(value, "Add");
    const [total, scale] = this.#withConstant(scaled, "Mul");
    this.#inputs(total, "Cast", 1);
    const of = (step: Step) => steps.filter((found) => found.step === step).map((found) => found.numbers);
    return {
      scale,
      shift,
      inverse: steps.map((found) => found.step),
      link_offset: of("reflect")[0]?.[0] ?? null,
      hinges: of("hinge") as unknown as Hinge[],
      regime_hinges: of("regime") as unknown as Hinge[],
    };
  }

  /** The step of a link that gives a value, with its numbers; null where the link begins. */
  #lastStep(name: string): Unwound | null {
    const { operator, inputs } = this.#node(name);
    const [a, b, c] = inputs;
    const first = this.#scalar(a);
    if (operator === "Sqrt") return { step: "sqrt", numbers: [], before: a };
    if (operator === "Mul" && a === b) return { step: "square", numbers: [], before: a };
    if (operator === "Div" && first === 1) return { step: "reciprocal", numbers: [], before: b };
    if (operator === "Sub" && first !== null) return { step: "reflect", numbers: [first], before: b };
    if (operator === "Where") {
      const bent = this.#node(b).operator === "Add" ? this.#lastStep(b) : null;
      if (bent?.step !== "hinge" || bent.before !== c) throw new Error("its regime chooses between other values");
      return { step: "regime", numbers: bent.numbers, before: c };
    }
    if (operator === "Add" && this.#scalar(b) === null) return this.#hinge(a, b);
    return null;
  }

  /** What is added to a value above the knot of a hinge. */
  #hinge(value: string, more: string): Unwound {
    const [above, change] = this.#withConstant(more, "Mul");
    const [over, zero] = this.#withConstant(above, "Max");
    const [below, knot] = this.#withConstant(over, "Sub");
    if (below !== value || zero !== 0) throw new Error("a hinge bends another value than it adds to");
    return { step: "hinge", numbers: [knot, change], before: value };
  }

  #node(name: string): Node {
    const node = this.nodes.get(name);
    if (!node) throw new Error(`nothing computes ${show(name)}`);
    return node;
  }

  #inputs(name: string, operator: string, count: number): readonly string[] {
    const node = this.#node(name);
    if (node.operator !== operator || node.inputs.length !== count) {
      throw new Error(`${show(node.operator)} stands where ${operator} should`);
    }
    return node.inputs;
  }

  #withConstant(name: string, operator: string): [string, number] {
    const [value, second] = this.#inputs(name, operator, 2);
    const constant = this.#scalar(second);
    if (constant === null) throw new Error(`the second input of ${operator} is no constant`);
    return [value, constant];
  }

  /** A float64 constant without dimensions; null where a value is none. */
  #scalar(name: string | undefined): number | null {
    const tensor = this.tensors.get(name ?? "");
    if (tensor?.type !== DOUBLE || tensor.dims.length || tensor.stop - tensor.start !== 8) return null;
    const { buffer, byteOffset } = this.file;
    return new DataView(buffer, byteOffset + tensor.start, 8).getFloat64(0, true);
  }
}

function text(file: Uint8Array, { start, stop, value }: Field): string {
  if (value >= 0) throw new Error("a number stands where a text should");
  return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(file.subarray(start, stop));
}

/** The fields of the message that lies between two places of a file. */
function* fields(file: Uint8Array, from: number, end: number): Generator<Field> {
  let at = from;
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; shift < 70 && at < end; shift += 7) {
      const byte = file[at++];
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw new Error("a number does not end");
  };
  while (at < end) {
    const tag = varint();
    const [number, kind] = [Math.floor(tag / 8), tag % 8];
    const size = kind === 2 ? varint() : kind === 1 ? 8 : kind === 5 ? 4 : 0;
    if (!number || ![0, 1, 2, 5].includes(kind)) throw new Error(`unknown field ${number} of kind ${kind}`);
    const start = at;
    const value = kind === 0 ? varint() : -1;
    if (start + size > end) throw new Error("a field ends after its message");
    if (kind === 2) at = start + size;
    else at += size;
    if (kind === 0 || kind === 2) yield { number, start, stop: start + size, value };
  }
}
