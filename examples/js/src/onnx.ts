/**
 * Reads ONNX files without a runtime: the metadata, which onnxruntime's JavaScript does not show,
 * and the parts of the graph. An ONNX file is a protocol buffer message: fields of a number and a
 * value (onnx/onnx.proto). Nothing in it is believed: every length is checked, and the number of
 * parts is bounded.
 */

import { ArtifactError, escaped, show } from "./errors.js";

const GRAPH = 7, METADATA = 14, FUNCTIONS = 25; // of a model
const NODE = 1, INITIALIZER = 5; // of a graph

// Far more than 64 blocks, 1,024 members and 128 hinges need, without what each term adds.
export const MAX_PARTS = 50_000;

/** A value that a field holds: bytes, or an integer. */
interface Field {
  readonly number: number;
  readonly start: number;
  readonly stop: number;
  /** Of an integer; else -1. */
  readonly value: number;
}

/** An initializer: its type by ONNX's number, its shape, and where in the file its bytes lie. */
export interface Tensor {
  readonly type: number;
  readonly dims: readonly number[];
  readonly start: number;
  readonly stop: number;
}

/** What computes a value: an operator, its attributes (integers, or lists of them) and inputs. */
export interface Node {
  readonly operator: string;
  readonly attributes: readonly (readonly [name: string, value: number | readonly number[]])[];
  readonly inputs: readonly string[];
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

/** Return what `read` finds; an `ArtifactError` that says what the file is not, where it fails. */
export function refusing<T>(source: string, what: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new ArtifactError(`${source}: ${what} (${escaped((error as Error).message)})`);
  }
}

/** The at most `most` initializers and nodes of a model's graph, these by the values they compute, in their order. */
export function parseGraph(file: Uint8Array, most: number) {
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
    if (tensors.size + nodes.size > most) throw new Error(`it has more than ${most} parts`);
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
  const attributes: Node["attributes"][number][] = [];
  let operator = "";
  for (const part of fields(file, start, stop)) {
    if (part.number === 1) inputs.push(text(file, part));
    else if (part.number === 2) outputs.push(text(file, part));
    else if (part.number === 4) operator = text(file, part);
    else if (part.number === 5) attributes.push(attribute(file, part));
    else if (part.number === 7 && part.stop > part.start) throw new Error("it has operators of other domains");
    const parts = inputs.length + outputs.length + attributes.length;
    if (parts > 128) throw new Error("an operator has more than 128 inputs and attributes");
  }
  if (outputs.length !== 1) throw new Error(`an operator has ${outputs.length} outputs`);
  if (to.has(outputs[0])) throw new Error(`the name ${show(outputs[0])} is given twice`);
  to.set(outputs[0], { operator, attributes, inputs });
}

function attribute(file: Uint8Array, { start, stop }: Field): Node["attributes"][number] {
  let name = "";
  let value = 0;
  const many: number[] = [];
  for (const part of fields(file, start, stop)) {
    if (part.number === 1) name = text(file, part);
    else if (part.number === 3 && part.value >= 0) value = part.value;
    else if (part.number === 8 && part.value >= 0 && many.length < 64) many.push(part.value);
    else if (part.number !== 20) throw new Error(`attribute ${show(name)} is not an integer`);
  }
  return [name, many.length ? many : value];
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
