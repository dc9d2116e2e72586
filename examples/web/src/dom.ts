type Child = Node | string;

/**
 * Make an element. Texts become text nodes and attributes are set as such, so that nothing that a
 * manifest or an address says is ever read as HTML.
 */
export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Readonly<Record<string, string>> = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** An element of the page itself. */
export function find<T extends HTMLElement>(id: string): T {
  return document.getElementById(id) as T;
}
