import { ArtifactError, EngineError, show, TargetError } from "./errors.js";
import { SearchSpace } from "./space.js";

/** Version of `manifest.json` that this package reads. */
export const SCHEMA = 1;

/** A quantity that a surrogate predicts. */
export interface Target {
  readonly name: string;
  readonly metric: string;
  readonly device: string | null;
  readonly unit: string;
  /** Whether larger or smaller is better. */
  readonly direction: "max" | "min";
}

/** A target's entry of the manifest: the model card, and what concerns the file. */
export interface Card extends Record<string, unknown> {
  readonly file: string;
  readonly sha256: string;
  readonly members: number;
  readonly exact?: boolean;
  readonly link?: unknown;
  readonly tables?: unknown;
  readonly calibration?: unknown;
}

export interface ReadOptions {
  /** Whether files are checked against the manifest's SHA-256; default true. */
  checkSha256?: boolean;
}

type ReadBytes = (name: string) => Promise<Uint8Array>;

/** The artifacts of one folder, as its `manifest.json` lists them. */
export class Catalog {
  private constructor(
    /** The folder, for messages. */
    readonly folder: string,
    readonly space: SearchSpace,
    readonly targets: readonly Target[],
    readonly cards: Readonly<Record<string, Card>>,
    /** The whole manifest. */
    readonly manifest: Readonly<Record<string, unknown>>,
    private readonly readBytes: ReadBytes,
  ) {}

  /**
   * Read a folder's manifest; the ONNX files are not opened.
   *
   * @param folder In a browser an URL, relative to the page (default `artifacts/`). In Node a path
   *   or an http(s) or file URL (default `$ANB_ARTIFACTS`, else the checkout's `artifacts`).
   */
  static async open(folder?: string | URL): Promise<Catalog> {
    const { label, readBytes } = reader(folder);
    const source = `${label}manifest.json`;
    let manifest: Record<string, unknown>;
    const text = new TextDecoder().decode(await readBytes("manifest.json"));
    try {
      manifest = JSON.parse(text) as Record<string, unknown>;
    } catch (error) {
      throw new ArtifactError(`${source} is not valid JSON (${(error as Error).message})`);
    }
    if (typeof manifest !== "object" || manifest === null || manifest.schema !== SCHEMA) {
      const found = show(manifest?.schema);
      throw new ArtifactError(`${source}: key "schema" must be ${SCHEMA}, not ${found}`);
    }
    const entries = manifest.targets;
    if (typeof entries !== "object" || entries === null || Array.isArray(entries)) {
      throw new ArtifactError(`${source}: key "targets" must be an object, not ${show(entries)}`);
    }
    const cards = entries as Record<string, Card>;
    const targets = Object.entries(cards).map(([name, card]) => readTarget(name, card, source));
    let space: SearchSpace;
    try {
      space = SearchSpace.fromDocument(manifest.search_space);
    } catch (error) {
      throw new ArtifactError(`${source}: key "search_space": ${(error as Error).message}`);
    }
    return new Catalog(label, space, targets, cards, manifest, readBytes);
  }

  /** Find a target by its name, or by metric and device. */
  find(metric: string, device?: string | null): Target {
    const fits = this.targets.find(
      (t) =>
        (t.name === metric && (device === undefined || device === null || t.device === device)) ||
        (t.metric === metric && t.device === (device ?? null)),
    );
    if (fits) return fits;
    const devices = this.targets
      .filter((t) => (t.metric === metric || t.name === metric) && t.device)
      .map((t) => t.device);
    const known = this.targets.some((t) => t.metric === metric || t.name === metric);
    const names = `valid targets: ${this.targets.map((t) => t.name).join(", ") || "(none)"}`;
    if (!known) throw new TargetError(`unknown target ${show(metric)}; ${names}`);
    if (!devices.length) {
      const given = `device ${show(device)} cannot be given for it`;
      throw new TargetError(`${metric} depends on no device, so ${given}`);
    }
    const valid = `valid devices: ${devices.join(", ")}`;
    if (!device) throw new TargetError(`${metric} needs a device; ${valid}`);
    throw new TargetError(`no ${metric} for device ${show(device)}; ${valid}`);
  }

  /** Return the bytes of a target's ONNX file, once their SHA-256 is found to be the manifest's. */
  read(target: Target, options: ReadOptions = {}): Promise<Uint8Array> {
    return this.#readChecked(this.cards[target.name], options);
  }

  /** Return the golden vectors' file, checked as `read` does, or null if there is none. */
  async readGolden(options: ReadOptions = {}): Promise<Uint8Array | null> {
    const golden = this.manifest.golden as Card | undefined;
    return golden ? this.#readChecked(golden, options) : null;
  }

  async #readChecked(card: { file: string; sha256: string }, options: ReadOptions) {
    const bytes = await this.readBytes(card.file);
    if (options.checkSha256 ?? true) {
      const found = await sha256(bytes);
      if (found !== card.sha256) {
        const facts = `expected sha256 ${card.sha256}, found ${found} (${bytes.length} bytes)`;
        const mend = "copy the folder of artifacts again, manifest included";
        throw new ArtifactError(`${this.folder}${card.file} is damaged: ${facts}; ${mend}`);
      }
    }
    return bytes;
  }
}

/** Return the hexadecimal SHA-256 of some bytes, by WebCrypto. */
export async function sha256(bytes: Uint8Array): Promise<string> {
  if (!globalThis.crypto?.subtle) {
    throw new EngineError(
      "WebCrypto is missing, so files cannot be checked: browsers offer it on https and " +
        "localhost only; serve the page there, or pass { checkSha256: false }",
    );
  }
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes as BufferSource));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function readTarget(name: string, card: Card, source: string): Target {
  const where = `${source}: target "${name}"`;
  if (typeof card !== "object" || card === null) {
    throw new ArtifactError(`${where} must be an object, not ${show(card)}`);
  }
  for (const key of ["metric", "unit", "direction", "file", "sha256"]) {
    if (typeof card[key] !== "string" || !card[key]) {
      throw new ArtifactError(`${where}: key "${key}" must be a string, not ${show(card[key])}`);
    }
  }
  const { metric, unit, direction } = card as unknown as Target;
  const device = card.device ?? null;
  if (device !== null && typeof device !== "string") {
    throw new ArtifactError(`${where}: key "device" must be a string or null`);
  }
  if (direction !== "max" && direction !== "min") {
    throw new ArtifactError(`${where}: key "direction" must be max or min, not ${show(direction)}`);
  }
  if (/[/\\]/.test(card.file) || card.file.startsWith(".")) {
    throw new ArtifactError(`${where}: key "file" must be a plain file name, not ${show(card.file)}`);
  }
  if (!/^[0-9a-f]{64}$/.test(card.sha256)) {
    throw new ArtifactError(`${where}: key "sha256" must be 64 hexadecimal digits`);
  }
  if (!Number.isSafeInteger(card.members) || card.members < 1) {
    throw new ArtifactError(`${where}: key "members" must be a number, not ${show(card.members)}`);
  }
  return { name, metric, device, unit, direction };
}

/** Return how files of a folder are read here: by fetch, or from disk in Node. */
function reader(folder: string | URL | undefined): { label: string; readBytes: ReadBytes } {
  // Not an import, which bundlers for browsers would try to follow.
  const node = typeof process === "undefined" ? undefined : process.getBuiltinModule;
  const given = folder ?? (node ? defaultFolder() : "artifacts/");
  const label = String(given).replace(/\/?$/, "/");
  if (node && !/^https?:/.test(label)) {
    const files = node("node:fs/promises");
    const base = given instanceof URL || label.startsWith("file:") ? new URL(label) : label;
    return {
      label,
      readBytes: (name) =>
        files
          .readFile(base instanceof URL ? new URL(name, base) : base + name)
          .then((buffer) => new Uint8Array(buffer)) // a Buffer's slice() would be no copy
          .catch((error: Error) => {
            const mend = "pass the folder that holds manifest.json, or set ANB_ARTIFACTS";
            throw new ArtifactError(`${label}${name} cannot be read (${error.message}); ${mend}`);
          }),
    };
  }
  // Relative to the page; in a worker, to the worker's script.
  const here = globalThis.document?.baseURI ?? globalThis.location?.href;
  const base = new URL(label, here);
  return {
    label,
    readBytes: async (name) => {
      const url = new URL(name, base);
      const response = await fetch(url).catch((error: Error) => {
        throw new ArtifactError(`${url} cannot be fetched (${error.message})`);
      });
      if (!response.ok) throw new ArtifactError(`${url} cannot be fetched (${response.status})`);
      return new Uint8Array(await response.arrayBuffer());
    },
  };
}

function defaultFolder(): string | URL {
  return process.env.ANB_ARTIFACTS || new URL(/* @vite-ignore */ "../../../artifacts/", import.meta.url);
}
