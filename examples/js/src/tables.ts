import { outOfRange } from "./codes.js";
import { AnbError, ArchitectureError, ArtifactError, EngineError, show } from "./errors.js";
import { count, Shown } from "./inspect.js";
import { MAX_MEMBERS } from "./json.js";
import { type Layout, layOut } from "./layout.js";
import { inRange, LARGEST, Link, type Regime } from "./link.js";
import { makeOutputs, type Outputs } from "./outputs.js";
import type { SearchSpace } from "./space.js";
import { Terms } from "./terms.js";
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

// Their places are computed in int32.
const MAX_NUMBERS = 2 ** 31 - 1;

// Rows at a time: sums and float64 members of a block stay in the L1 cache.
const BLOCK = 256;

/**
 * The pure engine: looks predictions up in the integer tables of a table-form artifact.
 *
 * For each architecture with symbols s and each member m, in exactly this order:
 *
 *     total[m] = sum over terms (a, b, ...) of table[s[a], s[b], ..., m]     int32
 *     u[m]     = total[m] * scale + shift                                    float64, two roundings
 *     y[m]     = inverse link of u[m], by the architecture's regime          float64
 *     mean     = (y[0] + y[1] + ...) / M;  std = sqrt(((y[0] - mean)^2 + ...) / M)
 *
 * and each output rounded once to float32. JavaScript numbers are float64 and never fused, so
 * these are the bits of every other engine.
 */
export class TableEngine extends Shown {
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
  readonly #layout: Layout;
  /** The numbers of a row, those of the blocks first. */
  readonly #symbols: Int32Array;
  /** Of a row: where each term's numbers begin. */
  readonly #places: Int32Array;
  readonly #values: Float64Array;
  /** Where the link has a regime, how a block's symbol tells whether a row is inside. */
  readonly #bent: ReturnType<typeof bentBlock> | null;
  /** Per row: whether it is inside the link's regime. */
  readonly #inside = new Uint8Array(BLOCK);

  constructor(
    readonly space: SearchSpace,
    terms: Terms,
    entries: Int32Array,
    nMembers: number,
    scale: number,
    shift: number,
    link: Link,
  ) {
    super();
    this.nMembers = nMembers;
    this.#entries = entries;
    this.#scale = scale;
    this.#shift = shift;
    this.#link = link;
    this.#starts = Int32Array.from(space.blockStarts);
    this.#sizes = Int32Array.from(space.geneSizes);
    this.#layout = layOut(terms, space);
    this.#symbols = new Int32Array(this.#layout.nNumbers);
    this.#places = new Int32Array(terms.blocks.length);
    this.#bent = link.regime && bentBlock(link.regime, space);
    this.#values = new Float64Array(BLOCK * nMembers);
  }

  override toString(): string {
    return `TableEngine(${count(this.nMembers, "member")}, ${count(this.#entries.length, "integer")})`;
  }

  /** Take the tables out of an ONNX file, at the place that its manifest entry states. */
  static fromOnnx(
    file: Uint8Array,
    entry: { tables?: unknown; terms?: unknown; link?: unknown },
    space: SearchSpace,
    source: string,
  ): TableEngine {
    const t = entry.tables as TablesDocument | null | undefined;
    if (t === undefined || t === null) {
      throw new ArtifactError(`${source} has no tables; use an onnxruntime engine for this form`);
    }
    if ((entry as { form?: unknown }).form === "vector") {
      throw new ArtifactError(`${source} has several outputs, which VectorEngine.fromOnnx reads`);
    }
    const terms = Terms.fromDocument(entry.terms, space, source);
    const link = () => Link.fromDocument(entry.link, source, space);
    return TableEngine.open(file, t, link, terms, space, { source, output: 0, nOutputs: 1 }).engine;
  }

  /**
   * Take the tables of one of several outputs, which lie side by side, out of an ONNX file.
   *
   * @returns The engine, and how large predictions are in size, where that is known.
   */
  static open(
    file: Uint8Array,
    t: TablesDocument,
    stated: Link | (() => Link),
    terms: Terms,
    space: SearchSpace,
    { source, output, nOutputs }: { source: string; output: number; nOutputs: number },
  ): { engine: TableEngine; most: number | null } {
    const expected = terms.nEntries;
    const whole = (v: unknown): v is number => Number.isSafeInteger(v) && (v as number) >= 0;
    const sound =
      whole(t.offset) &&
      t.entries === expected &&
      whole(t.members) &&
      t.members >= 1 &&
      t.members <= MAX_MEMBERS &&
      t.entries * t.members * nOutputs <= MAX_NUMBERS &&
      typeof t.scale === "number" &&
      typeof t.shift === "number" &&
      Math.abs(t.scale) >= SCALES[0] &&
      Math.abs(t.scale) <= SCALES[1] &&
      Math.abs(t.shift) <= LARGEST_SHIFT &&
      t.offset + 4 * t.entries * t.members * nOutputs <= file.length;
    if (!sound) {
      const facts = `${expected} entries within ${file.length} bytes expected`;
      throw new ArtifactError(`${source}: malformed key "tables" ${show(t)}; ${facts}`);
    }
    const count = t.entries * t.members * nOutputs;
    // A copy, because the tables begin at any byte of the file.
    let entries = new Int32Array(count);
    new Uint8Array(entries.buffer).set(file.subarray(t.offset, t.offset + 4 * count));
    if (new Uint8Array(Uint16Array.of(1).buffer)[0] === 0) {
      const view = new DataView(entries.buffer.slice(0));
      for (let i = 0; i < count; i++) entries[i] = view.getInt32(4 * i, true);
    }
    if (nOutputs > 1) entries = columnsOf(entries, t.entries, t.members, output, nOutputs);
    const link = typeof stated === "function" ? stated() : stated;
    const most = checkRange(entries, t, terms, link, source);
    return { engine: new TableEngine(space, terms, entries, t.members, t.scale, t.shift, link), most };
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

  /** Compute what members predict of rows start to stop, at most 256, before it is rounded to float32: [rows, M]. */
  valuesInto(codes: Uint8Array, start: number, stop: number, values: Float64Array): void {
    this.#countRows(codes);
    const rows = stop - start;
    if (rows > BLOCK) throw new AnbError(`at most ${BLOCK} rows at once, not ${rows}`);
    this.#scaledSums(codes, start, rows);
    this.#link.invert(this.#values, rows, this.nMembers, this.#inside);
    values.set(this.#values.subarray(0, rows * this.nMembers));
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
   * Find where the numbers of each term begin for a row, and whether it is inside the regime. Every
   * code is read once: what is checked is what is used, also while another thread writes to shared
   * memory.
   */
  #readRow(codes: Uint8Array, row: number, place: number): void {
    const starts = this.#starts;
    const sizes = this.#sizes;
    const symbols = this.#symbols;
    const base = row * sizes.length;
    const blocks = starts.length - 1;
    for (let block = 0; block < blocks; block++) {
      let symbol = 0;
      for (let g = starts[block]; g < starts[block + 1]; g++) {
        const code = codes[base + g];
        if (code >= sizes[g]) throw outOfRange(code, this.space.genes[g], `row ${row}, `);
        symbol = symbol * sizes[g] + code;
      }
      symbols[block] = symbol;
    }
    const bent = this.#bent;
    if (bent) {
      const code = Math.floor((symbols[bent.block] >>> 0) / bent.place) % bent.inside.length;
      this.#inside[place] = bent.inside[code];
    }
    if (symbols.length > blocks + 1) this.#join();
    const places = this.#places;
    const count = this.nMembers;
    const { steps } = this.#layout;
    for (let t = 0, s = 0; t < places.length; t++, s += 4) {
      const entry = steps[s] + Math.imul(symbols[steps[s + 1]], steps[s + 2]) + symbols[steps[s + 3]];
      places[t] = Math.imul(entry, count);
    }
  }

  /** Compute what terms of three blocks and more share. */
  #join(): void {
    const symbols = this.#symbols;
    for (const { place, before, size, block } of this.#layout.joined) {
      symbols[place] = Math.imul(symbols[before], size) + symbols[block];
    }
  }

  /** Any number of members. */
  #scaledSums(codes: Uint8Array, from: number, rows: number): void {
    const entries = this.#entries;
    const values = this.#values;
    const places = this.#places;
    const count = this.nMembers;
    for (let row = 0; row < rows; row++) {
      this.#readRow(codes, from + row, row);
      for (let m = 0; m < count; m++) {
        let total = 0;
        for (let t = 0; t < places.length; t++) total = (total + entries[places[t] + m]) | 0;
        values[row * count + m] = total * this.#scale + this.#shift;
      }
    }
  }

  /** Eight members, as the published ensembles have: the sums stay in registers. */
  #scaledSums8(codes: Uint8Array, from: number, rows: number): void {
    const entries = this.#entries;
    const values = this.#values;
    const places = this.#places;
    const scale = this.#scale;
    const shift = this.#shift;
    for (let row = 0; row < rows; row++) {
      this.#readRow(codes, from + row, row);
      let t0 = 0, t1 = 0, t2 = 0, t3 = 0, t4 = 0, t5 = 0, t6 = 0, t7 = 0;
      for (let t = 0; t < places.length; t++) {
        const i = places[t];
        t0 = (t0 + entries[i]) | 0;
        t1 = (t1 + entries[i + 1]) | 0;
        t2 = (t2 + entries[i + 2]) | 0;
        t3 = (t3 + entries[i + 3]) | 0;
        t4 = (t4 + entries[i + 4]) | 0;
        t5 = (t5 + entries[i + 5]) | 0;
        t6 = (t6 + entries[i + 6]) | 0;
        t7 = (t7 + entries[i + 7]) | 0;
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

/** The block of a regime's gene, the gene's place in the block's symbol, and the codes inside. */
function bentBlock({ position, inside }: Regime, { blockStarts, geneSizes }: SearchSpace) {
  const block = blockStarts.findLastIndex((start) => start <= position);
  let place = 1;
  for (let g = position + 1; g < blockStarts[block + 1]; g++) place *= geneSizes[g];
  return { block, place, inside: Uint8Array.from(inside, Number) };
}

/** The members of one output, where those of all lie side by side in an entry. */
function columnsOf(all: Int32Array, entries: number, members: number, output: number, nOutputs: number): Int32Array<ArrayBuffer> {
  const own = new Int32Array(entries * members);
  for (let entry = 0; entry < entries; entry++) {
    const start = (entry * nOutputs + output) * members;
    own.set(all.subarray(start, start + members), entry * members);
  }
  return own;
}

/**
 * Refuse tables whose sums could leave int32, in whatever order, or whose predictions float32. Returns
 * how large predictions are in size, or null where a sum could leave the domain of the link.
 */
function checkRange(
  entries: Int32Array,
  { members, scale, shift }: TablesDocument,
  { offsets }: Terms,
  link: Link,
  source: string,
): number | null {
  let [low, high] = [Infinity, -Infinity];
  for (let m = 0; m < members; m++) {
    // Engines add in various orders, some of them only a part first: all of one sign.
    let [least, most, negative, positive] = [0, 0, 0, 0];
    for (let k = 0; k + 1 < offsets.length; k++) {
      let at = offsets[k] * members + m;
      let [smallest, largest] = [entries[at], entries[at]];
      for (const stop = offsets[k + 1] * members; at < stop; at += members) {
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
  const { needsPositive } = link;
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
  return needsPositive && u0 <= 0 ? null : Math.max(...values.map(Math.abs));
}
