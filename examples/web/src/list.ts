import { codesToIndex, type SearchSpace } from "./anb";
import { halfOf } from "./answers";
import { make } from "./dom";
import { formatPlain, formatValue, longName, shortName, unitOf } from "./format";
import { miniGlyph } from "./glyph";
import type { Estimate, TargetInfo } from "./worker/protocol";

type Estimates = Readonly<Record<string, Estimate>>;

/** Most rows that are drawn; the CSV has them all. */
const MOST = 500;

/** Architectures of one kind: points of a front, say. */
export interface Listed {
  /** What they are, in words. */
  readonly note: string;
  /** Row after row. */
  readonly codes: Uint8Array;
  /** What each is called, where it is more than its number. */
  readonly names?: readonly string[];
}

/** A table of architectures with the predictions of every target, sorted by any. */
export class List {
  #listed: Listed | null = null;
  #estimates: Estimates = {};
  #targets: readonly TargetInfo[] = [];
  #by = "";
  #descending = true;
  readonly #head = make("thead");
  readonly #body = make("tbody");

  /** @param onLoad Called with the codes of an architecture that is chosen. */
  constructor(
    root: HTMLElement,
    private readonly note: HTMLElement,
    private readonly space: SearchSpace,
    private readonly onLoad: (codes: Uint8Array) => void,
  ) {
    root.append(make("table", {}, this.#head, this.#body));
  }

  /** @param by Target that the table is sorted by, unless someone has chosen another. */
  show(listed: Listed, estimates: Estimates, targets: readonly TargetInfo[], by: string): void {
    this.#listed = listed;
    this.#estimates = estimates;
    this.#targets = targets.filter(({ name }) => name in estimates);
    if (!this.#targets.some(({ name }) => name === this.#by)) {
      this.#by = by;
      this.#descending = this.#direction(by) === "max";
    }
    this.#draw();
  }

  /** Show nothing, and why. */
  clear(note: string): void {
    this.#head.replaceChildren();
    this.#body.replaceChildren();
    this.note.textContent = note;
  }

  #direction(target: string): "max" | "min" {
    return this.#targets.find(({ name }) => name === target)?.direction ?? "max";
  }

  #draw(): void {
    const { codes, note } = this.#listed!;
    const n = codes.length / this.space.nGenes;
    const values = this.#estimates[this.#by]?.mean;
    const order = Array.from({ length: n }, (_, row) => row);
    if (values) order.sort((i, j) => (values[i] - values[j]) * (this.#descending ? -1 : 1) || i - j);
    const focused = (document.activeElement as HTMLElement | null)?.dataset.sort;
    this.#head.replaceChildren(make("tr", {}, make("th", { scope: "col" }, "Architecture"), ...this.#targets.map((t) => this.#heading(t))));
    this.#head.querySelector<HTMLElement>(`[data-sort="${CSS.escape(focused ?? "")}"]`)?.focus();
    this.#body.replaceChildren(...order.slice(0, MOST).map((row) => this.#row(row)));
    const more = n > MOST ? ` The first ${MOST} of them; the CSV has all.` : "";
    this.note.textContent = note + more;
  }

  #heading(target: TargetInfo): HTMLElement {
    const chosen = target.name === this.#by;
    const mark = make("span", { "aria-hidden": "true" }, chosen ? (this.#descending ? " ↓" : " ↑") : "");
    const button = make("button", { type: "button", "data-sort": target.name }, shortName(target), make("small", {}, ` ${unitOf(target)}`), make("span", { class: "unseen" }, ` ${longName(target)}`), mark);
    button.addEventListener("click", () => {
      this.#descending = chosen ? !this.#descending : target.direction === "max";
      this.#by = target.name;
      this.#draw();
    });
    const sorted = chosen ? (this.#descending ? "descending" : "ascending") : "none";
    return make("th", { scope: "col", "aria-sort": sorted }, button);
  }

  #row(row: number): HTMLElement {
    const { codes, names } = this.#listed!;
    const own = codes.slice(row * this.space.nGenes, (row + 1) * this.space.nGenes);
    const picture = make("span");
    picture.innerHTML = miniGlyph(own, this.space); // numbers only
    const index = codesToIndex(own, this.space).toLocaleString("en");
    const button = make("button", { type: "button" }, ...picture.childNodes, names ? `${names[row]} ` : "", make("small", {}, `no. ${index}`));
    button.addEventListener("click", () => this.onLoad(own));
    const cells = this.#targets.map(({ name }) => {
      const estimate = this.#estimates[name];
      const half = halfOf(estimate, row);
      if (!half) return make("td", {}, formatPlain(estimate.mean[row]));
      return make("td", {}, formatValue(estimate.mean[row], half), make("small", {}, ` ± ${formatValue(half, half)}`));
    });
    return make("tr", {}, make("th", { scope: "row" }, button), ...cells);
  }
}
