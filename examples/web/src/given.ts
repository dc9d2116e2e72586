/** Files that a person drops on the page or chooses: a device of their own, or architectures. */

/** Most bytes of a file; the engine's own limit of an artifact. */
const MAX_BYTES = 64 * 2 ** 20;
/** Most files at once: what a folder of artifacts may hold. */
const MAX_FILES = 64;

/** What the page asks of a file, so that tests need no browser. */
interface FileLike {
  readonly name: string;
  readonly size: number;
  arrayBuffer(): Promise<ArrayBuffer>;
}

/** The texts of files of architectures, by their names; none where there is an ONNX file among them. */
export async function readTexts(files: readonly FileLike[]): Promise<[string, string][]> {
  if (files.some(({ name }) => name.endsWith(".onnx"))) return [];
  const table = files.find(({ name }) => /\.(parquet|xlsx?|npy|pkl)$/i.test(name));
  if (table) throw new Error(`${table.name} is not read here; the command line does: anb-onnx query --file FILE --csv --out FILE.csv`);
  const wanted = files.filter(({ name }) => name !== "manifest.json" && /\.(csv|tsv|json|jsonl|ndjson|txt)$/i.test(name));
  for (const { name, size } of wanted) {
    if (size > MAX_BYTES) throw new Error(`${name} has ${size} bytes, at most ${MAX_BYTES} are taken`);
  }
  const decoder = new TextDecoder("utf-8", { fatal: true });
  return Promise.all(wanted.map(async (file) => {
    const bytes = await file.arrayBuffer();
    try {
      return [file.name, decoder.decode(bytes)] as [string, string];
    } catch {
      throw new Error(`${file.name} is no UTF-8 text`);
    }
  }));
}

/** Read the manifest and the ONNX files among some files; others are of no concern here. */
export async function readFiles(files: readonly FileLike[]): Promise<[string, Uint8Array][]> {
  const wanted = files.filter(({ name }) => name === "manifest.json" || name.endsWith(".onnx"));
  if (!wanted.some(({ name }) => name.endsWith(".onnx"))) {
    const names = files.map(({ name }) => name).slice(0, 3).join(", ") || "nothing";
    throw new Error(`there is no .onnx file in it (${names}); anb-onnx adapt writes one, and architectures are read of .csv, .json, .jsonl and .txt`);
  }
  if (wanted.length > MAX_FILES) throw new Error(`${wanted.length} files are too many at once, at most ${MAX_FILES} are taken`);
  for (const { name, size } of wanted) {
    if (size > MAX_BYTES) throw new Error(`${name} has ${size} bytes, at most ${MAX_BYTES} are taken`);
  }
  return Promise.all(
    wanted.map(async (file) => [file.name, new Uint8Array(await file.arrayBuffer())] as [string, Uint8Array]),
  );
}

/** The files of a drop; of a folder, those directly in it. */
export async function dropped(transfer: Pick<DataTransfer, "items">): Promise<File[]> {
  // All at once, as the items are gone when the event is over.
  const entries = [...transfer.items].map((item) => ({ entry: item.webkitGetAsEntry?.(), file: item.getAsFile() }));
  const found = entries.map(async ({ entry, file }) => {
    if (entry?.isDirectory) return filesIn(entry as FileSystemDirectoryEntry);
    return file ? [file] : [];
  });
  return (await Promise.all(found)).flat();
}

async function filesIn(folder: FileSystemDirectoryEntry): Promise<File[]> {
  const reader = folder.createReader();
  const found: File[] = [];
  for (;;) {
    // A browser lists a folder in parts; an empty one is the last.
    const part = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (!part.length) return found;
    for (const entry of part) {
      if (!entry.isFile) continue;
      found.push(await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject)));
      if (found.length > 4096) throw new Error("the folder has more than 4,096 files");
    }
  }
}

/**
 * Take files wherever they are dropped on the page, and from a button that opens a dialogue.
 *
 * @param take Is given what was dropped; what goes wrong in it is its own.
 */
export function listenForFiles(button: HTMLButtonElement, input: HTMLInputElement, take: (files: Promise<File[]>) => void): void {
  button.addEventListener("click", () => input.click());
  input.addEventListener("change", () => {
    take(Promise.resolve([...(input.files ?? [])]));
    input.value = ""; // so that the same file can be chosen again
  });
  const hasFiles = (event: DragEvent) => event.dataTransfer?.types.includes("Files") ?? false;
  const mark = (over: boolean) => document.documentElement.classList.toggle("dropping", over);
  document.addEventListener("dragover", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault(); // else the browser would leave the page and open the file
    event.dataTransfer!.dropEffect = "copy";
    mark(true);
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) mark(false);
  });
  document.addEventListener("drop", (event) => {
    mark(false);
    if (!hasFiles(event)) return;
    event.preventDefault();
    take(dropped(event.dataTransfer!));
  });
}
