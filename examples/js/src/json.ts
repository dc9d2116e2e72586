import { ArtifactError, escaped, messageOf, show } from "./errors.js";

/** Most characters of a name: of a target, unit, gene, choice or file. */
const MAX_NAME = 255;

/** Most members of an ensemble. */
export const MAX_MEMBERS = 1024;

// Far more than a manifest nests.
const MAX_DEPTH = 64;

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
 * differently, and makes 1e999 infinite; both are refused, and so are bytes that are not UTF-8,
 * half a surrogate pair, and deep nesting.
 *
 * Throws `ArtifactError`; `source` names the text.
 */
export function parseObject(content: Uint8Array | string, source: string): Record<string, unknown> {
  let value: unknown;
  try {
    const text =
      typeof content === "string" ? content : new TextDecoder("utf-8", { fatal: true }).decode(content);
    value = JSON.parse(text);
    scan(text);
  } catch (error) {
    throw new ArtifactError(`${source} is not valid JSON (${messageOf(error)})`);
  }
  if (!isObject(value)) throw new ArtifactError(`${source} must hold a JSON object, not ${show(value)}`);
  return value;
}

/** Refuse what `JSON.parse` takes but should not; the text is one that it takes. */
function scan(text: string): void {
  const open: (Set<string> | null)[] = []; // keys so far of objects, null for arrays
  const number = /-?\d[\d.eE+-]*/y;
  let keyNext = false;
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (c === '"') {
      const start = i;
      for (i++; text[i] !== '"'; i++) if (text[i] === "\\") i++;
      const found = plainString(text.slice(start, i + 1));
      if (!keyNext) continue;
      const keys = open.at(-1)!;
      if (keys.has(found)) throw new Error(`key ${show(found)} stands twice in one object`);
      keys.add(found);
      keyNext = false;
    } else if (c === "{" || c === "[") {
      if (open.length === MAX_DEPTH) throw new Error(`it is nested more than ${MAX_DEPTH} deep`);
      open.push(c === "{" ? new Set() : null);
      keyNext = c === "{";
    } else if (c === "}" || c === "]") {
      open.pop();
      keyNext = false;
    } else if (c === ",") {
      keyNext = open.at(-1) !== null;
    } else if (c === "-" || (c >= "0" && c <= "9")) {
      number.lastIndex = i;
      const digits = number.exec(text)![0];
      if (!Number.isFinite(Number(digits))) {
        throw new Error(`the number ${digits.slice(0, 40)} is too large`);
      }
      i += digits.length - 1;
    }
  }
}

function plainString(quoted: string): string {
  const found = quoted.includes("\\") ? (JSON.parse(quoted) as string) : quoted.slice(1, -1);
  if (/\p{Cs}/u.test(found)) throw new Error(`a string holds half a surrogate pair: ${escaped(quoted.slice(0, 40))}`);
  return found;
}
