import { ArtifactError, escaped, messageOf, show } from "./errors.js";

/** Most characters of a name: of a target, unit, gene, choice or file. */
const MAX_NAME = 255;

/** Most members of an ensemble. */
export const MAX_MEMBERS = 1024;

// Far more than a manifest nests.
const MAX_DEPTH = 64;

// Most digits of an integer, as in Python; converting more takes quadratic time.
const MAX_DIGITS = 4300;

/** Whether a value is a string that may be shown as it is, on a terminal too. */
export function isName(value: unknown): value is string {
  return typeof value === "string" && value.length <= MAX_NAME && /^(?:[^\p{C}\p{Z}]| )+$/u.test(value);
}

/** What `isName` asks for, in words. */
export const NAME = `a string of 1 to ${MAX_NAME} printable characters`;

/** Whether a value is an object of JSON: no array, and not null. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * Parse an object of JSON that means one thing only, in time linear in its length.
 *
 * `JSON.parse` keeps the last of a key that stands twice, so that two programs can read one file
 * differently, makes 1e999 infinite and rounds integers beyond 2^53. Here the first two are
 * refused, and so are bytes that are not UTF-8, half a surrogate pair, and deep nesting; an integer
 * that no number holds exactly becomes a bigint.
 *
 * Throws `ArtifactError`; `source` names the text.
 */
export function parseObject(content: Uint8Array | string, source: string): Record<string, unknown> {
  let value: unknown;
  try {
    const text =
      typeof content === "string" ? content : new TextDecoder("utf-8", { fatal: true }).decode(content);
    value = new Reader(text).read();
  } catch (error) {
    throw new ArtifactError(`${source} is not valid JSON (${messageOf(error)})`);
  }
  if (!isObject(value)) throw new ArtifactError(`${source} must hold a JSON object, not ${show(value)}`);
  return value;
}

const WORDS = new Map<string, unknown>([["true", true], ["false", false], ["null", null]]);

/** Reads one text of JSON from left to right; each method begins at the next character. */
class Reader {
  #at = 0;
  readonly #space = /[ \t\n\r]*/y;
  readonly #plain = /[^"\\]*/y;
  readonly #number = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
  readonly #word = /true|false|null/y;

  constructor(private readonly text: string) {}

  read(): unknown {
    const value = this.#value(0);
    if (this.#at < this.text.length) throw this.#unexpected();
    return value;
  }

  /** A value, and the white space around it. */
  #value(depth: number): unknown {
    this.#take(this.#space);
    const value = this.#bare(depth);
    this.#take(this.#space);
    return value;
  }

  #bare(depth: number): unknown {
    const c = this.text[this.#at];
    if ((c === "{" || c === "[") && depth === MAX_DEPTH) {
      throw new Error(`it is nested more than ${MAX_DEPTH} deep`);
    }
    if (c === "{") return this.#object(depth + 1);
    if (c === "[") return this.#array(depth + 1);
    if (c === '"') return this.#text();
    const digits = this.#take(this.#number);
    if (digits) return toNumber(digits);
    const word = this.#take(this.#word);
    if (!word) throw this.#unexpected();
    return WORDS.get(word);
  }

  #object(depth: number): object {
    const found = new Map<string, unknown>();
    this.#list("}", () => {
      this.#take(this.#space);
      const key = this.#text();
      if (found.has(key)) throw new Error(`key ${show(key)} stands twice in one object`);
      this.#take(this.#space);
      if (!this.#skip(":")) throw this.#unexpected();
      found.set(key, this.#value(depth));
    });
    return Object.fromEntries(found); // which has "__proto__", too, as a key like any other
  }

  #array(depth: number): unknown[] {
    const found: unknown[] = [];
    this.#list("]", () => found.push(this.#value(depth)));
    return found;
  }

  /** What stands between brackets, with commas between. */
  #list(end: string, readOne: () => void): void {
    this.#at++;
    this.#take(this.#space);
    if (this.#skip(end)) return;
    do readOne();
    while (this.#skip(","));
    if (!this.#skip(end)) throw this.#unexpected();
  }

  #text(): string {
    const start = this.#at;
    if (!this.#skip('"')) throw this.#unexpected();
    for (this.#take(this.#plain); this.#skip("\\"); this.#take(this.#plain)) this.#at++;
    if (!this.#skip('"')) throw this.#unexpected();
    const quoted = this.text.slice(start, this.#at);
    const found = JSON.parse(quoted) as string; // knows the escapes, and refuses control characters
    if (/\p{Cs}/u.test(found)) throw new Error(`a string holds half a surrogate pair: ${escaped(quoted.slice(0, 40))}`);
    return found;
  }

  #skip(character: string): boolean {
    const found = this.text[this.#at] === character;
    if (found) this.#at++;
    return found;
  }

  #take(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.text)?.[0] ?? "";
    this.#at += found.length;
    return found;
  }

  #unexpected(): Error {
    if (this.#at >= this.text.length) return new Error("it ends too early");
    return new Error(`unexpected ${show(this.text[this.#at])} at character ${this.#at}`);
  }
}

/** The value of a number of JSON: a bigint where it is an integer that no number holds exactly. */
function toNumber(digits: string): number | bigint {
  const value = Number(digits);
  const whole = /^-?\d+$/.test(digits);
  if (whole && Number.isSafeInteger(value)) return value;
  if (whole && digits.length <= MAX_DIGITS) {
    const exact = BigInt(digits);
    return Number.isFinite(value) && BigInt(value) === exact ? value : exact;
  }
  if (whole || !Number.isFinite(value)) {
    throw new Error(`the number ${digits.slice(0, 40)} is too large (${digits.length} digits)`);
  }
  return value;
}
