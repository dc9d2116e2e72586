import { outOfRange } from "./codes.js";
import { AnbError, ArchitectureError, ArtifactError, EngineError, show } from "./errors.js";
import { MAX_MEMBERS } from "./json.js";
import { inRange, LARGEST, Link, type Regime } from "./link.js";
import { makeOutputs, type Outputs } from "./outputs.js";
import type { SearchSpace } from "./space.js";
import { isBytes } from "./views.js";

/** Where the manifest says the tables lie in the ONNX file, and how sums become predictions. */
export interface TablesDocument {
  offset: number;
  entries: number;
  members: number;
  scale: number;
  shift: number;
}

// Sizes that a scale may have; with totals of int32 and a shift of up to the largest, every step of
// a link then stays inside float64 (the eighth power of 2^127 does).
const SCALES = [2 ** -500, 2 ** 95] as const;
const LARGEST_SHIFT = 2 ** 126;

// Rows at a time: sums and float64 members of a block stay in the L1 cache.
const BLOCK = 256;

/**
 * The pure engine: looks predictions up in the integer tables of a table-form artifact.
 *
 * For each architecture with symbols s and each member m, in exactly this order:
 *
 *     total[m] = sum over pairs (a, b) of table_ab[s[a], s[b], m]     int32
 *     u[m]     = total[m] * scale + shift                             float64, two roundings
 *     y[m]     = inverse link of u[m], by the architecture's regime   float64
 *     mean     = (y[0] + y[1] + ...) / M;  std = sqrt(((y[0] - mean)^2 + ...) / M)
 *
 * and each output rounded once to float32. JavaScript numbers are float64 and never fused, so
 * these are the bits of every other engine.
 */
export class TableEngine {
  readonly name = "pure";
  readonly nMembers: number;
  #entries: Int32Array;
  #disposed = false;
  readonly #link: Link;
  readonly #scale: number;
  readonly #shift: number;
  /** Per block: columns of its genes and their place values in the symbol. */
  readonly #starts: Int32Array;
  readonly #sizes: Int32Array;
  /** Number of symbols of each block. */
  readonly #blocks: Int32Array;
  /** First entry of each pair's table. */
  readonly #first: Int32Array;
  readonly #symbols: Int32Array;
  readonly #values: Float64Array;
  /** The block with the gene of the link's regime, and whether each symbol of it is inside. */
  readonly #bent: { readonly block: number; readonly inside: Uint8Array } | null;
  /** Per row: whether it is inside the link's regime. */
  readonly #inside = new Uint8Array(BLOCK);

  constructor(
    readonly space: SearchSpace,
    entries: Int32Array,
    nMembers: number,
    scale: number,
    shift: number,
    link: Link,
  ) {
    this.nMembers = nMembers;
    this.#entries = entries;
    this.#scale = scale;
    this.#shift = shift;
    this.#link = link;
    this.#starts = Int32Array.from(space.blockStarts);
    this.#sizes = Int32Array.from(space.geneSizes);
    this.#blocks = Int32Array.from(space.blockSizes);
    this.#first = new Int32Array(space.pairs.length);
    space.pairs.reduce((offset, [a, b], p) => {
      this.#first[p] = offset;
      return offset + space.blockSizes[a] * space.blockSizes[b];
    }, 0);
    this.#bent = link.regime && insideSymbols(link.regime, space);
    this.#symbols = new Int32Array(space.nBlocks);
    this.#values = new Float64Array(BLOCK * nMembers);
  }

  /** Take the tables out of an ONNX file, at the place that its manifest entry states. */
  static fromOnnx(
    file: Uint8Array,
    entry: { tables?: unknown; link?: unknown },
    space: SearchSpace,
    source: string,
  ): TableEngine {
    const t = entry.tables as TablesDocument | null | undefined;
    if (t === undefined || t === null) {
      throw new ArtifactError(`${source} has no tables; use an onnxruntime engine for this form`);
    }
    const expected = space.pairs.reduce(
      (n, [a, b]) => n + space.blockSizes[a] * space.blockSizes[b],
      0,
    );
    const whole = (v: unknown): v is number => Number.isSafeInteger(v) && (v as number) >= 0;
    const sound =
      whole(t.offset) &&
      t.entries === expected &&
      whole(t.members) &&
      t.members >= 1 &&
      t.members <= MAX_MEMBERS &&
      typeof t.scale === "number" &&
      typeof t.shift === "number" &&
      Math.abs(t.scale) >= SCALES[0] &&
      Math.abs(t.scale) <= SCALES[1] &&
      Math.abs(t.shift) <= LARGEST_SHIFT &&
      t.offset + 4 * t.entries * t.members <= file.length;
    if (!sound) {
      const facts = `${expected} entries within ${file.length} bytes expected`;
      throw new ArtifactError(`${source}: malformed key "tables" ${show(t)}; ${facts}`);
    }
    const count = t.entries * t.members;
    // A copy, because the tables begin at any byte of the file.
    const entries = new Int32Array(count);
    new Uint8Array(entries.buffer).set(file.subarray(t.offset, t.offset + 4 * count));
    if (new Uint8Array(Uint16Array.of(1).buffer)[0] === 0) {
      const view = new DataView(entries.buffer.slice(0));
      for (let i = 0; i < count; i++) entries[i] = view.getInt32(4 * i, true);
    }
    const link = Link.fromDocument(entry.link, source, space);
    checkRange(entries, t, link, space, source);
    return new TableEngine(space, entries, t.members, t.scale, t.shift, link);
  }

  /** Predict N rows of codes; see `Outputs`. */
  predict(codes: Uint8Array, members = false): Outputs {
    const n = this.#countRows(codes);
    const out = makeOutputs(n, members ? this.nMembers : 0);
    this.predictInto(codes, 0, n, out);
    return out;
  }

  /**
   * Predict rows start to stop of codes, into the same rows of `out`.
   *
   * Each code is checked as it is read, so that an `ArchitectureError` may leave the rows before
   * the wrong one predicted.
   */
  predictInto(codes: Uint8Array, start: number, stop: number, out: Outputs): void {
    const n = this.#countRows(codes);
    const whole = Number.isSafeInteger(start) && Number.isSafeInteger(stop);
    if (!whole || start < 0 || stop < start || stop > n) {
      throw new ArchitectureError(`rows ${show(start)} to ${show(stop)}: there are ${n} rows of codes`);
    }
    const { mean, std, members } = out;
    if (Math.min(mean.length, std.length, (members?.length ?? Infinity) / this.nMembers) < stop) {
      throw new AnbError(`the output arrays are too short for the predictions of ${stop} rows`);
    }
    for (let from = start; from < stop; from += BLOCK) {
      const rows = Math.min(BLOCK, stop - from);
      if (this.nMembers === 8) this.#scaledSums8(codes, from, rows);
      else this.#scaledSums(codes, from, rows);
      this.#link.invert(this.#values, rows, this.nMembers, this.#inside);
      members?.set(this.#values.subarray(0, rows * this.nMembers), from * this.nMembers);
      this.#summarise(from, rows, out);
    }
  }

  #countRows(codes: Uint8Array): number {
    if (this.#disposed) throw new EngineError("this engine is disposed of");
    const n = this.space.nGenes;
    if (!isBytes(codes) || codes.length % n !== 0) {
      throw new ArchitectureError(`codes are a Uint8Array of ${n} bytes per row, not ${show(codes)}`);
    }
    return codes.length / n;
  }

  /**
   * Read the symbols of a row, and whether it is inside the regime. Every code is read once: what
   * is checked is what is used, also while another thread writes to shared memory.
   */
  #readSymbols(codes: Uint8Array, row: number, place: number): void {
    const starts = this.#starts;
    const sizes = this.#sizes;
    const symbols = this.#symbols;
    const base = row * sizes.length;
    for (let block = 0; block < symbols.length; block++) {
      let symbol = 0;
      for (let g = starts[block]; g < starts[block + 1]; g++) {
        const code = codes[base + g];
        if (code >= sizes[g]) throw outOfRange(code, this.space.genes[g], `row ${row}, `);
        symbol = symbol * sizes[g] + code;
      }
      symbols[block] = symbol;
    }
    const bent = this.#bent;
    if (bent) this.#inside[place] = bent.inside[symbols[bent.block]];
  }

  /** Any number of members. */
  #scaledSums(codes: Uint8Array, from: number, rows: number): void {
    const entries = this.#entries;
    const values = this.#values;
    const blocks = this.#blocks;
    const symbols = this.#symbols;
    const count = this.nMembers;
    const places = new Int32Array(this.#first.length);
    for (let row = 0; row < rows; row++) {
      this.#readSymbols(codes, from + row, row);
      for (let a = 0, p = 0; a < symbols.length; a++) {
        for (let b = a + 1; b < symbols.length; b++, p++) {
          places[p] = (this.#first[p] + symbols[a] * blocks[b] + symbols[b]) * count;
        }
      }
      for (let m = 0; m < count; m++) {
        let total = 0;
        for (let p = 0; p < places.length; p++) total = (total + entries[places[p] + m]) | 0;
        values[row * count + m] = total * this.#scale + this.#shift;
      }
    }
  }

  /** Eight members, as the published ensembles have: the sums stay in registers. */
  #scaledSums8(codes: Uint8Array, from: number, rows: number): void {
    const entries = this.#entries;
    const values = this.#values;
    const first = this.#first;
    const blocks = this.#blocks;
    const symbols = this.#symbols;
    const last = symbols.length - 1;
    const scale = this.#scale;
    const shift = this.#shift;
    for (let row = 0; row < rows; row++) {
      this.#readSymbols(codes, from + row, row);
      let t0 = 0, t1 = 0, t2 = 0, t3 = 0, t4 = 0, t5 = 0, t6 = 0, t7 = 0;
      for (let a = 0, p = 0; a < last; a++) {
        const symbol = symbols[a];
        for (let b = a + 1; b <= last; b++, p++) {
          const i = (first[p] + Math.imul(symbol, blocks[b]) + symbols[b]) << 3;
          t0 = (t0 + entries[i]) | 0;
          t1 = (t1 + entries[i + 1]) | 0;
          t2 = (t2 + entries[i + 2]) | 0;
          t3 = (t3 + entries[i + 3]) | 0;
          t4 = (t4 + entries[i + 4]) | 0;
          t5 = (t5 + entries[i + 5]) | 0;
          t6 = (t6 + entries[i + 6]) | 0;
          t7 = (t7 + entries[i + 7]) | 0;
        }
      }
      const v = row << 3;
      values[v] = t0 * scale + shift;
      values[v + 1] = t1 * scale + shift;
      values[v + 2] = t2 * scale + shift;
      values[v + 3] = t3 * scale + shift;
      values[v + 4] = t4 * scale + shift;
      values[v + 5] = t5 * scale + shift;
      values[v + 6] = t6 * scale + shift;
      values[v + 7] = t7 * scale + shift;
    }
  }

  #summarise(from: number, rows: number, out: Outputs): void {
    const values = this.#values;
    const count = this.nMembers;
    for (let row = 0; row < rows; row++) {
      const v = row * count;
      let total = values[v];
      for (let m = 1; m < count; m++) total += values[v + m];
      const mean = total / count;
      let squares = 0;
      for (let m = 0; m < count; m++) {
        const deviation = values[v + m] - mean;
        squares += deviation * deviation;
      }
      out.mean[from + row] = mean;
      out.std[from + row] = Math.sqrt(squares / count);
    }
  }

  /** Let the tables go; a later prediction is an `EngineError`. */
  dispose(): void {
    this.#disposed = true;
    this.#entries = new Int32Array(0);
  }
}

/** The block of a regime's gene and, for each symbol of the block, whether it is inside. */
function insideSymbols({ position, inside }: Regime, space: SearchSpace) {
  const block = space.blockStarts.findLastIndex((start) => start <= position);
  let place = 1; // of the gene's code in the symbol
  for (let g = position + 1; g < space.blockStarts[block + 1]; g++) place *= space.geneSizes[g];
  const code = (symbol: number) => Math.floor(symbol / place) % space.geneSizes[position];
  const ofSymbol = Array.from({ length: space.blockSizes[block] }, (_, s) => Number(inside[code(s)]));
  return { block, inside: Uint8Array.from(ofSymbol) };
}

/** Refuse tables whose sums could leave int32, in whatever order, or whose predictions float32. */
function checkRange(
  entries: Int32Array,
  { members, scale, shift }: TablesDocument,
  link: Link,
  space: SearchSpace,
  source: string,
): void {
  let [low, high] = [Infinity, -Infinity];
  for (let m = 0; m < members; m++) {
    // Engines add in various orders, some of them only a part first: all of one sign.
    let [least, most, negative, positive] = [0, 0, 0, 0];
    let at = m;
    for (const [a, b] of space.pairs) {
      let [smallest, largest] = [entries[at], entries[at]];
      for (let k = space.blockSizes[a] * space.blockSizes[b]; k > 0; k--, at += members) {
        if (entries[at] < smallest) smallest = entries[at];
        else if (entries[at] > largest) largest = entries[at];
      }
      least += smallest;
      most += largest;
      negative += Math.min(smallest, 0);
      positive += Math.max(largest, 0);
    }
    if (positive > 2 ** 31 - 1 || negative < -(2 ** 31)) {
      const facts = `member ${m} can add up to ${negative} or ${positive}`;
      throw new ArtifactError(`${source}: the entries of ${facts}, which int32 does not hold`);
    }
    low = Math.min(low, least);
    high = Math.max(high, most);
  }
  const [u0, u1] = [low * scale + shift, high * scale + shift].sort((a, b) => a - b);
  const needsPositive = ["square", "sqrt", "reciprocal"].some((s) => link.steps.includes(s as never));
  if (needsPositive && u1 <= 0) {
    throw new ArtifactError(`${source}: no prediction is inside the domain of the link ${show(link.name)}`);
  }
  // The link is monotone, inside its regime and outside.
  const from = needsPositive && u0 <= 0 ? u1 : u0;
  const values = Float64Array.of(from, u1, from, u1);
  link.invert(values, 4, 1, Uint8Array.of(0, 0, 1, 1));
  if (!values.every(inRange)) {
    const facts = `a prediction could be ${values.find((y) => !inRange(y))}`;
    throw new ArtifactError(`${source}: ${facts}; float32 holds ${LARGEST.toPrecision(4)} at most`);
  }
}
