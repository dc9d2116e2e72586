/** How many architectures lie below a value: exact where it is known, and proven bounds elsewhere. */

const float = new Float32Array(1);
const bits = new Int32Array(float.buffer);

/** The next larger float32 number. */
export function after(x: number): number {
  float[0] = x;
  if (float[0] === 0) bits[0] = 1; // of both zeros
  else bits[0] += float[0] > 0 ? 1 : -1;
  return float[0];
}

/** The largest float32 number that is not more than a value. */
export function atMost(value: number): number {
  const near = Math.fround(value);
  return near > value ? -after(-near) : near;
}

/** The least float32 number that is not less than a value. */
export function atLeast(value: number): number {
  return -atMost(-value);
}

/** Values of the best architectures, best first, which are all that are at least as good as `to`. */
export interface Listed {
  readonly values: Float32Array;
  readonly to: number;
}

/** How many architectures have which mean: `counts[i]` from `edges[i]` to before `edges[i + 1]`. */
export interface Distribution {
  readonly edges: Float32Array;
  readonly counts: Float64Array;
}

/**
 * How many architectures have a mean below a number: known exactly at the knots, which are float32
 * numbers; between two of them at least what it is at the one, and at most what it is at the other.
 */
export class Below {
  readonly knots: number[];
  readonly counts: bigint[];
  /** Whether a distribution says how they spread; else one stretch is of unknown shape. */
  readonly everywhere: boolean;

  constructor(
    ends: readonly [number, number],
    total: bigint,
    distribution: Distribution | null,
    best: Listed | null,
    rising: boolean,
  ) {
    this.everywhere = distribution !== null;
    this.knots = distribution ? [...distribution.edges] : [ends[0], after(ends[1])];
    this.counts = distribution ? summed(distribution.counts) : [0n, total];
    if (best) this.#join(best, total, rising);
  }

  #join({ values, to }: Listed, total: bigint, rising: boolean): void {
    const sorted = values.slice().sort();
    // In the range of the list the count changes at its values and after them, nowhere else.
    const border = rising ? to : after(to);
    const steps = [...new Set([border, ...sorted, ...Array.from(sorted, after)])].sort((a, b) => a - b);
    const hidden = rising ? total - BigInt(sorted.length) : 0n;
    const listed = steps.map((step) => hidden + BigInt(firstFrom(sorted, step)));
    const cut = rising ? firstFrom(this.knots, border) : firstFrom(this.knots, after(border));
    if (rising) {
      this.knots.splice(cut, Infinity, ...steps);
      this.counts.splice(cut, Infinity, ...listed);
    } else {
      this.knots.splice(0, cut, ...steps);
      this.counts.splice(0, cut, ...listed);
    }
  }

  /** Proven bounds, least and most, of how many lie below a float32 number. */
  bounds(x: number): readonly [bigint, bigint] {
    const at = firstFrom(this.knots, x);
    const last = this.knots.length - 1;
    if (at > last) return [this.counts[last], this.counts[last]];
    const exact = at === 0 || this.knots[at] === x;
    return [this.counts[exact ? at : at - 1], this.counts[at]];
  }

  /** About how many lie below a float32 number: exact at the knots, linear between. */
  estimate(x: number): number {
    const [least, most] = this.bounds(x);
    if (least === most) return Number(least);
    const at = firstFrom(this.knots, x);
    const [from, to] = [this.knots[at - 1], this.knots[at]];
    const slope = Number(most - least) / (to - from); // in this order, as NumPy has it
    return slope * (x - from) + Number(least);
  }

  /** Most architectures between two knots that are not told apart. */
  get coarsest(): bigint {
    let most = 0n;
    for (let i = 0; i + 1 < this.knots.length; i++) {
      const count = this.counts[i + 1] - this.counts[i];
      // A stretch of one float32 number holds means that are equal.
      if (count > most && after(this.knots[i]) < this.knots[i + 1]) most = count;
    }
    return most;
  }
}

function summed(counts: Float64Array): bigint[] {
  const sums = [0n];
  for (const count of counts) sums.push(sums.at(-1)! + BigInt(count));
  return sums;
}

/** Place of the first of ascending numbers that is not less than x. */
function firstFrom(ascending: ArrayLike<number>, x: number): number {
  let [low, high] = [0, ascending.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ascending[middle] < x) low = middle + 1;
    else high = middle;
  }
  return low;
}
