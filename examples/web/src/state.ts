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

type Listener = (view: View, changed: ReadonlySet<keyof View>) => void;

/** The current view, and those who draw it. */
export class Store {
  #listeners: Listener[] = [];
  constructor(private current: View) {}

  get view(): View {
    return this.current;
  }

  set(patch: Partial<View>): void {
    const keys = Object.keys(patch) as (keyof View)[];
    // Codes are new arrays each time; setting the same ones again shows them again.
    const changed = new Set(keys.filter((key) => patch[key] !== this.current[key]));
    if (!changed.size) return;
    this.current = { ...this.current, ...patch };
    for (const listener of this.#listeners) listener(this.current, changed);
  }

  setFilter(target: string, range: Range | null): void {
    const filters = { ...this.current.filters };
    if (range === null || (range[0] === null && range[1] === null)) delete filters[target];
    else filters[target] = range;
    this.set({ filters });
  }

  subscribe(listener: Listener): void {
    this.#listeners.push(listener);
  }
}
