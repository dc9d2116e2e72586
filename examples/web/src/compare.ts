import { codesToIndex, codesToValues, type SearchSpace } from "./anb";
import { halfOf } from "./answers";
import { make } from "./dom";
import { formatDelta, formatPlain, formatValue, longName, shortName, unitOf } from "./format";
import type { Estimate, TargetInfo } from "./worker/protocol";

type Estimates = Readonly<Record<string, Estimate>>;

const KINDS = [["e", "Expansion"], ["k", "Kernel"], ["l", "Layers"], ["se", "SE"]] as const;

/** Two networks beside each other: A, which was kept, and B, which is the current one. */
export class Comparison {
  constructor(
    private readonly root: HTMLElement,
    private readonly space: SearchSpace,
  ) {}

  show(a: Uint8Array, b: Uint8Array, ofA: Estimates, ofB: Estimates, targets: readonly TargetInfo[]): void {
    this.root.replaceChildren(this.#targets(a, b, ofA, ofB, targets), this.#genes(a, b));
  }

  clear(): void {
    this.root.replaceChildren();
  }

  #targets(a: Uint8Array, b: Uint8Array, ofA: Estimates, ofB: Estimates, targets: readonly TargetInfo[]): HTMLElement {
    const number = (codes: Uint8Array) => make("small", {}, `no. ${codesToIndex(codes, this.space).toLocaleString("en")}`);
    const head = make(
      "tr",
      {},
      make("th", { scope: "col" }, "Target"),
      make("th", { scope: "col" }, "A", make("br"), number(a)),
      make("th", { scope: "col" }, "B", make("br"), number(b)),
      make("th", { scope: "col" }, "B − A"),
    );
    const rows = targets.filter(({ name }) => name in ofA && name in ofB).map((t) => row(t, ofA[t.name], ofB[t.name]));
    return make("table", { "aria-label": "Predictions of both networks" }, make("thead", {}, head), make("tbody", {}, ...rows));
  }

  /** One cell per gene: its value, or that of A and that of B. */
  #genes(a: Uint8Array, b: Uint8Array): HTMLElement {
    const [ofA, ofB] = [a, b].map((codes) => codesToValues(codes, this.space));
    const plain = (value: unknown) => (value === true ? "on" : value === false ? "off" : String(value));
    const blocks = this.space.blocks.map(({ name }) => name);
    const head = make("tr", {}, make("th", { scope: "col" }, "Block"), ...blocks.map((_, k) => make("th", { scope: "col" }, String(k))));
    const rows = KINDS.map(([suffix, label]) => {
      const cells = blocks.map((block) => {
        const [x, y] = [ofA, ofB].map((values) => plain(values[`${block}_${suffix}`]));
        return x === y ? make("td", {}, x) : make("td", { class: "differs" }, `${x} → ${y}`);
      });
      return make("tr", {}, make("th", { scope: "row" }, label), ...cells);
    });
    return make("table", { class: "genes", "aria-label": "Genes of both networks" }, make("thead", {}, head), make("tbody", {}, ...rows));
  }
}

function row(target: TargetInfo, a: Estimate, b: Estimate): HTMLElement {
  const [halfA, halfB] = [halfOf(a), halfOf(b)];
  const delta = b.mean[0] - a.mean[0];
  // As if both were measured, independently.
  const half = Math.hypot(halfA ?? 0, halfB ?? 0);
  const difference = make("td", { class: "difference" }, formatDelta(delta, half));
  if (half > 0) difference.append(make("small", {}, ` ± ${formatValue(half, half)}`));
  if (Math.abs(delta) > half) difference.classList.add(delta > 0 === (target.direction === "max") ? "good" : "bad");
  const name = make("th", { scope: "row", title: longName(target) }, shortName(target), make("small", {}, ` ${unitOf(target)}`));
  return make("tr", { "data-compared": target.name }, name, cell(a, halfA), cell(b, halfB), difference);
}

function cell(estimate: Estimate, half: number | null): HTMLElement {
  const [mean] = estimate.mean;
  if (!half) return make("td", {}, formatPlain(mean));
  return make("td", {}, formatValue(mean, half), make("small", {}, ` ± ${formatValue(half, half)}`));
}
