import { make } from "./dom";
import { longName, unitOf } from "./format";
import type { Filters, Range, TargetInfo } from "./worker/protocol";

/** Number fields for the ranges of both axes, and of every other target that is filtered. */
export class FilterFields {
  #shown = "";

  constructor(
    private readonly root: HTMLElement,
    private readonly targets: ReadonlyMap<string, TargetInfo>,
    private readonly onChange: (target: string, range: Range | null, run?: string) => void,
  ) {}

  show(axes: readonly string[], filters: Filters): void {
    const names = [...new Set([...axes, ...Object.keys(filters)])];
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
    const name = longName(target);
    const number = (placeholder: string, end: string) =>
      make("input", { type: "number", step: "any", placeholder, "aria-label": `${name}, ${end}` });
    const [low, high] = [number("min", "smallest"), number("max", "largest")];
    const field = make(
      "div",
      { class: "filter", "data-target": target.name },
      make("span", {}, `${name} `, make("small", {}, unitOf(target))),
      low,
      make("span", { "aria-hidden": "true" }, "–"),
      high,
      make("button", { type: "button", "aria-label": `Clear the filter on ${name}` }, "×"),
    );
    const read = (input: HTMLInputElement) => (input.value === "" ? null : input.valueAsNumber);
    field.addEventListener("input", () => this.onChange(target.name, [read(low), read(high)], `type ${target.name}`));
    field.querySelector("button")!.addEventListener("click", () => {
      low.value = high.value = "";
      this.onChange(target.name, null);
    });
    return field;
  }
}
