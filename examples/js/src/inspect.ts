/** How values show themselves: in one line, in Node's console, in texts and in a browser's console. */

/** What `util.inspect`, and so `console.log` of Node, asks for. */
const INSPECT: unique symbol = Symbol.for("nodejs.util.inspect.custom");

/** A value that is shown as one line, rather than with all the arrays that it holds. */
export abstract class Shown {
  /** One line, which begins with the kind of the value and "(". */
  abstract toString(): string;

  [INSPECT](): string {
    return this.toString();
  }

  get [Symbol.toStringTag](): string {
    return this.toString().split("(")[0]; // not the name of the class, which bundlers change
  }
}

/** A float32 in the digits that tell it from others nearby. */
export function short(value: number): string {
  return String(Number(value.toPrecision(6)));
}

/** A count with separators, and what is counted. */
export function count(n: number | bigint, what: string): string {
  return `${n.toLocaleString("en")} ${what}${n === 1 || n === 1n ? "" : "s"}`;
}
