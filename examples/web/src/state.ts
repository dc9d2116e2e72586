import { codesToIndex, EFFICIENTNET_B0, type SearchSpace, toCodes } from "./anb";
import type { Filters, Range } from "./worker/protocol";

/** What the page shows, and what a shared link holds. */
export interface View {
  readonly codes: Uint8Array;
  /** Targets on the horizontal and on the vertical axis, which differ. */
  readonly x: string;
  readonly y: string;
  readonly filters: Filters;
  readonly n: number;
  /** An architecture to compare with. */
  readonly kept: Uint8Array | null;
}

export const SAMPLE_SIZES = [100_000, 200_000, 500_000, 1_000_000];
const DEFAULT_N = 200_000;
const DEFAULT_X = "throughput_a100";
export const DEFAULT_Y = "accuracy";

/** The architecture of a link's fragment; EfficientNet-B0 where there is none. */
export function readCodes(hash: string, space: SearchSpace): Uint8Array {
  const index = new URLSearchParams(hash.replace(/^#/, "")).get("a");
  return codesOf(index, space) ?? toCodes(EFFICIENTNET_B0, space);
}

function codesOf(index: string | null, space: SearchSpace): Uint8Array | null {
  const known = index !== null && /^\d{1,30}$/.test(index) && BigInt(index) < space.size;
  return known ? toCodes(BigInt(index), space) : null;
}

/** Read a view from a link's fragment; what is missing or wrong there takes its default. */
export function readHash(hash: string, space: SearchSpace, targets: readonly string[]): View {
  const given = new URLSearchParams(hash.replace(/^#/, ""));
  const codes = readCodes(hash, space);
  const pick = (wanted: string | null, among: readonly string[], usual: string) =>
    [wanted, usual].find((name) => name !== null && among.includes(name)) ?? among[0];
  const y = pick(given.get("y"), targets, DEFAULT_Y);
  const x = pick(given.get("x"), targets.filter((name) => name !== y), DEFAULT_X);
  const filters: Record<string, Range> = {};
  for (const part of (given.get("f") ?? "").split(",")) {
    const [name, range = ""] = part.split(":");
    const [low = "", high = ""] = range.split("~");
    const number = (text: string) => (text !== "" && Number.isFinite(+text) ? +text : null);
    const found: Range = [number(low), number(high)];
    if (targets.includes(name) && (found[0] !== null || found[1] !== null)) filters[name] = found;
  }
  const n = Number(given.get("n"));
  const kept = codesOf(given.get("c"), space);
  return { codes, x, y, filters, n: SAMPLE_SIZES.includes(n) ? n : DEFAULT_N, kept };
}

/** Write a view as a link's fragment. */
export function writeHash(view: View, space: SearchSpace): string {
  const parts = [`a=${codesToIndex(view.codes, space)}`, `x=${view.x}`];
  if (view.y !== DEFAULT_Y) parts.push(`y=${view.y}`);
  const filters = Object.entries(view.filters).map(
    ([name, [low, high]]) => `${name}:${low ?? ""}~${high ?? ""}`,
  );
  if (filters.length) parts.push(`f=${filters.join(",")}`);
  if (view.n !== DEFAULT_N) parts.push(`n=${view.n}`);
  if (view.kept) parts.push(`c=${codesToIndex(view.kept, space)}`);
  return `#${parts.join("&")}`;
}

/** What a change is to the browser's history: a step to go back to, more of the last one, or a step back. */
export type How = "push" | "replace" | "restore";

type Listener = (view: View, changed: ReadonlySet<keyof View>, how: How) => void;

/** The current view, and those who draw it. */
export class Store {
  #listeners: Listener[] = [];
  /** What the last step was part of. */
  #run: string | undefined;
  constructor(private current: View) {}

  get view(): View {
    return this.current;
  }

  /**
   * Change the view, by a step that Back takes back.
   *
   * @param run Changes of one run, as of a range that is dragged, are one step together.
   */
  set(patch: Partial<View>, run?: string): void {
    const more = run !== undefined && run === this.#run;
    this.#run = run;
    this.#apply(patch, more ? "replace" : "push");
  }

  /** Show a view that the address holds; what is in it already stays as it is. */
  restore(view: View): void {
    const differs = (key: keyof View) => JSON.stringify(plain(view[key])) !== JSON.stringify(plain(this.current[key]));
    const keys = (Object.keys(view) as (keyof View)[]).filter(differs);
    this.#run = undefined;
    this.#apply(Object.fromEntries(keys.map((key) => [key, view[key]])), "restore");
  }

  #apply(patch: Partial<View>, how: How): void {
    const keys = Object.keys(patch) as (keyof View)[];
    // Codes are new arrays each time; setting the same ones again shows them again.
    const changed = new Set(keys.filter((key) => patch[key] !== this.current[key]));
    if (!changed.size) return;
    this.current = { ...this.current, ...patch };
    for (const listener of this.#listeners) listener(this.current, changed, how);
  }

  /** Put a target on an axis; the one that is on the other axis changes places with it. */
  setAxis(axis: "x" | "y", target: string): void {
    const { x, y } = this.current;
    const swapped = target === (axis === "x" ? y : x);
    this.set(swapped ? { x: y, y: x } : { [axis]: target });
  }

  setFilter(target: string, range: Range | null, run?: string): void {
    const filters = { ...this.current.filters };
    if (range === null || (range[0] === null && range[1] === null)) delete filters[target];
    else filters[target] = range;
    this.set({ filters }, run);
  }

  subscribe(listener: Listener): void {
    this.#listeners.push(listener);
  }
}

/** A part of a view as JSON tells it apart: typed arrays as arrays. */
function plain(part: View[keyof View]): unknown {
  return part instanceof Uint8Array ? [...part] : part;
}
