import { longName, unitOf } from "./format";
import { Y } from "./state";
import type { Filters, Range, TargetInfo } from "./worker/protocol";

/** Number fields for the ranges of both axes, and of every other target that is filtered. */
export class FilterFields {
  #shown = "";

  constructor(
    private readonly root: HTMLElement,
    private readonly targets: ReadonlyMap<string, TargetInfo>,
    private readonly onChange: (target: string, range: Range | null) => void,
  ) {}

  show(x: string, filters: Filters): void {
    const names = [...new Set([Y, x, ...Object.keys(filters)])];
    // Built anew only when other fields are needed, so that the one being typed in stays.
    if (names.join() !== this.#shown) {
      this.#shown = names.join();
      this.root.replaceChildren(...names.map((name) => this.#field(this.targets.get(name)!)));
    }
    for (const field of this.root.querySelectorAll<HTMLElement>(".filter")) {
      const range = filters[field.dataset.target!];
      field.classList.toggle("active", range !== undefined);
      field.querySelectorAll("input").forEach((input, end) => {
        if (input !== document.activeElement) input.value = String(range?.[end] ?? "");
      });
    }
  }

  #field(target: TargetInfo): HTMLElement {
    const field = document.createElement("div");
    field.className = "filter";
    field.dataset.target = target.name;
    const name = longName(target);
    field.innerHTML = `
      <span>${name} <small>${unitOf(target)}</small></span>
      <input type="number" step="any" placeholder="min" aria-label="${name}, smallest" />
      <span aria-hidden="true">–</span>
      <input type="number" step="any" placeholder="max" aria-label="${name}, largest" />
      <button type="button" aria-label="Clear the filter on ${name}">×</button>`;
    const [low, high] = field.querySelectorAll("input");
    const read = (input: HTMLInputElement) => (input.value === "" ? null : input.valueAsNumber);
    field.addEventListener("input", () => this.onChange(target.name, [read(low), read(high)]));
    field.querySelector("button")!.addEventListener("click", () => {
      low.value = high.value = "";
      this.onChange(target.name, null);
    });
    return field;
  }
}
