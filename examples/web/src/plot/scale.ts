/** A linear map from values to pixels. */
export class Scale {
  constructor(
    readonly low: number,
    readonly high: number,
    readonly from: number,
    readonly to: number,
  ) {}

  at(value: number): number {
    return this.from + ((value - this.low) / (this.high - this.low)) * (this.to - this.from);
  }

  invert(pixel: number): number {
    return this.low + ((pixel - this.from) / (this.to - this.from)) * (this.high - this.low);
  }
}

/** The range of some values with a margin, without the outermost few in ten thousand. */
export function extent(values: Float32Array, always: readonly number[]): [number, number] {
  // A stride keeps this cheap; the outermost values are looked at one by one.
  const some: number[] = [];
  const stride = Math.max(1, Math.floor(values.length / 20_000));
  for (let i = 0; i < values.length; i += stride) some.push(values[i]);
  const sorted = Float64Array.from(some).sort();
  const cut = Math.floor(sorted.length * 0.0005);
  let low = sorted[cut] ?? 0;
  let high = sorted[sorted.length - 1 - cut] ?? 1;
  const margin = (high - low) * 0.04 || 1;
  for (const value of always) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return [low - margin, high + margin];
}
