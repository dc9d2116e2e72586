/** Lists, objects, strings and numbers as JSON or Python writes them, read without loss. */

import { show } from "./errors.js";

/** Most levels of lists and objects in each other, far more than any architecture has. */
const MAX_LEVELS = 16;

// Digits, at most, of a number that is read as an integer: choices and codes have 64 bits.
const MAX_DIGITS = 40;

/** A text without the white space around it, which is blanks, tabs and ends of lines, and no other character. */
export function trimmed(text: string): string {
  const isBlank = (at: number) => " \t\r\n".includes(text.charAt(at));
  let [start, end] = [0, text.length];
  while (start < end && isBlank(start)) start++;
  while (end > start && isBlank(end - 1)) end--;
  return text.slice(start, end);
}

/** A number that is no safe integer: as it was written. */
export class OtherNumber {
  constructor(
    readonly digits: string,
    /** Its value where that is whole, and not of too many digits to be any code or choice. */
    readonly whole: bigint | null,
  ) {}
}

/** What a text may hold: numbers are integers that are exact. */
export type Item = null | boolean | number | string | OtherNumber | Item[] | Map<string, Item>;

/** The text is no value in this notation; the message says what is wrong, and where. */
export class NotationError extends Error {
  override name = "NotationError";
}

/**
 * Return the value that a text is, white space around it aside: the union of JSON and of Python's
 * literals that docs/architectures.md has, in time linear in its length. Tuples are lists, too.
 *
 * Throws `NotationError` where it is anything else than one value, or a key stands twice in an
 * object.
 */
export function readNotation(text: string): Item {
  return new Reader(text).read();
}

const WORDS = new Map<string, Item>([
  ["true", true], ["True", true], ["false", false], ["False", false], ["null", null], ["None", null],
]);
const ESCAPES = new Map([
  ["b", "\b"], ["f", "\f"], ["n", "\n"], ["r", "\r"], ["t", "\t"], ['"', '"'], ["'", "'"], ["\\", "\\"], ["/", "/"],
]);
const ENDS: Record<string, string> = { "[": "]", "(": ")", "{": "}" };

/** Reads one text from left to right; each method begins at the next character. */
class Reader {
  #at = 0;
  readonly #blank = /[ \t\r\n]*/y;
  readonly #number = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
  readonly #word = /[A-Za-z_][A-Za-z0-9_]*/y;
  readonly #hex = /[0-9a-fA-F]{4}/y;
  readonly #plain: Record<string, RegExp> = { '"': /[^"\\\u0000-\u001f]*/y, "'": /[^'\\\u0000-\u001f]*/y };

  constructor(private readonly text: string) {}

  read(): Item {
    const value = this.#value(MAX_LEVELS);
    if (this.#next()) throw this.#error("something follows");
    return value;
  }

  /** Pass over white space; return the character there, or "" at the end. */
  #next(): string {
    this.#take(this.#blank);
    return this.text.charAt(this.#at);
  }

  #value(levels: number): Item {
    const first = this.#next();
    if (first in ENDS) {
      if (!levels) throw this.#error("it is nested too deeply");
      this.#at++;
      return first === "{" ? this.#object(levels - 1) : this.#list(ENDS[first], levels - 1);
    }
    if (first in this.#plain) return this.#string(first);
    const digits = this.#take(this.#number);
    if (digits) {
      if (/^[\w.]/.test(this.text.charAt(this.#at))) throw this.#error("no number goes on so");
      return toNumber(digits);
    }
    const value = WORDS.get(this.#take(this.#word));
    if (value === undefined) throw this.#error("there is no value");
    return value;
  }

  #list(end: string, levels: number): Item[] {
    const items: Item[] = [];
    let comma = true;
    while (this.#next() !== end) {
      if (!comma) throw this.#error("a comma is missing");
      items.push(this.#value(levels));
      comma = this.#comma();
    }
    if (end === ")" && items.length === 1 && !comma) throw this.#error("one item in ( ) has a comma behind it");
    this.#at++;
    return items;
  }

  #object(levels: number): Map<string, Item> {
    const found = new Map<string, Item>();
    let comma = true;
    for (let first = this.#next(); first !== "}"; first = this.#next()) {
      if (!comma) throw this.#error("a comma is missing");
      if (!(first in this.#plain)) throw this.#error("there is no string for a key");
      const key = this.#string(first);
      if (found.has(key)) throw new NotationError(`key ${show(key)} stands twice in it`);
      if (this.#next() !== ":") throw this.#error("there is no colon");
      this.#at++;
      found.set(key, this.#value(levels));
      comma = this.#comma();
    }
    this.#at++;
    return found;
  }

  /** Pass over a comma behind an item; whether there was one. */
  #comma(): boolean {
    const found = this.#next() === ",";
    if (found) this.#at++;
    return found;
  }

  #string(quote: string): string {
    const parts: string[] = [];
    this.#at++;
    for (;;) {
      parts.push(this.#take(this.#plain[quote]));
      const stop = this.text.charAt(this.#at);
      if (stop === quote) break;
      if (stop !== "\\") throw this.#error(stop ? "a string is broken" : "a string does not end");
      parts.push(this.#escape());
    }
    this.#at++;
    const found = parts.join("");
    if (/\p{Cs}/u.test(found)) throw this.#error("half a surrogate pair is in the string that ends");
    return found;
  }

  #escape(): string {
    const kind = this.text.charAt(this.#at + 1);
    const meant = ESCAPES.get(kind);
    this.#at += 2;
    if (meant !== undefined) return meant;
    const code = kind === "u" ? this.#take(this.#hex) : "";
    if (!code) {
      this.#at -= 2;
      throw this.#error("there is no such escape");
    }
    return String.fromCharCode(Number.parseInt(code, 16));
  }

  #take(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.text)?.[0] ?? "";
    this.#at += found.length;
    return found;
  }

  #error(what: string): NotationError {
    return new NotationError(`${what} at ${this.#at < this.text.length ? `character ${this.#at + 1}` : "its end"}`);
  }
}

/** The number of some digits: never rounded, so that 5.0 is 5 and 9007199254740992.5 is nothing near it. */
export function toNumber(text: string): number | OtherNumber {
  const [, sign, whole, rest = "", power = "0"] = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text)!;
  const digits = (whole + rest).replace(/^0+/, "");
  if (!digits) return 0;
  if (power.length > MAX_DIGITS) return new OtherNumber(text, null); // of zeros in front, perhaps, but nobody writes so
  const point = digits.length - rest.length + Number(power);
  if (!(point > 0 && point <= MAX_DIGITS) || /[^0]/.test(digits.slice(point))) return new OtherNumber(text, null);
  const exact = BigInt(sign + digits.slice(0, point).padEnd(point, "0"));
  const value = Number(exact);
  return Number.isSafeInteger(value) ? value : new OtherNumber(text, exact);
}
