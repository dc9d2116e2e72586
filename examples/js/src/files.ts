import { AnbError, ArtifactError, escaped, messageOf, show } from "./errors.js";

/** Most bytes that are read of a file; set others where yours are larger. */
export interface Limits {
  /** Of `manifest.json`; default 16 MiB. */
  maxManifestBytes?: number;
  /** Of an ONNX file; default 64 MiB. */
  maxArtifactBytes?: number;
  /** Of the golden vectors; default 256 MiB. */
  maxGoldenBytes?: number;
  /** Of what is proven; default 256 MiB. */
  maxTruthBytes?: number;
}

export type Limit = keyof Limits;

const DEFAULTS: Required<Limits> = {
  maxManifestBytes: 16 * 2 ** 20,
  maxArtifactBytes: 64 * 2 ** 20,
  maxGoldenBytes: 256 * 2 ** 20,
  maxTruthBytes: 256 * 2 ** 20,
};

/** A folder whose files can be read. */
export interface Folder {
  /** Its path or address, ending in "/", for messages. */
  readonly label: string;
  /** Read a file; never waits for a pipe, and never takes memory beyond the limit. */
  read(name: string, limit: Limit): Promise<Uint8Array>;
  /** Names of what it holds; null where it cannot be listed, as over http. */
  list(): Promise<string[] | null>;
  /** The folder of that name in it. */
  below(name: string): Folder;
}

export interface FolderOptions extends Limits {
  /** Ends requests over http, for example `AbortSignal.timeout(30_000)`. */
  signal?: AbortSignal;
}

type Read = (name: string, limit: number, setting: Limit) => Promise<Uint8Array>;
type Promises = typeof import("node:fs/promises");

/**
 * Open a folder: by fetch, or from disk in Node.
 *
 * Throws `ArtifactError` where it is no path and no address of a folder.
 */
export function openFolder(given: unknown, options: FolderOptions = {}): Folder {
  // Not an import, which bundlers for browsers would try to follow.
  const node = typeof process === "undefined" ? undefined : process.getBuiltinModule;
  const place = given ?? (node ? defaultFolder() : "artifacts/");
  const isUrl = typeof place === "object" && typeof (place as URL).href === "string";
  if ((typeof place !== "string" && !isUrl) || place === "") {
    throw new ArtifactError(`artifacts must be a path or an URL of a folder, or a Catalog, not ${show(given)}`);
  }
  const text = String(place);
  const onDisk = node && !/^https?:/i.test(text);
  const isPath = onDisk && !isUrl && !/^file:/i.test(text);
  const base = isPath ? text.replace(/\/?$/, "/") : folderUrl(text);
  const label = escaped(String(isPath || !onDisk ? text.replace(/\/?$/, "/") : base));
  return folderAt(base, label, onDisk ? node("node:fs/promises") : null, options);
}

/** A folder of files that are in memory, by their names; messages call them just so. */
export function folderOfFiles(files: ReadonlyMap<string, Uint8Array>, options: FolderOptions = {}): Folder {
  const known = () => [...files.keys()].map(show).join(", ") || "(none)";
  return {
    label: "",
    read: async (name, setting) => {
      const limit = limitOf(options, setting);
      const bytes = files.get(name);
      if (!bytes) throw new ArtifactError(`${show(name)} is not among the files: ${known()}`);
      if (bytes.length > limit) throw tooLarge(show(name), bytes.length, limit, setting);
      return bytes;
    },
    list: async () => [...files.keys()],
    below: () => folderOfFiles(new Map(), options),
  };
}

function limitOf(options: FolderOptions, setting: Limit): number {
  const limit = options[setting] ?? DEFAULTS[setting];
  if (!(limit >= 0)) throw new AnbError(`${setting} must be a number of bytes, not ${show(limit)}`);
  return limit;
}

function folderAt(base: string | URL, label: string, fs: Promises | null, options: FolderOptions): Folder {
  const read = fs ? fromDisk(fs, base, label) : byFetch(base as URL, options.signal);
  return {
    label,
    read(name, setting) {
      return read(name, limitOf(options, setting), setting);
    },
    async list() {
      return fs && (await fs.readdir(base).catch(() => null));
    },
    below(name) {
      const inside = typeof base === "string" ? `${base}${name}/` : inFolder(base, name, "/");
      return folderAt(inside, `${label}${escaped(name)}/`, fs, options);
    },
  };
}

/** The address of a folder, relative to the page; in a worker, to the worker's script. */
function folderUrl(text: string): URL {
  const here = globalThis.document?.baseURI ?? globalThis.location?.href;
  let url: URL;
  try {
    url = new URL(text, here);
  } catch (error) {
    throw new ArtifactError(`artifacts: ${show(text)} is no address of a folder (${messageOf(error)})`);
  }
  if (url.search || url.hash) {
    throw new ArtifactError(`artifacts: ${show(text)} must be the address of a folder, without ? and #`);
  }
  if (!url.pathname.endsWith("/")) url.pathname += "/";
  return url;
}

function fromDisk(fs: Promises, base: string | URL, label: string): Read {
  return async (name, limit, setting) => {
    const shown = label + name;
    const mend = "pass a folder that holds manifest.json, or one with such folders, or set ANB_ONNX_ARTIFACTS";
    try {
      return await readRegular(fs, typeof base === "string" ? base + name : inFolder(base, name), {
        limit,
        tooLarge: (size) => tooLarge(shown, size, limit, setting),
      });
    } catch (error) {
      if (error instanceof ArtifactError) throw error;
      throw new ArtifactError(`${shown} cannot be read (${messageOf(error)}); ${mend}`);
    }
  };
}

/** Read a regular file, following links; an error at once for a pipe, device or folder. */
async function readRegular(
  fs: Promises,
  path: string | URL,
  { limit, tooLarge }: { limit: number; tooLarge: (size: number) => Error },
): Promise<Uint8Array> {
  const refuseOthers = (found: { isFile(): boolean }) => {
    if (!found.isFile()) throw new Error("it is no regular file");
  };
  // Before it is opened, as opening some devices does something; and of what was opened, as the
  // path may have become another file in between.
  refuseOthers(await fs.stat(path));
  const { O_RDONLY, O_NONBLOCK = 0 } = fs.constants; // Windows has no pipes to wait for
  const file = await fs.open(path, O_RDONLY | O_NONBLOCK);
  try {
    const stat = await file.stat();
    refuseOthers(stat);
    if (stat.size > limit) throw tooLarge(stat.size);
    const bytes = new Uint8Array(stat.size);
    let at = 0;
    while (at < bytes.length) {
      const { bytesRead } = await file.read(bytes, at, bytes.length - at, at);
      if (!bytesRead) break;
      at += bytesRead;
    }
    return at < bytes.length ? bytes.slice(0, at) : bytes;
  } finally {
    await file.close();
  }
}

function byFetch(base: URL, signal: AbortSignal | undefined): Read {
  return async (name, limit, setting) => {
    let shown = escaped(base + name);
    try {
      const url = inFolder(base, name);
      shown = escaped(url.href);
      const response = await fetch(url, signal ? { signal } : {});
      if (!response.ok) {
        await response.body?.cancel();
        const mend = name === "manifest.json" ? "; a folder of several benchmarks takes { benchmark: NAME }" : "";
        throw new ArtifactError(`${shown} cannot be fetched (${response.status})${mend}`);
      }
      return await readBody(response, limit, (size) => tooLarge(shown, size, limit, setting));
    } catch (error) {
      if (error instanceof ArtifactError) throw error;
      throw new ArtifactError(`${shown} cannot be fetched (${messageOf(error)})`);
    }
  };
}

/** Read a response as it comes; what it states as its length is not believed. */
async function readBody(
  response: Response,
  limit: number,
  tooLarge: (size: number) => Error,
): Promise<Uint8Array> {
  const stated = Number(response.headers.get("content-length")) || 0;
  const reader = response.body?.getReader();
  const parts: Uint8Array[] = [];
  let size = 0;
  for (;;) {
    if (Math.max(stated, size) > limit) {
      await reader?.cancel();
      throw tooLarge(Math.max(stated, size));
    }
    const next = await reader?.read();
    if (!next || next.done) break;
    parts.push(next.value);
    size += next.value.length;
  }
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function tooLarge(shown: string, size: number, limit: number, setting: Limit): ArtifactError {
  return new ArtifactError(`${shown} has ${size} bytes or more, at most ${limit} are allowed (${setting} sets this limit)`);
}

function inFolder(base: URL, name: string, end = ""): URL {
  return new URL(encodeURIComponent(name) + end, base);
}

/**
 * In Node: the folder that `ANB_ONNX_ARTIFACTS` names, as in Python and C++; undefined where it is
 * not set, or empty.
 *
 * Throws `ArtifactError` where the variable is set that had this meaning before: answers from other
 * artifacts than those would be worse than none.
 */
export function namedFolder(): string | undefined {
  const { ANB_ONNX_ARTIFACTS: named, ANB_ARTIFACTS: former } = process.env;
  if (named || !former) return named || undefined;
  throw new ArtifactError(
    `the environment variable ANB_ARTIFACTS (${show(former)}) is called ANB_ONNX_ARTIFACTS now, as in Python and C++: set that one`,
  );
}

/** In Node: what the environment names, or the folder of the checkout. */
function defaultFolder(): string | URL {
  const named = namedFolder();
  if (named) return named;
  try {
    return new URL(/* @vite-ignore */ "../../../artifacts/", import.meta.url);
  } catch {
    // Bundlers that write CommonJS leave no trace of where the package was.
    throw new ArtifactError(
      "this bundle does not know where the artifacts are: pass { artifacts: FOLDER } with a folder " +
        "that holds manifest.json, or one with such folders, or set ANB_ONNX_ARTIFACTS",
    );
  }
}
