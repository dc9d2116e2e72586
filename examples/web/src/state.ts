import { codesToIndex, EFFICIENTNET_B0, type SearchSpace, toCodes } from "./anb";
import type { Filters, Range } from "./worker/protocol";

/** What the page shows, and what a shared link holds. */
export interface View {
  readonly codes: Uint8Array;
  /** Target on the horizontal axis. */
  readonly x: string;
  readonly filters: Filters;
  readonly n: number;
}

export const Y = "accuracy";
export const SAMPLE_SIZES = [100_000, 200_000, 500_000, 1_000_000];
const DEFAULT_N = 200_000;
const DEFAULT_X = "throughput_a100";

/** The architecture of a link's fragment; EfficientNet-B0 where there is none. */
export function readCodes(hash: string, space: SearchSpace): Uint8Array {
  const index = new URLSearchParams(hash.replace(/^#/, "")).get("a");
  const known = index !== null && /^\d{1,30}$/.test(index) && BigInt(index) < space.size;
  return toCodes(known ? BigInt(index) : EFFICIENTNET_B0, space);
}

/** Read a view from a link's fragment; what is missing or wrong there takes its default. */
export function readHash(hash: string, space: SearchSpace, targets: readonly string[]): View {
  const given = new URLSearchParams(hash.replace(/^#/, ""));
  const codes = readCodes(hash, space);
  const wanted = given.get("x") ?? DEFAULT_X;
  const others = targets.filter((name) => name !== Y);
  const x = others.includes(wanted) ? wanted : others.includes(DEFAULT_X) ? DEFAULT_X : others[0];
  const filters: Record<string, Range> = {};
  for (const part of (given.get("f") ?? "").split(",")) {
    const [name, range = ""] = part.split(":");
    const [low = "", high = ""] = range.split("~");
    const number = (text: string) => (text !== "" && Number.isFinite(+text) ? +text : null);
    const found: Range = [number(low), number(high)];
    if (targets.includes(name) && (found[0] !== null || found[1] !== null)) filters[name] = found;
  }
  const n = Number(given.get("n"));
  return { codes, x, filters, n: SAMPLE_SIZES.includes(n) ? n : DEFAULT_N };
}

/** Write a view as a link's fragment. */
export function writeHash(view: View, space: SearchSpace): string {
  const parts = [`a=${codesToIndex(view.codes, space)}`, `x=${view.x}`];
  const filters = Object.entries(view.filters).map(
    ([name, [low, high]]) => `${name}:${low ?? ""}~${high ?? ""}`,
  );
  if (filters.length) parts.push(`f=${filters.join(",")}`);
  if (view.n !== DEFAULT_N) parts.push(`n=${view.n}`);
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
