import { ArchitectureError, parseArchitecture as parseText, type SearchSpace, toCodes } from "./anb";

/** Far more than any architecture takes. */
const MAX_LENGTH = 20_000;
const LINK = /^(?:[a-z]+:\/\/\S*)?#(?:\S*&)?a=([0-9]{1,40})(?:&\S*)?$/i;

/**
 * Read an architecture that someone has typed or pasted: in the grammar of docs/architectures.md, as
 * everywhere else, or a link to this page.
 *
 * Throws `ArchitectureError` naming gene and value, or all ways to write one.
 */
export function parseArchitecture(text: string, space: SearchSpace): Uint8Array {
  if (text.length > MAX_LENGTH) {
    throw new ArchitectureError(`this has ${text.length.toLocaleString("en")} characters; one architecture, please`);
  }
  const link = LINK.exec(text.trim());
  return link ? toCodes(BigInt(link[1]), space) : parseText(text, space);
}
