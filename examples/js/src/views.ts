import { AnbError, ArchitectureError } from "./errors.js";

// Of the built-in prototype: tells the kind of any typed array, also of one from another realm
// (a frame, a vm context), where `instanceof` fails, and cannot be deceived by properties.
const kindGetter = Object.getOwnPropertyDescriptor(
  Object.getPrototypeOf(Uint8Array.prototype),
  Symbol.toStringTag,
)!.get as (this: unknown) => string | undefined;

/** The kind of a typed array ("Uint8Array" for a Buffer, too), or undefined for anything else. */
export function kindOf(value: unknown): string | undefined {
  return kindGetter.call(value);
}

/** Whether a value is a Uint8Array of any realm; a Buffer is one. */
export function isBytes(value: unknown): value is Uint8Array {
  return kindOf(value) === "Uint8Array";
}

/**
 * Return a copy in memory of its own: what a caller, or another thread through a
 * SharedArrayBuffer, writes from now on changes nothing, and what is done to the copy does not
 * reach the caller. Everything that is checked is checked on such a copy.
 *
 * Throws `ArchitectureError` where the array's memory is gone, which its length of 0 would hide.
 */
export function ownCopy<T extends Uint8Array | Float64Array | BigInt64Array | BigUint64Array>(
  given: T,
  where = "",
): T {
  try {
    const kind = globalThis[kindOf(given) as "Uint8Array"];
    return allocated(() => new kind(given as Uint8Array)) as T;
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new ArchitectureError(
      `${where}the buffer of this ${kindOf(given)} is detached (it was transferred or shrunk); ` +
        "keep a copy of what is sent to another thread",
    );
  }
}

/** Return what `make` allocates; an `AnbError` where there is no memory for it. */
export function allocated<T>(make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new AnbError(`too many architectures for the memory (${error.message}); use smaller batches`);
  }
}
