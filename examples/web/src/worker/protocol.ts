/** What the page and its worker say to each other. */

/** A range of one target; null where it is open. */
export type Range = readonly [number | null, number | null];
export type Filters = Readonly<Record<string, Range>>;

export interface TargetInfo {
  name: string;
  metric: string;
  device: string | null;
  unit: string;
  direction: "max" | "min";
  exact: boolean;
  members: number;
  /** Whether it came in a file of who looks at the page. */
  own: boolean;
}

/** Predictions of some architectures, per target: float32 [N] each. */
export interface Estimate {
  mean: Float32Array;
  std: Float32Array;
  /** 0 where the target is exact; null where nobody calibrated it, and the interval is the mean alone. */
  predictiveStd: Float32Array | null;
  lower: Float32Array;
  upper: Float32Array;
  /** Of the first architecture, among all of the space; null where nobody counted them. */
  place: Place | null;
}

/** Where a prediction lies among those of all architectures. */
export interface Place {
  /** The share of all that are worse. */
  better: number;
  /** Proven bounds of 1 + the number of those that are better. */
  rank: readonly [number, number];
}

/** What is proven over all architectures. */
export interface Proven {
  /** The best mean of each target. */
  optima: Record<string, number>;
  /** The rank of EfficientNet-B0 in each target. */
  b0: Record<string, number>;
  /** Exact fronts, by the names of the targets on the two axes: `frontOf` finds them. */
  fronts: Record<string, ExactFront>;
}

/** All architectures that no other dominates: their codes row after row, and their means. */
export interface ExactFront {
  x: Float32Array;
  y: Float32Array;
  codes: Uint8Array;
}

export interface Requests {
  open: { args: { artifacts: string; benchmark: string }; result: { targets: TargetInfo[] } };
  /** Null where the artifacts come without; from then on, predictions have a place. */
  prove: { args: object; result: Proven | null };
  /** Targets of files by their names; all of them are added, or none. */
  add: { args: { files: [string, Uint8Array][] }; result: TargetInfo[] };
  /** Of the targets named, which are loaded for it, and of all others that are there. */
  predict: { args: { codes: Uint8Array; names: string[] }; result: Record<string, Estimate> };
  /**
   * Answered when all is predicted; columns arrive as events before. Targets are loaded in this
   * order, those named first; what fails of one is an event, and the others follow.
   */
  sample: { args: { n: number; seed: number; first: string[] }; result: SampleFacts };
  /** A later search ends an earlier one, whose answer is then the error "superseded". */
  improve: { args: { search: number; x: string; y: string; filters: Filters; start: Float64Array }; result: Found };
  verify: { args: { engine: "pure" | "ort-web" }; result: Verdict };
}

export interface SampleFacts {
  predictions: number;
  seconds: number;
  /** Predictions (mean and std of an ensemble) per second of computing. */
  rate: number;
}

/** Architectures found by a search: indices, and the mean of every target. */
export interface Found {
  indices: Float64Array;
  columns: Record<string, Float32Array>;
  evaluated: number;
  seconds: number;
}

export interface Verdict {
  targets: number;
  vectors: number;
  values: number;
  differing: number;
  seconds: number;
  /** Predictions of mean and std per second on the first ensemble target. */
  rate: number;
}

export type Event =
  | { event: "loaded"; target: string }
  | { event: "failed"; target: string; message: string }
  | { event: "progress"; done: number; total: number }
  | { event: "indices"; indices: Float64Array }
  | { event: "column"; target: string; mean: Float32Array; quantiles: Float32Array; histogram: Float32Array }
  | { event: "searching"; search: number; evaluated: number; x: Float32Array; y: Float32Array };

export type Call = { [K in keyof Requests]: { id: number; call: K; args: Requests[K]["args"] } }[keyof Requests];
export type Reply = { id: number; result: unknown } | { id: number; error: string };
