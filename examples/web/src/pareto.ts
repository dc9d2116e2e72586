const BINS = 4096;

/**
 * Positions of the rows that no other row dominates, by increasing x.
 *
 * @param x, y Values to be large where the sign is 1, small where it is -1. Of rows with equal
 *   values the first is kept.
 * @param allowed Rows to consider, where it is 1; all of them if null.
 */
export function paretoFront(
  x: ArrayLike<number>,
  y: ArrayLike<number>,
  signX: number,
  signY: number,
  allowed: Uint8Array | null = null,
): number[] {
  const n = x.length;
  let low = Infinity, high = -Infinity;
  for (let i = 0; i < n; i++) {
    if (allowed && !allowed[i]) continue;
    const v = x[i] * signX;
    if (v < low) low = v;
    if (v > high) high = v;
  }
  if (low === Infinity) return [];
  // Best y of every bin of x: rows below the best y of a better bin are out, which leaves few.
  const best = new Float64Array(BINS + 1).fill(-Infinity);
  const width = high > low ? (BINS - 1) / (high - low) : 0;
  for (let i = 0; i < n; i++) {
    if (allowed && !allowed[i]) continue;
    const bin = ((x[i] * signX - low) * width) | 0;
    const v = y[i] * signY;
    if (v > best[bin]) best[bin] = v;
  }
  for (let bin = BINS - 1; bin >= 0; bin--) best[bin] = Math.max(best[bin], best[bin + 1]);
  const candidates: number[] = [];
  for (let i = 0; i < n; i++) {
    if (allowed && !allowed[i]) continue;
    const bin = ((x[i] * signX - low) * width) | 0;
    if (y[i] * signY >= best[bin + 1]) candidates.push(i);
  }
  candidates.sort((i, j) => (x[j] - x[i]) * signX || (y[j] - y[i]) * signY || i - j);
  let highest = -Infinity;
  const front = candidates.filter((i) => {
    const better = y[i] * signY > highest;
    if (better) highest = y[i] * signY;
    return better;
  });
  return signX > 0 ? front.reverse() : front;
}
