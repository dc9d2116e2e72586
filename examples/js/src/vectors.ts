import type { Card } from "./catalog.js";
import { areNumbers, type CurveForm, hasKeys, isWhole } from "./curves.js";
import { AnbError, ArchitectureError, ArtifactError, EngineError, show } from "./errors.js";
import { count, Shown } from "./inspect.js";
import { MAX_MEMBERS } from "./json.js";
import { makeOutputs, type Outputs } from "./outputs.js";
import type { SearchSpace } from "./space.js";
import { TableEngine } from "./tables.js";
import { Terms } from "./terms.js";
import { MAX_OUTPUTS, readVectorCard, type VectorCard } from "./vectorCard.js";

// Rows at a time: what members predict of all outputs lies in memory.
const BLOCK = 256;

/**
 * The pure engine of an artifact of several outputs, each of which is predicted from tables of its own.
 * As an engine it predicts the target: the first output or, of a curve, its value at the last knot.
 */
export class VectorEngine extends Shown {
  readonly name = "pure";
  #disposed = false;

  private constructor(
    readonly space: SearchSpace,
    readonly card: VectorCard,
    /** One for each output. */
    readonly outputs: readonly TableEngine[],
  ) {
    super();
  }

  /** Take the tables out of an ONNX file, as `TableEngine.fromOnnx` does. */
  static fromOnnx(file: Uint8Array, entry: Card, space: SearchSpace, source: string): VectorEngine {
    const card = readVectorCard(entry, space, source);
    const terms = Terms.fromDocument(entry.terms, space, source);
    const facts = readTables(entry.tables, terms, card.outputs.length, source);
    const { offset, entries, members, scale, shift } = facts;
    const opened = card.outputs.map(({ link }, k) =>
      TableEngine.open(file, { offset, entries, members, scale: scale[k], shift: shift[k] }, link, terms, space, {
        source: `${source}: output ${k}`,
        output: k,
        nOutputs: card.outputs.length,
      }),
    );
    card.curve?.checkRange(opened.map(({ most }) => most), source);
    return new VectorEngine(space, card, opened.map(({ engine }) => engine));
  }

  override toString(): string {
    return `VectorEngine(${count(this.nMembers, "member")}, ${count(this.outputs.length, "output")})`;
  }

  get nMembers(): number {
    return this.outputs[0].nMembers;
  }

  /** The form of the curve; throws where the artifact predicts none. */
  get curve(): CurveForm {
    if (!this.card.curve) throw new AnbError("this artifact predicts no curve: it has no fidelity such as epochs");
    return this.card.curve;
  }

  /** Predict the target. */
  predict(codes: Uint8Array, members = false): Outputs {
    return this.card.curve ? this.predictAt(codes, this.curve.fidelity.most, members) : this.outputs[0].predict(codes, members);
  }

  /** Predict the target of rows start to stop into the same rows of `out`. */
  predictInto(codes: Uint8Array, start: number, stop: number, out: Outputs): void {
    if (!this.card.curve) {
      this.outputs[0].predictInto(codes, start, stop, out);
      return;
    }
    const n = this.space.nGenes;
    const found = this.predict(codes.slice(start * n, stop * n), out.members !== null);
    out.mean.set(found.mean, start);
    out.std.set(found.std, start);
    out.members?.set(found.members!, start * this.nMembers);
  }

  /**
   * Predict a curve at a fidelity, the same for all rows or one for each; they are in range.
   */
  predictAt(codes: Uint8Array, fidelity: number | ArrayLike<number>, members = false): Outputs {
    const n = this.#countRows(codes);
    const count = this.nMembers;
    const out = makeOutputs(n, members ? count : 0);
    const places = { columns: 1, column: 0 };
    if (typeof fidelity === "number") {
      this.#eachBlock(codes, n, (values, from, rows, y) => {
        this.curve.atFidelity(fidelity, values, rows * count, y);
        summarise(y, count, { from, rows, ...places }, out);
      });
      return out;
    }
    this.#eachBlock(codes, n, (values, from, rows, y) => {
      for (let row = 0; row < rows; row++) {
        const own = values.map((c) => c.subarray(row * count, (row + 1) * count));
        this.curve.atFidelity(fidelity[from + row], own, count, y.subarray(row * count, (row + 1) * count));
      }
      summarise(y, count, { from, rows, ...places }, out);
    });
    return out;
  }

  /** Predict curves at all T knots: mean and std [N, T], members [N, M, T]. */
  predictCurve(codes: Uint8Array, members = false): Outputs {
    const n = this.#countRows(codes);
    const count = this.nMembers;
    const columns = this.curve.at.length;
    const out = makeOutputs(n * columns, members ? count : 0);
    this.#eachBlock(codes, n, (values, from, rows, y) => {
      for (let column = 0; column < columns; column++) {
        this.curve.atKnot(column, values, rows * count, y);
        summarise(y, count, { from, rows, columns, column }, out);
      }
    });
    return out;
  }

  /** Find where the mean of curves reaches a level first: float64 [N], NaN where it never does. */
  crossing(codes: Uint8Array, level: number, rising: boolean): Float64Array {
    const { at } = this.curve;
    const members = this.nMembers;
    const n = this.#countRows(codes);
    const found = new Float64Array(n).fill(NaN);
    this.#eachBlock(codes, n, (values, from, rows, y) => {
      const before = new Float64Array(rows);
      const done = new Uint8Array(rows);
      for (let i = 0; i < at.length; i++) {
        this.curve.atKnot(i, values, rows * members, y);
        for (let row = 0; row < rows; row++) {
          const mean = meanOf(y, row * members, members);
          if (!done[row] && (rising ? mean >= level : mean <= level)) {
            done[row] = 1;
            const share = (level - before[row]) / (mean - before[row]);
            found[from + row] = i === 0 ? at[0] : at[i - 1] + (at[i] - at[i - 1]) * share;
          }
          before[row] = mean;
        }
      }
    });
    return found;
  }

  #countRows(codes: Uint8Array): number {
    if (this.#disposed) throw new EngineError("this engine is disposed of");
    const n = this.space.nGenes;
    if (codes.length % n) throw new ArchitectureError(`codes are ${n} bytes per row, not ${show(codes)}`);
    return codes.length / n;
  }

  /** Find what members predict of the outputs that a curve is made of, block by block. */
  #eachBlock(
    codes: Uint8Array,
    n: number,
    use: (values: Float64Array[], from: number, rows: number, y: Float64Array) => void,
  ): void {
    const size = Math.min(BLOCK, n) * this.nMembers;
    const used = this.curve.used;
    const values = this.outputs.map((_, k) => new Float64Array(used.includes(k) ? size : 0));
    const y = new Float64Array(size);
    for (let from = 0; from < n; from += BLOCK) {
      const rows = Math.min(BLOCK, n - from);
      for (const k of used) this.outputs[k].valuesInto(codes, from, from + rows, values[k]);
      use(values, from, rows, y);
    }
  }

  /** Let the tables go; a later prediction is an `EngineError`. */
  dispose(): void {
    this.#disposed = true;
    for (const output of this.outputs) output.dispose();
  }
}

function meanOf(y: Float64Array, start: number, members: number): number {
  let total = y[start];
  for (let m = 1; m < members; m++) total += y[start + m];
  return total / members;
}

/** Mean and population standard deviation of values [rows, M] as a column of so many. */
function summarise(
  y: Float64Array,
  members: number,
  place: { from: number; rows: number; columns: number; column: number },
  out: Outputs,
): void {
  const { from, rows, columns, column } = place;
  for (let row = 0; row < rows; row++) {
    const start = row * members;
    const mean = meanOf(y, start, members);
    let squares = 0;
    for (let m = 0; m < members; m++) {
      const deviation = y[start + m] - mean;
      squares += deviation * deviation;
      if (out.members) out.members[((from + row) * members + m) * columns + column] = y[start + m];
    }
    out.mean[(from + row) * columns + column] = mean;
    out.std[(from + row) * columns + column] = Math.sqrt(squares / members);
  }
}

/** Where the manifest says the tables of several outputs lie. */
export interface VectorTables {
  readonly offset: number;
  readonly entries: number;
  readonly members: number;
  readonly outputs: number;
  readonly scale: readonly number[];
  readonly shift: readonly number[];
}

function readTables(document: unknown, terms: Terms, nOutputs: number, source: string): VectorTables {
  const sound =
    hasKeys(document, ["offset", "entries", "members", "outputs", "scale", "shift"]) &&
    isWhole(document.offset, 0, Number.MAX_SAFE_INTEGER) &&
    document.entries === terms.nEntries &&
    isWhole(document.members, 1, MAX_MEMBERS) &&
    nOutputs <= MAX_OUTPUTS &&
    document.outputs === nOutputs &&
    areNumbers(document.scale, nOutputs) &&
    areNumbers(document.shift, nOutputs);
  if (sound) return document as unknown as VectorTables;
  const facts = `${terms.nEntries} entries of ${nOutputs} outputs, a scale and a shift for each, expected`;
  throw new ArtifactError(`${source}: malformed key "tables" ${show(document)}; ${facts}`);
}
