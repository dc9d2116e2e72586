/**
 * What a table-form ONNX file computes, read from its graph without a runtime.
 *
 * From the members back to the sum of the tables, the graph says what the manifest says: link,
 * scale and shift. That the sum is that of the tables over the space, and that mean and std are
 * those of the members, is found by numbering values by what they compute - an operator with its
 * attributes, of numbered inputs - so that neither names nor the order of nodes matter, and what a
 * graph should compute can be written down, numbered alike, and compared.
 */

import type { CurveForm } from "./curves.js";
import { show } from "./errors.js";
import { MAX_MEMBERS } from "./json.js";
import type { Hinge, Step } from "./link.js";
import { MAX_PARTS, type Node, parseGraph, refusing, type Tensor } from "./onnx.js";
import type { SearchSpace } from "./space.js";
import type { Terms } from "./terms.js";
import type { VectorCard } from "./vectorCard.js";

const FLOAT = 1, INT32 = 6, INT64 = 7, BOOL = 9, DOUBLE = 11; // types of tensors

// 64 blocks of 1,024 genes in all make a matrix of 256 KiB, the rest are numbers.
const MAX_CONSTANTS = 2 ** 21;

// Symbols of larger blocks are computed in integers: short floats do not hold them.
const MAX_FLOAT_SYMBOLS = 256;

/** What the graph of a table-form file says about its tables, and about what follows their sum. */
export interface TableGraph {
  readonly offset: number;
  readonly entries: number;
  readonly members: number;
  readonly scale: number;
  readonly shift: number;
  readonly inverse: readonly Step[];
  /** The offset of the step reflect. */
  readonly reflect: number | null;
  readonly hinges: readonly Hinge[];
  readonly regime: { readonly gene: string; readonly codes: readonly number[]; readonly hinges: readonly Hinge[] } | null;
}

/** The same of an artifact of several outputs. */
export interface VectorGraph extends Pick<TableGraph, "offset" | "entries" | "members"> {
  /** What follows the sum of each. */
  readonly outputs: readonly Omit<TableGraph, "offset" | "entries" | "members">[];
}

/** Read a table-form file's graph; it must be one of tables over the terms of the space. */
export function readGraph(file: Uint8Array, space: SearchSpace, terms: Terms, source: string): TableGraph {
  return refusing(source, WRONG, () => {
    const { tensors, nodes, offset, entries, columns: members } = parseTables(file, terms, 1);
    const unwinder = new Unwinder(file, tensors, nodes);
    const found = unwinder.unwind(unwinder.inputs("members", "Cast", 1)[0]);
    const [sum] = unwinder.inputs(found.total, "Cast", 1);
    const values = new Values(file, tensors, nodes);
    values.checkSum(found.total, sum, space, terms);
    values.checkSummary(values.of(found.value), members, SUMMARY);
    return { offset, entries, members, ...linkOf(found, values, space) };
  });
}

/** Read the graph of a file of several outputs; it must make of them the curve that the card tells. */
export function readVectorGraph(
  file: Uint8Array,
  space: SearchSpace,
  terms: Terms,
  { outputs, curve }: VectorCard,
  source: string,
): VectorGraph {
  return refusing(source, WRONG, () => {
    const count = outputs.length;
    const { tensors, nodes, offset, entries, columns } = parseTables(file, terms, count);
    const members = columns / count;
    if (!Number.isInteger(members)) throw new Error(`its tables have ${columns} columns, not some for each of ${count} outputs`);
    const unwinder = new Unwinder(file, tensors, nodes);
    const values = new Values(file, tensors, nodes);
    const [joined] = unwinder.inputs("output_members", "Cast", 1);
    const joins = count === 1 ? [joined] : unwinder.inputs(joined, "Concat", count);
    const found = joins.map((column) => unwinder.unwind(unwinder.inputs(column, "Unsqueeze", 1)[0]));
    found.forEach(({ total: own }, k) => {
      const [total] = unwinder.inputs(own, "Gather", 2);
      values.checkSum(total, unwinder.inputs(total, "Cast", 1)[0], space, terms);
      values.checkColumns(own, total, k * members, members);
    });
    const y = found.map(({ value }) => values.of(value));
    values.checkJoin(joined, y);
    values.checkSummary(values.of(joined), members, ["output_members", "output_means", "output_stds"]);
    let target = y[0];
    if (curve) {
      const made = values.curve(curve, y);
      values.checkSummary(made, members, ["curve_members", "curve_mean", "curve_std"]);
      target = values.lastKnot(made, curve.at.length);
    }
    values.checkSummary(target, members, SUMMARY);
    return { offset, entries, members, outputs: found.map((output) => linkOf(output, values, space)) };
  });
}

const WRONG = "its graph is not that of tables of the search space";
const SUMMARY = ["members", "mean", "std"] as const;

/** The parts of a graph, once its tables have a shape and its constants are few. */
function parseTables(file: Uint8Array, terms: Terms, nOutputs: number) {
  const { tensors, nodes } = parseGraph(file, MAX_PARTS + partsOf(terms));
  const tables = tensors.get("tables");
  const [entries, columns] = tables?.dims ?? [];
  const size = tables ? tables.stop - tables.start : 0;
  const sound = tables?.type === INT32 && tables.dims.length === 2 && size === 4 * entries * columns;
  if (!sound || columns > MAX_MEMBERS * nOutputs) {
    throw new Error(`its tables have the shape [${tables?.dims ?? ""}] and ${size} bytes`);
  }
  let constants = -size;
  for (const { start, stop } of tensors.values()) constants += stop - start;
  if (constants > MAX_CONSTANTS * nOutputs) throw new Error(`its constants have ${constants} bytes beside the tables`);
  return { tensors, nodes, offset: tables.start, entries, columns };
}

function linkOf({ steps, scale, shift }: ReturnType<Unwinder["unwind"]>, values: Values, space: SearchSpace) {
  const of = (step: Step) => steps.filter((s) => s.step === step);
  const hinges = (step: Step) => of(step).map((s) => s.numbers) as unknown as Hinge[];
  const inside = of("regime").map((s) => s.inside!);
  return {
    scale,
    shift,
    inverse: steps.map((s) => s.step),
    reflect: of("reflect")[0]?.numbers[0] ?? null,
    hinges: hinges("hinge"),
    regime: inside.length ? { ...values.readRegime(inside, space), hinges: hinges("regime") } : null,
  };
}

/** What the sum of the terms needs at most, in operators and constants. */
function partsOf({ blocks }: Terms): number {
  return blocks.reduce((n, term) => n + 3 * term.length + 4, 0);
}

interface Unwound {
  readonly step: Step;
  readonly numbers: readonly number[];
  readonly before: string;
  /** Of the step regime: what says which architectures are inside. */
  readonly inside?: string;
}

/** Walks from the members back to what they are computed from. */
class Unwinder {
  constructor(
    private readonly file: Uint8Array,
    private readonly tensors: ReadonlyMap<string, Tensor>,
    private readonly nodes: ReadonlyMap<string, Node>,
  ) {}

  /** The steps of the link that give a value, in their order, and what they start from. */
  unwind(result: string) {
    const steps: Unwound[] = [];
    let value = result;
    for (let found = this.#lastStep(value); found; found = this.#lastStep(value)) {
      if (steps.push(found) > MAX_PARTS) throw new Error("its link goes round in circles");
      value = found.before;
    }
    const [scaled, shift] = this.#withConstant(value, "Add");
    const [total, scale] = this.#withConstant(scaled, "Mul");
    return { steps: steps.reverse(), value: result, total, scale, shift };
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
      return { step: "regime", numbers: bent.numbers, before: c, inside: a };
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

  /** What an operator of some kind reads to give a value. */
  inputs(name: string, operator: string, count: number): readonly string[] {
    const node = this.#node(name);
    if (node.operator !== operator || node.inputs.length !== count) {
      throw new Error(`${show(node.operator)} stands where ${operator} should`);
    }
    return node.inputs;
  }

  #withConstant(name: string, operator: string): [string, number] {
    const [value, second] = this.inputs(name, operator, 2);
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

/** Numbers of values by what they compute, the same for the same. */
class Values {
  readonly #numbers = new Map<string, number>();
  readonly #keys: (readonly unknown[])[] = [];
  readonly #names = new Map<string, number>();
  readonly #input = this.#number("input");
  readonly #tables = this.#number("tables");
  #expected: number | undefined;

  constructor(file: Uint8Array, tensors: ReadonlyMap<string, Tensor>, nodes: ReadonlyMap<string, Node>) {
    this.#name("architectures", this.#input);
    for (const [name, { type, dims, start, stop }] of tensors) {
      const constant = () => this.#constant(type, dims, file.subarray(start, stop));
      this.#name(name, name === "tables" ? this.#tables : constant());
    }
    for (const [name, { operator, attributes, inputs }] of nodes) {
      this.#name(name, this.#number(operator, ...attributes, ...inputs.map((input) => this.of(input))));
    }
  }

  /** Refuse a graph that adds other entries for an architecture than the terms tell. */
  checkSum(total: string, sum: string, space: SearchSpace, terms: Terms): void {
    this.#expected ??= this.#cast(DOUBLE, this.#sumOfTerms(space, terms));
    const expected = this.#expected;
    if (this.of(total) !== expected) throw new Error(`${show(sum)} adds other entries`);
  }

  /** Refuse an output that is not of its own columns of the sums. */
  checkColumns(own: string, total: string, first: number, count: number): void {
    const numbers = Array.from({ length: count }, (_, m) => first + m);
    const bytes = bytesOf(8, numbers, (view, at, v) => view.setBigInt64(at, BigInt(v), true));
    const expected = this.#gather(1, this.of(total), this.#constant(INT64, [count], bytes));
    if (this.of(own) !== expected) throw new Error("an output takes the members of another one");
  }

  /** Refuse outputs that do not stand side by side. */
  checkJoin(joined: string, y: readonly number[]): void {
    const columns = y.map((value) => this.#column(value));
    const expected = columns.length === 1 ? columns[0] : this.#number("Concat", ["axis", 2], ...columns);
    if (this.of(joined) !== expected) throw new Error("its outputs are not joined in their order");
  }

  /** The members' curves at all knots, [N, M, T], of what they predict of each output. */
  curve({ offset, basis, nCoefficients, gate, range, link }: CurveForm, y: readonly number[]): number {
    let z = this.#doubles(offset);
    for (let j = 0; j < nCoefficients; j++) {
      const weights = this.#doubles(basis.map((row) => row[j]));
      z = this.#number("Add", z, this.#number("Mul", this.#column(y[j]), weights));
    }
    if (gate) {
      const inside = this.#number("Min", this.#number("Max", y[gate.output], this.#double(0)), this.#double(1));
      const rest = this.#doubles(gate.rest);
      z = this.#number("Add", rest, this.#number("Mul", this.#column(inside), this.#number("Sub", z, rest)));
    }
    if (range) {
      const [low, high] = range.map((end) => this.#double(end));
      z = this.#number("Min", this.#number("Max", z, low), high);
    }
    let hinge = 0;
    for (const step of link.steps) {
      if (step === "square") z = this.#number("Mul", z, z);
      else if (step === "sqrt") z = this.#number("Sqrt", z);
      else if (step === "reciprocal") z = this.#number("Div", this.#double(1), z);
      else if (step === "reflect") z = this.#number("Sub", this.#double(link.offset), z);
      else {
        const [knot, change] = link.hinges[hinge++].map((value) => this.#double(value));
        const above = this.#number("Max", this.#number("Sub", z, knot), this.#double(0));
        z = this.#number("Add", z, this.#number("Mul", above, change));
      }
    }
    return z;
  }

  /** The members' values at the last knot. */
  lastKnot(curve: number, knots: number): number {
    return this.#gather(2, curve, this.#int64([], knots - 1));
  }

  /** Refuse outputs that are not members, mean and std, in this order, of the members y. */
  checkSummary(y: number, count: number, names: readonly [string, string, string]): void {
    const columns = Array.from({ length: count }, (_, m) => this.#gather(1, y, this.#int64([], m)));
    const n = this.#double(count);
    const mean = this.#number("Div", this.#sum(columns), n);
    const off = columns.map((column) => this.#number("Sub", column, mean));
    const squares = this.#sum(off.map((value) => this.#number("Mul", value, value)));
    const std = this.#number("Sqrt", this.#number("Div", squares, n));
    for (const [k, value] of [y, mean, std].entries()) {
      const name = names[k];
      if (this.of(name) !== this.#cast(FLOAT, value)) throw new Error(`${name} is not that of its members`);
    }
  }

  /** The gene and the codes that say which architectures are inside of a regime. */
  readRegime(inside: readonly string[], space: SearchSpace): { gene: string; codes: number[] } {
    const [operator, axis, table, code] = this.#keys[this.of(inside[0])] as [string, unknown, number, number];
    const position = space.geneSizes.findIndex(
      (_, g) => this.#cast(INT32, this.#gather(1, this.#input, this.#int64([], g))) === code,
    );
    const [kind, type, dims, bytes] = this.#keys[table] ?? [];
    const sound =
      inside.every((name) => this.of(name) === this.of(inside[0])) &&
      operator === "Gather" && String(axis) === "axis,0" && position >= 0 &&
      kind === "constant" && type === BOOL && String(dims) === `${space.geneSizes[position]},1`;
    if (!sound) throw new Error("its regime does not depend on one gene");
    const codes = [...(bytes as string)].flatMap((byte, c) => (byte === "\0" ? [] : [c]));
    return { gene: space.genes[position].name, codes };
  }

  #sumOfTerms(space: SearchSpace, { blocks, offsets }: Terms): number {
    const symbols = this.#symbols(space);
    const entries = blocks.map((term, k) => {
      const index = term.slice(1).reduce(
        (found, block) => this.#horner(found, space.blockSizes[block], symbols[block]),
        symbols[term[0]],
      );
      const bounds = [offsets[k], offsets[k + 1], 0].map((v) => this.#int64([1], v));
      return this.#gather(0, this.#number("Slice", this.#tables, ...bounds), index);
    });
    return this.#sum(entries);
  }

  /** The symbol of each block: one row each of a product of floats, or in integers where it is large. */
  #symbols({ nBlocks, nGenes, geneSizes, blockStarts, blockSizes }: SearchSpace): number[] {
    const weights = new Array<number>(nBlocks * nGenes).fill(0);
    for (let block = 0; block < nBlocks; block++) {
      if (blockSizes[block] > MAX_FLOAT_SYMBOLS) continue;
      for (let g = blockStarts[block + 1] - 1, place = 1; g >= blockStarts[block]; place *= geneSizes[g--]) {
        weights[block * nGenes + g] = place;
      }
    }
    const matrix = bytesOf(4, weights, (view, at, v) => view.setFloat32(at, v, true));
    const codes = this.#number("Transpose", ["perm", [1, 0]], this.#input);
    const product = this.#number("MatMul", this.#constant(FLOAT, [nBlocks, nGenes], matrix), this.#cast(FLOAT, codes));
    const rows = this.#cast(INT32, product);
    const integers = this.#cast(INT32, codes);
    return blockSizes.map((size, block) => {
      if (size <= MAX_FLOAT_SYMBOLS) return this.#gather(0, rows, this.#int64([], block));
      const [first, stop] = [blockStarts[block], blockStarts[block + 1]];
      let symbol = this.#gather(0, integers, this.#int64([], first));
      for (let g = first + 1; g < stop; g++) {
        symbol = this.#horner(symbol, geneSizes[g], this.#gather(0, integers, this.#int64([], g)));
      }
      return symbol;
    });
  }

  /** A number in mixed radix with one digit more. */
  #horner(value: number, size: number, digit: number): number {
    const radix = bytesOf(4, [size], (view, at, v) => view.setInt32(at, v, true));
    return this.#number("Add", this.#number("Mul", value, this.#constant(INT32, [], radix)), digit);
  }

  #sum(values: readonly number[]): number {
    return values.reduce((total, value) => this.#number("Add", total, value));
  }

  #column(value: number): number {
    return this.#number("Unsqueeze", ["axes", [2]], value);
  }

  #double(value: number): number {
    return this.#constant(DOUBLE, [], doubles([value]));
  }

  #doubles(values: readonly number[]): number {
    return this.#constant(DOUBLE, [values.length], doubles(values));
  }

  #cast(type: number, value: number): number {
    return this.#number("Cast", ["to", type], value);
  }

  #gather(axis: number, from: number, index: number): number {
    return this.#number("Gather", ["axis", axis], from, index);
  }

  #int64(dims: readonly number[], value: number): number {
    return this.#constant(INT64, dims, bytesOf(8, [value], (view, at, v) => view.setBigInt64(at, BigInt(v), true)));
  }

  #constant(type: number, dims: readonly number[], bytes: Uint8Array): number {
    return this.#number("constant", type, dims, new TextDecoder("latin1").decode(bytes));
  }

  #number(...key: readonly unknown[]): number {
    const text = JSON.stringify(key);
    let found = this.#numbers.get(text);
    if (found === undefined) {
      found = this.#keys.push(key) - 1;
      this.#numbers.set(text, found);
    }
    return found;
  }

  #name(name: string, value: number): void {
    if (this.#names.has(name)) throw new Error(`the name ${show(name)} is given twice`);
    this.#names.set(name, value);
  }

  /** The number of a value. */
  of(name: string): number {
    const found = this.#names.get(name);
    if (found === undefined) throw new Error(`${show(name)} is read before it is computed`);
    return found;
  }
}

function doubles(values: readonly number[]): Uint8Array {
  return bytesOf(8, values, (view, at, v) => view.setFloat64(at, v, true));
}

function bytesOf(
  size: number,
  values: readonly number[],
  set: (view: DataView, at: number, value: number) => void,
): Uint8Array {
  const bytes = new Uint8Array(size * values.length);
  values.forEach((value, k) => set(new DataView(bytes.buffer), size * k, value));
  return bytes;
}
