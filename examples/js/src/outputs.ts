import { EngineError } from "./errors.js";
import { allocated, kindOf } from "./views.js";

/** Predictions of N architectures: float32 [N], [N] and, where asked for, [N, M]. */
export interface Outputs {
  mean: Float32Array;
  std: Float32Array;
  members: Float32Array | null;
}

/** Arrays for the predictions of some architectures; `nMembers` is 0 where none are asked for. */
export function makeOutputs(rows: number, nMembers: number): Outputs {
  return allocated(() => ({
    mean: new Float32Array(rows),
    std: new Float32Array(rows),
    members: nMembers ? new Float32Array(rows * nMembers) : null,
  }));
}

/**
 * As many predictions come out as architectures went in: refuse anything else that is said to be
 * their predictions, before it is read or copied.
 */
export function checkOutputs(
  found: { readonly [name: string]: unknown },
  rows: number,
  nMembers: number,
  engine: string,
): asserts found is { mean: Float32Array; std: Float32Array; members: Float32Array } {
  const expected = { mean: rows, std: rows, ...(nMembers ? { members: rows * nMembers } : {}) };
  for (const [name, length] of Object.entries(expected)) {
    const values = found[name];
    const sound = kindOf(values) === "Float32Array";
    if (sound && (values as Float32Array).length === length) continue;
    const what = sound ? `${(values as Float32Array).length} values` : "no Float32Array";
    throw new EngineError(
      `${engine} gave ${what} of "${name}" for ${rows} architectures; expected ${length}`,
    );
  }
}
