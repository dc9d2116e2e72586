import type { SearchSpace } from "./anb";
import { make } from "./dom";
import { blockGlyph, shapes } from "./glyph";

const KINDS = new Map([
  ["e", "Expansion"],
  ["k", "Kernel"],
  ["l", "Layers"],
  ["se", "Squeeze-excite"],
]);

/** The network as a row of blocks, each with a control per gene. */
export class Designer {
  /** Called with the codes that an option would give while it is pointed at, and with null when it is left. */
  onPreview: (codes: Uint8Array | null) => void = () => undefined;
  /** Where there is room for one block only: all in small, to choose it. */
  readonly #picks: HTMLButtonElement[] = [];
  readonly #sections: HTMLElement[] = [];
  readonly #glyphs: HTMLElement[] = [];
  readonly #inputs: HTMLInputElement[][];
  #codes: Uint8Array | null = null;

  /**
   * @param onChange Called with the codes after a gene was changed.
   */
  constructor(
    root: HTMLElement,
    private readonly space: SearchSpace,
    public onChange: (codes: Uint8Array) => void,
  ) {
    this.#inputs = space.genes.map(() => []);
    root.append(this.#picker(), this.#rowLabels());
    space.blocks.forEach((_, block) => root.append(this.#block(block)));
    this.#pick(0);
    root.addEventListener("pointerleave", () => this.onPreview(null));
  }

  show(codes: Uint8Array): void {
    this.#codes = codes;
    this.#inputs.forEach((options, gene) => (options[codes[gene]].checked = true));
    shapes(codes, this.space).forEach((shape, b) => {
      this.#glyphs[b].innerHTML = blockGlyph(shape);
      this.#picks[b].firstElementChild!.innerHTML = blockGlyph(shape);
    });
  }

  #picker(): HTMLElement {
    this.space.blocks.forEach((_, block) => {
      const name = make("span", { class: "unseen" }, "Block ");
      const button = make("button", { type: "button" }, make("span"), name, String(block));
      button.addEventListener("click", () => this.#pick(block));
      this.#picks.push(button);
    });
    return make("div", { class: "picker", role: "group", "aria-label": "Block to change" }, ...this.#picks);
  }

  #pick(block: number): void {
    this.#sections.forEach((section, b) => section.classList.toggle("chosen", b === block));
    this.#picks.forEach((button, b) => button.setAttribute("aria-pressed", String(b === block)));
  }

  #rowLabels(): HTMLElement {
    const names = this.space.blocks[0].genes.map((gene) => make("span", {}, kindOf(gene.name)));
    const flow = make("span", { class: "flow" }, "input →");
    return make("div", { class: "row-labels", "aria-hidden": "true" }, flow, ...names);
  }

  #block(block: number): HTMLElement {
    const section = document.createElement("section");
    section.className = "block";
    section.setAttribute("aria-label", `Block ${block}`);
    const glyph = document.createElement("div");
    glyph.className = "glyph";
    this.#glyphs.push(glyph);
    const title = document.createElement("h3");
    title.textContent = `block ${block}`;
    const controls = document.createElement("div");
    controls.className = "controls";
    const { genes } = this.space.blocks[block];
    genes.forEach((_, g) => controls.append(this.#control(block, this.space.blockStarts[block] + g)));
    section.append(glyph, title, controls);
    this.#sections.push(section);
    return section;
  }

  #control(block: number, position: number): HTMLElement {
    const gene = this.space.genes[position];
    const label = kindOf(gene.name);
    const spoken = make("span", { class: "unseen" }, `Block ${block} ${label}`);
    const seen = make("span", { class: "short", "aria-hidden": "true" }, label);
    const group = make("fieldset", { class: "segments" }, make("legend", {}, spoken, seen));
    gene.choices.forEach((choice, code) => {
      const option = document.createElement("label");
      const input = document.createElement("input");
      input.type = "radio";
      input.name = gene.name;
      input.value = String(choice);
      input.addEventListener("change", () => this.onChange(this.#with(position, code)));
      const text = document.createElement("span");
      text.textContent = choice === true ? "on" : choice === false ? "off" : String(choice);
      option.append(input, text);
      option.addEventListener("pointerenter", (event) => {
        if (event.pointerType === "mouse") this.onPreview(input.checked ? null : this.#with(position, code));
      });
      group.append(option);
      this.#inputs[position].push(input);
    });
    group.addEventListener("pointerleave", () => this.onPreview(null));
    return group;
  }

  #with(position: number, code: number): Uint8Array {
    const codes = this.#codes!.slice();
    codes[position] = code;
    return codes;
  }
}

function kindOf(gene: string): string {
  const suffix = gene.slice(gene.lastIndexOf("_") + 1);
  return KINDS.get(suffix) ?? gene;
}
