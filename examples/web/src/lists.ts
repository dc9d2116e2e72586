import { codesToIndex, encode, type SearchSpace } from "./anb";
import { answersOf } from "./answers";
import { whileDisabled } from "./actions";
import { download, toCsv } from "./csv";
import { find } from "./dom";
import { List, type Listed } from "./list";
import type { Client } from "./worker/client";
import type { TargetInfo } from "./worker/protocol";
import { neighbours } from "./worker/sample";

/** What the lists are made of. */
export interface Shown {
  readonly codes: Uint8Array;
  readonly targets: readonly TargetInfo[];
  /** The axes' targets, the vertical one first. */
  readonly axes: readonly [string, string];
  /** Indices of the front of what is on the page, and whether a search has had a part in it. */
  readonly front: Float64Array;
  readonly searched: boolean;
  readonly filtered: boolean;
  /** Codes of the exact front, where one is known. */
  readonly exact: Uint8Array | null;
  /** Architectures of a file, and its name. */
  readonly given: { readonly codes: Uint8Array; readonly from: string } | null;
}

const SOURCES = {
  front: "Pareto front of the sample",
  exact: "Exact Pareto front",
  changes: "One-gene changes of this network",
  given: "Your architectures",
} as const;
type Source = keyof typeof SOURCES;

/** The table below the plot, and the choice of what is in it. */
export class Lists {
  readonly #list: List;
  readonly #choice = find<HTMLSelectElement>("list-source");
  #waiting: ReturnType<typeof setTimeout> | undefined;
  #asked = 0;

  constructor(
    private readonly client: Client,
    private readonly space: SearchSpace,
    private readonly shown: () => Shown,
    onLoad: (codes: Uint8Array) => void,
  ) {
    this.#list = new List(find("list"), find("list-note"), space, onLoad);
    for (const [value, text] of Object.entries(SOURCES)) this.#choice.append(new Option(text, value));
    this.#choice.addEventListener("change", () => void this.#show());
    const save = find<HTMLButtonElement>("csv-list");
    save.addEventListener("click", () => void whileDisabled(save, this.#save()));
  }

  /** Show one source; the others can be chosen still. */
  choose(source: Source): void {
    this.#choice.value = source;
    this.refresh();
  }

  /** Draw anew soon: while something is dragged not each time. */
  refresh(): void {
    clearTimeout(this.#waiting);
    this.#waiting = setTimeout(() => void this.#show(), 150);
  }

  async #show(): Promise<void> {
    const asked = ++this.#asked;
    const shown = this.shown();
    for (const option of this.#choice.options) {
      option.disabled = (option.value === "exact" && !shown.exact) || (option.value === "given" && !shown.given);
    }
    if (this.#choice.selectedOptions[0]?.disabled) this.#choice.value = "front";
    if (this.#choice.value === "front" && !shown.front.length) {
      return this.#list.clear("Nothing is on a front yet: the sample is on its way, or no architecture passes the filters.");
    }
    const listed = this.#listed(this.#choice.value as Source, shown);
    const estimates = await this.client.call("predict", { codes: listed.codes, names: [] });
    if (asked === this.#asked) this.#list.show(listed, estimates, shown.targets, shown.axes[0]);
  }

  #listed(source: Source, { codes, axes, targets, ...shown }: Shown): Listed {
    const named = (name: string) => targets.find((target) => target.name === name)!;
    const count = (n: number) => n.toLocaleString("en");
    const size = this.space.size.toLocaleString("en");
    if (source === "exact") {
      const n = shown.exact!.length / this.space.nGenes;
      return { codes: shown.exact!, note: `Exact: of all ${size} architectures no other dominates these ${count(n)}, proven of the predictions.` };
    }
    if (source === "changes") {
      const others = neighbours(codes, this.space);
      return { codes: others, names: changesOf(codes, others, this.space), note: "What each change of one gene would give." };
    }
    if (source === "given") {
      const n = shown.given!.codes.length / this.space.nGenes;
      return { codes: shown.given!.codes, note: `${count(n)} architecture${n === 1 ? "" : "s"} of ${shown.given!.from}.` };
    }
    const of = [shown.searched ? "the sample and a search" : "the sample", shown.filtered ? " that pass the filters" : ""].join("");
    const [y, x] = axes.map((name) => named(name).direction === "max" ? "large" : "small");
    const note = `The ${count(shown.front.length)} of ${of} that no other dominates (vertical axis ${y}, horizontal ${x}); not of all ${size}.`;
    return { codes: encode(shown.front, this.space), note };
  }

  async #save(): Promise<void> {
    const shown = this.shown();
    const source = this.#choice.value as Source;
    const { codes } = this.#listed(source, shown);
    const estimates = await this.client.call("predict", { codes, names: shown.targets.map(({ name }) => name) });
    const table = answersOf(codes, estimates, this.space);
    download(await toCsv(table, Uint32Array.from(table.indices, (_, row) => row), this.space), `anb-${source}-${codesToIndex(shown.codes, this.space)}.csv`);
  }
}

/** What each row of codes changes of a network. */
function changesOf(codes: Uint8Array, others: Uint8Array, space: SearchSpace): string[] {
  const n = space.nGenes;
  return Array.from({ length: others.length / n }, (_, row) => {
    const at = codes.findIndex((code, gene) => others[row * n + gene] !== code);
    const gene = space.genes[at];
    return `${gene.name}: ${gene.choices[codes[at]]} → ${gene.choices[others[row * n + at]]}`;
  });
}
