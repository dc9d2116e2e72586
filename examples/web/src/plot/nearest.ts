const CELL = 12;

/** Finds the point nearest to a pixel; built once per view. */
export class Nearest {
  readonly #columns: number;
  readonly #rows: number;
  readonly #first: Uint32Array;
  readonly #points: Uint32Array;

  /** @param px, py Pixels of n points; NaN for those not to be found. */
  constructor(
    private readonly px: Float32Array,
    private readonly py: Float32Array,
    width: number,
    height: number,
  ) {
    this.#columns = Math.ceil(width / CELL) + 1;
    this.#rows = Math.ceil(height / CELL) + 1;
    this.#first = new Uint32Array(this.#columns * this.#rows + 1);
    const cells = new Int32Array(px.length);
    for (let i = 0; i < px.length; i++) {
      cells[i] = this.#cell(px[i], py[i]);
      if (cells[i] >= 0) this.#first[cells[i] + 1]++;
    }
    for (let c = 0; c < this.#first.length - 1; c++) this.#first[c + 1] += this.#first[c];
    const next = this.#first.slice();
    this.#points = new Uint32Array(this.#first.at(-1)!);
    for (let i = 0; i < px.length; i++) if (cells[i] >= 0) this.#points[next[cells[i]]++] = i;
  }

  /** The nearest point within a radius of at most one cell, or -1. */
  find(x: number, y: number, radius = CELL): number {
    let found = -1;
    let best = radius * radius;
    const column = Math.floor(x / CELL);
    const row = Math.floor(y / CELL);
    for (let r = Math.max(0, row - 1); r <= Math.min(this.#rows - 1, row + 1); r++) {
      for (let c = Math.max(0, column - 1); c <= Math.min(this.#columns - 1, column + 1); c++) {
        const cell = r * this.#columns + c;
        for (let k = this.#first[cell]; k < this.#first[cell + 1]; k++) {
          const i = this.#points[k];
          const distance = (this.px[i] - x) ** 2 + (this.py[i] - y) ** 2;
          if (distance < best) {
            best = distance;
            found = i;
          }
        }
      }
    }
    return found;
  }

  #cell(x: number, y: number): number {
    const column = Math.floor(x / CELL);
    const row = Math.floor(y / CELL);
    const inside = column >= 0 && row >= 0 && column < this.#columns && row < this.#rows;
    return inside ? row * this.#columns + column : -1;
  }
}
