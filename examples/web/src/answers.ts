/** What is predicted of architectures as columns of a table, by the names that the command line writes. */

import { codesToIndices, type SearchSpace } from "./anb";
import type { Table } from "./csv";
import type { Estimate } from "./worker/protocol";

/** Index, and mean, std, predictive_std, lower and upper of every target; empty where nobody calibrated it. */
export function answersOf(codes: Uint8Array, estimates: Readonly<Record<string, Estimate>>, space: SearchSpace): Table {
  const columns: Record<string, ArrayLike<number>> = {};
  for (const [name, { mean, std, predictiveStd, lower, upper }] of Object.entries(estimates)) {
    columns[`${name}_mean`] = mean;
    columns[`${name}_std`] = std;
    const none = new Float32Array(mean.length).fill(Number.NaN);
    columns[`${name}_predictive_std`] = predictiveStd ?? none;
    columns[`${name}_lower`] = predictiveStd ? lower : none;
    columns[`${name}_upper`] = predictiveStd ? upper : none;
  }
  return { indices: Float64Array.from(codesToIndices(codes, space), Number), columns };
}

/** Means alone, as the page holds them of its sample. */
export function meansOf(columns: Readonly<Record<string, ArrayLike<number>>>): Record<string, ArrayLike<number>> {
  return Object.fromEntries(Object.entries(columns).map(([name, column]) => [`${name}_mean`, column]));
}

/** Half the width of the interval of one row; null where nobody calibrated the target, 0 where it is exact. */
export function halfOf(estimate: Estimate, row = 0): number | null {
  return estimate.predictiveStd && (estimate.upper[row] - estimate.lower[row]) / 2;
}
