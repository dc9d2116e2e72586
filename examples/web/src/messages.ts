import { make } from "./dom";

/** A line of the page that says what is wrong, until it is mended or put away. */
export class Message {
  /** @param root The element; hidden while there is nothing to say. */
  constructor(private readonly root: HTMLElement) {}

  get shown(): boolean {
    return !this.root.hidden;
  }

  /** @param mend What a button of it is called, and does. */
  show(text: string, mend?: readonly [string, () => void]): void {
    this.root.replaceChildren(make("span", {}, text));
    if (mend) this.#button(mend[0], mend[1]);
    this.#button("Close", () => this.clear());
    this.root.hidden = false;
  }

  clear(): void {
    this.root.hidden = true;
    this.root.replaceChildren();
  }

  #button(text: string, act: () => void): void {
    const button = make("button", { type: "button" }, text);
    button.addEventListener("click", act);
    this.root.append(button);
  }
}
