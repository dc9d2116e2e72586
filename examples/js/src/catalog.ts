import { checkAgreement } from "./agreement.js";
import { type Found, findBenchmark } from "./benchmarks.js";
import { ArtifactError, show, TargetError } from "./errors.js";
import { type Folder, type FolderOptions, type Limit, openFolder } from "./files.js";
import { benchmarkOfFiles } from "./given.js";
import { Golden } from "./golden.js";
import { sha256 } from "./hash.js";
import { count, Shown } from "./inspect.js";
import { isName, isObject, MAX_MEMBERS, NAME } from "./json.js";
import { SearchSpace } from "./space.js";
import type { Truth } from "./truth.js";
import { readTruths } from "./truthFile.js";

const MAX_TARGETS = 4096;

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
  readonly terms?: unknown;
  readonly calibration?: unknown;
  /** Of the form "vector". */
  readonly outputs?: unknown;
  readonly curve?: unknown;
  readonly seed_noise?: unknown;
}

export interface ReadOptions {
  /** Whether files are checked against the manifest's SHA-256; default true. */
  checkSha256?: boolean;
}

export interface OpenOptions extends FolderOptions {
  /** Name of the benchmark, where a folder holds those of several; default accel-nasbench, or the only one. */
  benchmark?: string;
}

/** The artifacts of one benchmark, as the `manifest.json` of its folder lists them. */
export class Catalog extends Shown {
  private constructor(
    /** The benchmark's name. */
    readonly benchmark: string,
    /** The folder, for messages. */
    readonly folder: string,
    readonly space: SearchSpace,
    readonly targets: readonly Target[],
    readonly cards: Readonly<Record<string, Card>>,
    /** The whole manifest. */
    readonly manifest: Readonly<Record<string, unknown>>,
    private readonly files: Folder,
  ) {
    super();
  }

  override toString(): string {
    const where = this.folder && ` in ${this.folder}`;
    return `Catalog(${this.benchmark}: ${count(this.targets.length, "target")} of ${this.space.name}${where})`;
  }

  /**
   * Read a benchmark's manifest; the ONNX files are not opened.
   *
   * @param folder The folder that holds `manifest.json`, or one with the folders of several
   *   benchmarks. In a browser an URL, relative to the page (default `artifacts/`). In Node a path
   *   or an http(s) or file URL (default `$ANB_ONNX_ARTIFACTS`, else the checkout's `artifacts`). As http
   *   has no listings, an http address with the option `benchmark` is that of several.
   * @param options The benchmark, bounds on the sizes of files, and a signal that ends requests.
   */
  static async open(folder?: string | URL, options: OpenOptions = {}): Promise<Catalog> {
    return Catalog.#of(await findBenchmark(openFolder(folder, options), options.benchmark));
  }

  /**
   * Read a benchmark from files in memory, such as a person has chosen in a browser, with the same
   * checks.
   *
   * @param files Contents by name: `manifest.json` and what it lists, or ONNX files alone, which say
   *   by themselves what a manifest would say of them.
   */
  static async fromFiles(files: ReadonlyMap<string, Uint8Array>, options: FolderOptions = {}): Promise<Catalog> {
    return Catalog.#of(await benchmarkOfFiles(files, options));
  }

  static #of({ name, files, manifest }: Found): Catalog {
    const source = `${files.label}manifest.json`;
    const entries = manifest.targets;
    if (!isObject(entries)) {
      throw new ArtifactError(`${source}: key "targets" must be an object, not ${show(entries)}`);
    }
    let space: SearchSpace;
    try {
      space = SearchSpace.fromDocument(manifest.search_space);
    } catch (error) {
      throw new ArtifactError(`${source}: key "search_space": ${(error as Error).message}`);
    }
    const targets = readTargets(entries, source);
    return new Catalog(name, files.label, space, targets, entries as Record<string, Card>, manifest, files);
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

  /**
   * Return the bytes of a target's ONNX file, once they are those that the manifest lists: their
   * SHA-256 must be the manifest's, and the card and the graph inside must say what the entry says.
   */
  async read(target: Target, options: ReadOptions = {}): Promise<Uint8Array> {
    const card = this.cards[this.find(target.name).name];
    const file = await this.#readChecked(card, "maxArtifactBytes", options);
    const name = this.folder + card.file;
    const source = `${this.folder}manifest.json: target ${show(target.name)}`;
    checkAgreement({ card, benchmark: this.benchmark, space: this.space, file, source, name });
    if (card.bytes !== file.length) {
      throw new ArtifactError(`${source}: key "bytes" must be ${file.length}, the size of ${name}, not ${show(card.bytes)}`);
    }
    const called = card.device ? `${card.metric}_${card.device}` : card.metric;
    if (target.name !== called) {
      throw new ArtifactError(`${source} must be called ${show(called)}, after its metric and device`);
    }
    return file;
  }

  /** Return the golden vectors, their file checked as `read` does, or null if there are none. */
  async readGolden(options: ReadOptions = {}): Promise<Golden | null> {
    const { golden } = this.manifest;
    if (golden === undefined) return null;
    const source = `${this.folder}manifest.json`;
    const where = `${source}: key "golden"`;
    if (!isObject(golden)) throw new ArtifactError(`${where} must be an object, not ${show(golden)}`);
    checkFileFacts(golden, where);
    const file = await this.#readChecked(golden as unknown as Card, "maxGoldenBytes", options);
    return new Golden(golden, file, this.space, new Map(Object.entries(this.cards)), source);
  }

  /**
   * Return what is proven of targets, by their names, or null if nothing is; its file checked as
   * `read` does. `checkSha256` is about the file: what was proven of other artifacts than those of
   * the manifest is always refused.
   */
  async readTruth(options: ReadOptions = {}): Promise<ReadonlyMap<string, Truth> | null> {
    const { truth } = this.manifest;
    if (truth === undefined) return null;
    const where = `${this.folder}manifest.json: key "truth"`;
    if (!isObject(truth)) throw new ArtifactError(`${where} must be an object, not ${show(truth)}`);
    checkFileFacts(truth, where);
    const facts = truth as unknown as FileFacts;
    const file = await this.#readChecked(facts, "maxTruthBytes", options);
    const subjects = this.targets.map((t) => ({ ...t, sha256: this.cards[t.name].sha256 }));
    return readTruths(file, this.space, subjects, this.folder + facts.file);
  }

  async #readChecked(card: FileFacts, limit: Limit, options: ReadOptions) {
    const bytes = await this.files.read(card.file, limit);
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

interface FileFacts {
  readonly file: string;
  readonly sha256: string;
}

function readTargets(entries: Record<string, unknown>, source: string): Target[] {
  const listed = Object.entries(entries);
  if (listed.length > MAX_TARGETS) {
    throw new ArtifactError(`${source} lists ${listed.length} targets, at most ${MAX_TARGETS} are allowed`);
  }
  const byFile = new Map<string, string>();
  return listed.map(([name, card]) => {
    const target = readTarget(name, card, source);
    const { file } = card as Card;
    const other = byFile.get(file);
    if (other !== undefined) {
      throw new ArtifactError(`${source}: targets "${other}" and "${name}" name the same file, ${show(file)}`);
    }
    byFile.set(file, name);
    return target;
  });
}

function readTarget(name: string, card: unknown, source: string): Target {
  const where = `${source}: target ${show(name)}`;
  // Objects have properties of some names already.
  if (!isName(name) || name in {}) throw new ArtifactError(`${where}: its name must be ${NAME}`);
  if (!isObject(card)) throw new ArtifactError(`${where} must be an object, not ${show(card)}`);
  for (const key of ["metric", "unit", "direction"]) {
    if (!isName(card[key])) {
      throw new ArtifactError(`${where}: key "${key}" must be ${NAME}, not ${show(card[key])}`);
    }
  }
  const { metric, unit, direction, members } = card as unknown as Target & Card;
  const device = (card.device ?? null) as string | null;
  if (device !== null && !isName(device)) {
    throw new ArtifactError(`${where}: key "device" must be null or ${NAME}, not ${show(device)}`);
  }
  if (direction !== "max" && direction !== "min") {
    throw new ArtifactError(`${where}: key "direction" must be max or min, not ${show(direction)}`);
  }
  checkFileFacts(card, where);
  if (!Number.isSafeInteger(members) || members < 1 || members > MAX_MEMBERS) {
    const allowed = `a number from 1 to ${MAX_MEMBERS}`;
    throw new ArtifactError(`${where}: key "members" must be ${allowed}, not ${show(members)}`);
  }
  return { name, metric, device, unit, direction };
}

/** Refuse a file that is not surely one of the folder, on every system, and what is no hash. */
function checkFileFacts({ file, sha256 }: Record<string, unknown>, where: string): void {
  const plain = isName(file) && !/[/\\:*?"<>|]|^[. ]|[. ]$/.test(file);
  if (!plain) {
    throw new ArtifactError(`${where}: key "file" must be a plain file name, not ${show(file)}`);
  }
  if (typeof sha256 !== "string" || !/^[0-9a-f]{64}$/.test(sha256)) {
    throw new ArtifactError(`${where}: key "sha256" must be 64 hexadecimal digits, not ${show(sha256)}`);
  }
}
