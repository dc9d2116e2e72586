import { paretoFront } from "./pareto";
import type { Filters, Found, TargetInfo } from "./worker/protocol";

/**
 * The architectures on the page: the random sample, and after it those that a search has found.
 * Rows count through both.
 */
export class Data {
  indices: Float64Array = new Float64Array(0);
  columns: Record<string, Float32Array> = {};
  /** Rows below are random; percentiles and the cloud are about these only. */
  nSampled = 0;
  /** 1 where a row passes all filters. */
  mask = new Uint8Array(0);
  nSelected = 0;
  /** Rows of the Pareto front of the selection, by increasing x. */
  front: number[] = [];

  constructor(private readonly targets: ReadonlyMap<string, TargetInfo>) {}

  startSample(indices: Float64Array): void {
    this.indices = indices;
    this.nSampled = indices.length;
    this.columns = {};
    this.mask = new Uint8Array(indices.length).fill(1);
    this.nSelected = indices.length;
    this.front = [];
  }

  addColumn(target: string, mean: Float32Array): void {
    this.columns[target] = mean;
  }

  /** Replace what an earlier search has found. */
  setFound(found: Found): void {
    const n = this.nSampled;
    const known = new Set(this.indices.subarray(0, n));
    const fresh = [...found.indices.keys()].filter((row) => !known.has(found.indices[row]));
    this.indices = joined(this.indices.subarray(0, n), Float64Array.from(fresh, (r) => found.indices[r]));
    for (const [name, column] of Object.entries(this.columns)) {
      const added = Float32Array.from(fresh, (r) => found.columns[name][r]);
      this.columns[name] = joined(column.subarray(0, n), added);
    }
  }

  /** Apply filters and find the front of x and y; false if columns are still missing. */
  select(filters: Filters, x: string, y: string): boolean {
    const names = Object.keys(filters);
    if (![x, y, ...names].every((name) => name in this.columns)) return false;
    const n = this.indices.length;
    this.mask = new Uint8Array(n).fill(1);
    for (const name of names) {
      const column = this.columns[name];
      const low = filters[name][0] ?? -Infinity;
      const high = filters[name][1] ?? Infinity;
      for (let i = 0; i < n; i++) if (!(column[i] >= low && column[i] <= high)) this.mask[i] = 0;
    }
    this.nSelected = 0;
    for (let i = 0; i < this.nSampled; i++) this.nSelected += this.mask[i];
    this.front = paretoFront(
      this.columns[x], this.columns[y], this.sign(x), this.sign(y), names.length ? this.mask : null,
    );
    return true;
  }

  selectedRows(): Uint32Array {
    const rows = new Uint32Array(this.nSelected);
    let at = 0;
    for (let i = 0; i < this.nSampled; i++) if (this.mask[i]) rows[at++] = i;
    return rows;
  }

  sign(target: string): 1 | -1 {
    return this.targets.get(target)!.direction === "max" ? 1 : -1;
  }
}

function joined<T extends Float32Array | Float64Array>(a: T, b: T): T {
  const all = new (a.constructor as new (n: number) => T)(a.length + b.length);
  all.set(a);
  all.set(b, a.length);
  return all;
}
