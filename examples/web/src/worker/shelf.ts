import { type Catalog, loadPure, type PureSurrogate } from "../anb";
import type { TargetInfo } from "./protocol";

/** The targets of the page: each is loaded when it is first needed. */
export class Shelf {
  /** Those that are there, in the order in which they came. */
  readonly loaded = new Map<string, PureSurrogate>();
  readonly #coming = new Map<string, Promise<PureSurrogate>>();

  /** @param onLoaded Called for each bundled target as soon as it is there. */
  constructor(
    private readonly catalog: Catalog,
    private readonly onLoaded: (name: string) => void,
  ) {}

  /** What the manifest says of the bundled targets; no file of theirs is read for it. */
  get bundled(): TargetInfo[] {
    return this.catalog.targets.map((target) => {
      const { members, exact } = this.catalog.cards[target.name];
      return { ...target, exact: exact === true, members, own: false };
    });
  }

  /** The names of all targets, loaded or not. */
  get names(): string[] {
    return [...new Set([...this.catalog.targets.map(({ name }) => name), ...this.loaded.keys()])];
  }

  /** Load a target, once; what has failed is tried again when it is asked for again. */
  need(name: string): Promise<PureSurrogate> {
    const there = this.loaded.get(name);
    if (there) return Promise.resolve(there);
    const coming = this.#coming.get(name) ?? this.#load(name);
    this.#coming.set(name, coming);
    return coming;
  }

  /** Put a target of one's own beside the others. */
  put(surrogate: PureSurrogate): void {
    this.loaded.set(surrogate.target.name, surrogate);
  }

  async #load(name: string): Promise<PureSurrogate> {
    try {
      const surrogate = await loadPure(name, { artifacts: this.catalog });
      this.loaded.set(name, surrogate);
      this.onLoaded(name);
      return surrogate;
    } finally {
      this.#coming.delete(name);
    }
  }
}
