import type { SearchSpace } from "./anb";
import { make } from "./dom";
import { blockGlyph, shapes } from "./glyph";

const KINDS = new Map([
  ["e", { label: "Expansion", short: "exp" }],
  ["k", { label: "Kernel", short: "kernel" }],
  ["l", { label: "Layers", short: "layers" }],
  ["se", { label: "Squeeze-excite", short: "SE" }],
]);

/** The network as a row of blocks, each with a control per gene. */
export class Designer {
  /** Called with the codes that an option would give while it is pointed at, and with null when it is left. */
  onPreview: (codes: Uint8Array | null) => void = () => undefined;
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
    root.append(this.#rowLabels());
    space.blocks.forEach((_, block) => root.append(this.#block(block)));
    root.addEventListener("pointerleave", () => this.onPreview(null));
  }

  show(codes: Uint8Array): void {
    this.#codes = codes;
    this.#inputs.forEach((options, gene) => (options[codes[gene]].checked = true));
    shapes(codes, this.space).forEach((shape, b) => (this.#glyphs[b].innerHTML = blockGlyph(shape)));
  }

  #rowLabels(): HTMLElement {
    const names = this.space.blocks[0].genes.map((gene) => make("span", {}, kindOf(gene.name).label));
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
    return section;
  }

  #control(block: number, position: number): HTMLElement {
    const gene = this.space.genes[position];
    const { label, short } = kindOf(gene.name);
    const spoken = make("span", { class: "unseen" }, `Block ${block} ${label}`);
    const seen = make("span", { class: "short", "aria-hidden": "true" }, short);
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

function kindOf(gene: string): { label: string; short: string } {
  const suffix = gene.slice(gene.lastIndexOf("_") + 1);
  return KINDS.get(suffix) ?? { label: gene, short: gene };
}
